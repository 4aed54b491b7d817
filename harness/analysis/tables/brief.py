"""What is said of each cell in one line, by the screen at the end of a bench and by the top of the report."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.analysis.cautions import cautions
from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.ablation import studies
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import for_skill, rmse_deviation, speed_ratio
from harness.analysis.content import UNCERTIFIED, Number
from harness.analysis.number_format import MISSING, readable_unit
from harness.analysis.quantities.energy import energy_of, timed_activities
from harness.analysis.quantities.quantity import Measured, Quantity
from harness.analysis.quantities.skill import MODEL, scores_of
from harness.analysis.quantities.speed import INFERENCE_STEP, epoch_times, speed_of
from harness.analysis.tables.parts import why_not
from harness.porting.parity.certificate import Certificate
from harness.suggesting import command

COSTS = ("step", "epoch", "infer", "memory", "J/epoch")
COLUMNS = ("", *COSTS, "epoch, ratio", "same", "beats")
ENERGY = COLUMNS.index("J/epoch")
RATIO = COLUMNS.index("epoch, ratio")


class Part(NamedTuple):
    """The cells of one table, what they are compared with, and what a reader must be warned of, most grave first."""

    group: Group
    comparisons: Mapping[Cell, Comparison]
    warnings: Sequence[str]

    @property
    def title(self) -> str:
        """Model, preset and data in words."""
        return f"{self.group.model} {self.group.preset} on {self.group.data_name}"


@dataclass(frozen=True)
class Line:
    """A cell in one line: `texts` in the order of COLUMNS, and the numbers behind them.

    `costs` are medians over launches in the order of COSTS, of the last of several training stages, and `ratio` is that
    of an epoch to the baseline's; None where there is none.
    """

    cell: Cell
    costs: tuple[Quantity | None, ...]
    ratio: Quantity | None
    texts: tuple[str, ...]


def parts_of(groups: Iterable[Group], comparisons: Mapping[Cell, Comparison]) -> tuple[Part, ...]:
    """The groups with their warnings."""
    return tuple(Part(group, comparisons, cautions(group, comparisons)) for group in groups)


def beside_their_bases(parts: Iterable[Part], certificates: Sequence[Certificate]) -> tuple[Part, ...]:
    """The parts with each variant of an ablation compared with the base of its framework."""
    found = []
    for part in parts:
        to_base = {
            step.comparison.cell: step.comparison
            for study in studies(part.group, certificates)
            for step in study.steps
            if step.comparison and step.comparison.cell.scenario.variant
        }
        found.append(part._replace(comparisons={**part.comparisons, **to_base}) if to_base else part)
    return tuple(found)


def has_energy(cells: Iterable[Cell]) -> bool:
    """Whether an epoch of any cell has an energy."""
    return any(_energy(cell) for cell in cells)


def line_of(part: Part, cell: Cell) -> Line:
    """The line of a cell of a part."""
    label = part.group.label(cell)
    if not cell.launches:
        return Line(cell, (None,) * len(COSTS), None, (label, *(MISSING,) * (len(COLUMNS) - 1)))
    speed, epochs = speed_of(cell), epoch_times(cell)
    steps = [found for found in speed.values() if found.title.startswith("train step") and found.kind == "cost"]
    memory = [found for name in ("device_bytes", "process_rss_bytes") if (found := speed.get(name)) and found.values]
    measured = (
        steps[-1] if steps else None,
        epochs[-1] if epochs else None,
        speed.get(INFERENCE_STEP),
        memory[0] if memory else None,
        _energy(cell),
    )
    comparison = part.comparisons[cell]
    ratio = _ratio(comparison, epochs[-1].name if epochs else None)
    return Line(
        cell,
        tuple(found.median if found else None for found in measured),
        ratio,
        (label, *map(_median, measured), _ratio_text(comparison, ratio), _same(comparison), _beats(cell)),
    )


def notes(parts: Sequence[Part]) -> list[str]:
    """What did not run, why there is no energy, and what the columns mean."""
    cells = [cell for part in parts for cell in part.group.cells]
    not_run = [
        (part, f"{part.group.label(cell)}{_place(part, parts)} {why_not(cell)}")
        for part in parts
        for cell in part.group.cells
        if not cell.launches
    ]
    not_run += [
        (part, f"{part.group.label_of_absent(entry)}{_on_chip(part, parts)} did not run: {entry.reason}")
        for part in parts
        for entry in part.group.absent
    ]
    lines = [f"{whose}: {line}" if whose else line for line, whose in _once(not_run, parts).items()]
    lines += _without_energy(parts)
    counts = {len(cell.launches) for cell in cells if cell.launches}
    number = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts, default=0)}"
    lines.append(f"medians over launches (n = {number}); ratio to the baseline with its 95 % interval")
    kinds = {comparison.kind for part in parts for comparison in part.comparisons.values()}
    if any(kind.name == "ablation" for kind in kinds):
        lines.append("each other way of running a network is compared with the first one of its framework")
    lines.append("same: RMSE equivalent to the baseline's; beats: RMSE below persistence; of all variables and leads")
    uncertified = any(not comparison.certified for part in parts for comparison in part.comparisons.values())
    if uncertified:
        lines.append(f"{UNCERTIFIED} no certificate says that the networks are the same: {_parity(cells)}")
    return lines


def name_of(part: Part, parts: Sequence[Part]) -> str:
    """What tells a part from the others: its model, and chip and host where there are several."""
    model = part.group.model if _models_differ(parts) else part.title
    return f"{model}{_place(part, parts)}"


def _models_differ(parts: Sequence[Part]) -> bool:
    """Whether no model has several of the titles of the parts, so that its name alone tells them apart."""
    titles = {part.title: part.group.model for part in parts}
    return len(set(titles.values())) == len(titles)


def _once(said: Iterable[tuple[Part, str]], parts: Sequence[Part]) -> dict[str, str]:
    """Each line once, with the models that it is said of; with nothing where it is said of all."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for part, line in said:
        found[line][part.title] = part.group.model
    every, alone = len({part.title for part in parts}), _models_differ(parts)
    return {line: "" if len(of) == every else ", ".join(of.values() if alone else of) for line, of in found.items()}


def _on_chip(part: Part, parts: Sequence[Part]) -> str:
    """The chip of a part, where there are several; labels in a group across chips name theirs."""
    several = len({each.group.chip for each in parts}) > 1
    return f" on {part.group.chip}" if several and not part.group.across else ""


def _place(part: Part, parts: Sequence[Part]) -> str:
    """The chip of a part, where there are several, and its host where cells of that subject ran on several."""
    hosts = {each.group.host for each in parts if (each.title, each.group.chip) == (part.title, part.group.chip)}
    on_chip = _on_chip(part, parts)
    if len(hosts) < 2 or part.group.host is None:
        return on_chip
    return f"{on_chip}, host {part.group.host}" if on_chip else f" on host {part.group.host}"


def _median(measured: Measured | None) -> str:
    value = measured.median.value if measured else None
    if measured is None or value is None:
        return MISSING
    divisor, unit = readable_unit(measured.unit, value)
    return f"{float(f'{value / divisor:.3g}'):.9g} {unit}"


def _ratio(comparison: Comparison, name: str | None) -> Quantity | None:
    found = speed_ratio(comparison, name) if name else None
    return found if found and found.value is not None else None


def _ratio_text(comparison: Comparison, ratio: Quantity | None) -> str:
    if comparison.is_baseline:
        return "baseline"
    if comparison.refusal:
        return "refused"
    if ratio is None:
        return MISSING
    mark = "" if comparison.certified else UNCERTIFIED
    return f"{Number(ratio, max_decimals=2)} {ratio.verdict}{mark}"


def _same(comparison: Comparison) -> str:
    """At how many variables and lead times of all the score is equivalent to that of the baseline.

    Where one of the two blew up it is not.
    """
    fair = for_skill(comparison)
    if fair.is_baseline or fair.baseline is None or not scores_of(fair.cell).launches:
        return MISSING
    if fair.refusal:
        return "refused"
    keys, both = scores_of(fair.cell).keys, (scores_of(fair.cell), scores_of(fair.baseline))
    verdicts = [found.verdict for key in keys if (found := rmse_deviation(fair.cell, fair.baseline, key))]
    blown_up = any(scores.not_finite(MODEL, key) for scores in both for key in keys)
    if not verdicts and not blown_up:
        return MISSING
    if set(verdicts) == {"undecided"} and not blown_up:
        return "undecided"
    return f"{verdicts.count('equivalent')}/{len(keys)}"


def _beats(cell: Cell) -> str:
    found = scores_of(cell).always_better_than("persistence")
    return f"{found.launches}/{found.of}" if found else MISSING


def _energy(cell: Cell) -> Measured | None:
    """The gross energy of an epoch of the last training stage, whose times stand beside it; None where it has none."""
    activity = _epoch_of_last_stage(cell)
    found = energy_of(cell).measured(activity, "energy_j") if activity else None
    return found if found and found.values else None


def _epoch_of_last_stage(cell: Cell) -> str | None:
    """What energies call an epoch of the last training stage; None where none of it is recorded."""
    epochs = epoch_times(cell)
    timed = timed_activities(cell).items()
    return next((activity for activity, (_, time) in timed if epochs and time == epochs[-1].name), None)


def _parity(cells: Sequence[Cell]) -> str:
    """The command that certifies the networks of all cells, or of the one model that they are of."""
    models = {(each.scenario.model, each.scenario.files.get("model")) for each in cells}
    own = [file for _, file in models if file is not None]
    return command("parity", *(own if len(models) == 1 else ()), results=cells[0].results)


def _without_energy(parts: Sequence[Part]) -> Iterable[str]:
    """Why cells that trained have no energy of an epoch of the last stage, in a line; nothing where all have it."""
    cells = [cell for part in parts for cell in part.group.cells if cell.launches]
    if not has_energy(cells):
        what = "energy of an epoch" if any(map(_has_any_energy, cells)) else "energy"
        reasons = dict.fromkeys(reason for cell in cells for reason in _why_no_energy(cell))
        return (f"{what}: none: {'; '.join(reasons) or 'not measured'}",)
    lacking: dict[str, list[tuple[Part, str]]] = defaultdict(list)
    for part in parts:
        for cell in part.group.cells:
            if any(found.values for found in epoch_times(cell)) and not _energy(cell):
                label = f"{part.group.label(cell)}{_place(part, parts)}"
                lacking["; ".join(_why_no_energy(cell)) or "not measured"].append((part, label))
    told = []
    for why, labels in lacking.items():
        named = (f"{label} ({whose})" if whose else label for label, whose in _once(labels, parts).items())
        told.append(f"none of {', '.join(named)}: {why}")
    return (f"energy of an epoch: {'; '.join(told)}",) if told else ()


def _has_any_energy(cell: Cell) -> bool:
    found = energy_of(cell)
    return any(found.measured(activity, "energy_j").values for activity in found.uses)


def _why_no_energy(cell: Cell) -> tuple[str, ...]:
    """Reasons of the last training stage alone, by its name, where other work of the cell has an energy."""
    found, activity = energy_of(cell), _epoch_of_last_stage(cell)
    if activity and _has_any_energy(cell):
        return tuple(f"{activity}: {reason}" for reason in found.reasons(activity))
    return (*found.reasons_for_none, *(reason for each in found.uses for reason in found.reasons(each)))
