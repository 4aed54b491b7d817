"""What one figure is about: the cells of a model on its data, whatever their framework, chip and host."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from harness.analysis.cells import Cell, Group, by_subject
from harness.analysis.comparison.pair import Comparison
from harness.analysis.figures.style import MarkerStyle, looks
from harness.scenario.labels import label
from harness.scenario.scenario import Absent

HOST_CHARACTERS = 6
"""Of a host in a label, where they tell it from the others."""

MOST_BYTES = 220
"""Of a file's name, which leaves room for its ending and for the mark of a file that is being written."""


@dataclass(frozen=True, eq=False)
class ShownCell:
    """A cell with the label and the look that no other cell of its figure shares.

    `series` is the label without what tells cells of the same framework on the same machine apart; `stem` is the part
    of file names that tells the cells of a subject apart.
    """

    cell: Cell
    label: str
    series: str
    stem: str
    look: MarkerStyle

    @property
    def columns(self) -> dict[str, str]:
        """The columns by which files tell cells apart."""
        return {
            "cell": self.label,
            "chip": self.cell.scenario.chip,
            "host": self.cell.host,
            "cell_key": self.cell.key,
        }


@dataclass(frozen=True)
class FigureSubject:
    """Model, preset and data, and the groups of cells that share them.

    `stem` is the part of file names that tells subjects apart. `comparisons` are those of the cells with their
    baselines.
    """

    model: str
    preset: str
    data_name: str
    groups: tuple[Group, ...]
    stem: str
    comparisons: Mapping[Cell, Comparison] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Model, preset and data in words."""
        return f"{self.model} {self.preset}, data {self.data_name}"

    @property
    def absent(self) -> tuple[tuple[str, Absent], ...]:
        """Cells that cannot exist or run, each once, with their labels."""
        entries = dict.fromkeys(entry for group in self.groups for entry in group.absent)
        return tuple(
            (self._label(f"{entry.framework} {label(entry.execution)}", entry.chip, None), entry) for entry in entries
        )

    def shown(self, wanted: Callable[[Cell], object] = lambda cell: True) -> tuple[ShownCell, ...]:
        """The cells for which `wanted` holds, in order of group and cell."""
        pairs = [(group, cell) for group in self.groups for cell in group.cells if wanted(cell)]
        machines = [f"{cell.scenario.chip} {cell.host}" for _, cell in pairs]
        found = looks(machines, [(cell.label, _twins(group, cell).index(cell)) for group, cell in pairs])
        labels = [self._label(_label_in_group(group, cell), cell.scenario.chip, cell.host) for group, cell in pairs]
        stems = _stems({(cell.key, cell.host): label for (_, cell), label in zip(pairs, labels, strict=True)})
        return tuple(
            ShownCell(cell, label, self._label(cell.label, cell.scenario.chip, cell.host), stem, look)
            for (_, cell), label, stem, look in zip(pairs, labels, stems, found, strict=True)
        )

    def _label(self, label: str, chip: str, host: str | None) -> str:
        cells = [cell for group in self.groups for cell in group.cells]
        chips = {cell.scenario.chip for cell in cells} | {each.chip for group in self.groups for each in group.absent}
        hosts = {cell.host for cell in cells if cell.scenario.chip == chip}
        parts = [label]
        parts += [chip] if len(chips) > 1 else []
        if host and len(hosts) > 1:
            alike = [other for other in hosts if other[:HOST_CHARACTERS] == host[:HOST_CHARACTERS]]
            parts.append(f"host {host[:HOST_CHARACTERS] if len(alike) == 1 else host}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Illustration:
    """A figure, the data that it shows, a caption, and the cells whose records it is made of.

    `launch` is the number of the only launch of theirs that it shows; None where it shows all.
    """

    name: str
    caption: str
    figure: Figure
    data: pd.DataFrame
    cells: tuple[Cell, ...]
    launch: int | None = None


@dataclass(frozen=True)
class NotDrawn:
    """A figure that the records do not allow, and why."""

    name: str
    reason: str


Drawn = Iterable[Illustration | NotDrawn]
Illustrator = Callable[[FigureSubject], Drawn]


def subjects(
    groups: Sequence[Group], comparisons: Mapping[Cell, Comparison] | None = None
) -> tuple[FigureSubject, ...]:
    """The groups by model, preset and data, in their order."""
    found = {(of[0].model, of[0].preset, of[0].data_name): of for of in by_subject(groups)}
    stems = _stems({names: "-".join(names) for names in found})
    return tuple(
        FigureSubject(*names, found[names], stem, comparisons or {}) for names, stem in zip(found, stems, strict=True)
    )


def file_stem(name: str) -> str:
    """A name as part of file names; the end of a long one is a digest."""
    stem = re.sub(r"[^\w.-]+", "_", name)
    if len(stem.encode()) <= MOST_BYTES:
        return stem
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{stem.encode()[: MOST_BYTES - len(digest) - 1].decode(errors='ignore')}-{digest}"


def _stems(names: Mapping[tuple[str, ...], str]) -> list[str]:
    """The names, with a digest of what they stand for where files of several would have the same name."""
    counts = Counter(map(file_stem, names.values()))
    return [
        name if counts[file_stem(name)] == 1 else f"{name}-{hashlib.sha256(json.dumps(of).encode()).hexdigest()[:8]}"
        for of, name in names.items()
    ]


def _twins(group: Group, cell: Cell) -> list[Cell]:
    return [other for other in group.cells if other.label == cell.label]


def _label_in_group(group: Group, cell: Cell) -> str:
    """The cell's label, with its batch size where that tells it from its twins, else as the tables have it."""
    twins = _twins(group, cell)
    sizes = {twin.scenario.training.batch_size for twin in twins}
    if len(twins) > 1 and len(sizes) == len(twins):
        return f"{cell.label}, batch {cell.scenario.training.batch_size}"
    return group.label(cell)
