"""All figures of a folder of results, drawn one after the other and written as files."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.console import Console
from rich.text import Text

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.pair import Comparison
from harness.analysis.figures import batch_size as scaling
from harness.analysis.figures import (
    devices,
    energy,
    forecast,
    ladder,
    loss,
    power,
    rmse_maps,
    scorecard,
    skill,
    spectra,
    spectra_by_degree,
    speed,
)
from harness.analysis.figures.style import STYLE
from harness.analysis.figures.subject import FigureSubject, Illustration, Illustrator, NotDrawn, file_stem, subjects
from harness.analysis.selection import baselines_of, chosen_suites, load_chosen
from harness.analysis.tables.table import make_folder, print_warnings
from harness.files import write_atomically
from harness.machine import rehearsal
from harness.text import csv_file, one_line

ILLUSTRATORS: tuple[Illustrator, ...] = tuple(
    module.illustrate
    for module in (
        *(speed, loss, skill, energy, scaling, devices, ladder),
        *(scorecard, spectra, spectra_by_degree, power, rmse_maps, forecast),
    )
)
UNDRAWABLE = (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What drawing raises on numbers that it cannot bear; one figure less is no reason to draw none."""

CANNOT = "cannot be drawn from the numbers of its records"

METADATA = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": None}
"""No time in the files: the same records give the same bytes."""


def illustrations(
    groups: Sequence[Group],
    illustrators: Sequence[Illustrator] = ILLUSTRATORS,
    left_out: Callable[[FigureSubject, Illustrator], str | None] = lambda subject, illustrate: None,
    comparisons: Mapping[Cell, Comparison] | None = None,
) -> Iterator[Illustration | NotDrawn]:
    """Draw every figure of every subject; a figure that cannot be drawn is named with its reason.

    `left_out` says why those of a subject by one of the illustrators are not wanted; None where they are.
    `comparisons` are those of the cells with their baselines; without them nothing is drawn beside a baseline.
    """
    for subject in subjects(groups, comparisons):
        for illustrate in illustrators:
            if why := left_out(subject, illustrate):
                yield NotDrawn(f"{_kind(illustrate)}-{subject.stem}", why)
                continue
            try:
                yield from illustrate(subject)
            except UNDRAWABLE as error:
                yield NotDrawn(f"{_kind(illustrate)}-{subject.stem}", f"{CANNOT} ({type(error).__name__}: {error})")


def _kind(illustrate: Illustrator) -> str:
    return illustrate.__module__.rsplit(".", 1)[-1]


def write_figures(
    results: Path, *, suite: str | None, console: Console, baseline: str | None = None
) -> tuple[str, ...]:
    """Write all figures of one suite or of all into SUITE/figures in the folder of results, and say which and why not.

    Returns the records that could not be used, each in a line that says why. Raises UserError where there is no record,
    where none is of the suite, where no cell bears the name of the baseline, and where a file cannot be written.
    """
    found = load_chosen(results, suite)
    suites = chosen_suites(found, suite)
    print_warnings(found.problems, console)
    for chosen, name in zip(suites, baselines_of(suites, baseline), strict=True):
        not_drawn: list[NotDrawn] = []
        for item in illustrations(chosen.groups(), comparisons=name.compare_all(chosen.cells)):
            if isinstance(item, NotDrawn):
                not_drawn.append(item)
                continue
            try:
                paths = write(item, results / chosen.suites[0] / "figures")
            except UNDRAWABLE as error:
                not_drawn.append(NotDrawn(item.name, f"{CANNOT} ({type(error).__name__}: {error})"))
                continue
            for path in paths:
                console.print(Text(str(path)), soft_wrap=True)
        print_not_drawn(not_drawn, console)
    return found.problems


def print_not_drawn(items: Iterable[NotDrawn], console: Console) -> None:
    """Print a line for each reason, with the figures that are not drawn for it."""
    names: dict[str, list[str]] = {}
    for item in items:
        names.setdefault(item.reason, []).append(item.name)
    for reason, without in names.items():
        console.print(Text(one_line(f"not drawn: {', '.join(without)}: {reason}"), style="dim"), soft_wrap=True)


def write_loss_curves(groups: Sequence[Group], folder: Path) -> tuple[Path, ...]:
    """Write the loss curves alone, as `write` does, and return the paths."""
    drawn = illustrations(groups, (loss.illustrate,))
    return tuple(path for item in drawn if isinstance(item, Illustration) for path in write(item, folder))


def write(drawn: Illustration, folder: Path) -> tuple[Path, ...]:
    """Write NAME.pdf, NAME.png and NAME.csv into a folder, which is made where it is missing; return the paths.

    Raises UserError where they cannot be written.
    """
    make_folder(folder)
    stem = file_stem(rehearsal.named(drawn.name))
    paths = tuple(folder / f"{stem}.{suffix}" for suffix in ("pdf", "png", "csv"))
    for path in paths[:2]:
        write_atomically(path, rendered(drawn.figure, path.suffix[1:]))
    write_atomically(paths[2], csv_file(drawn.data, float_format="%.9g"))
    return paths


def rendered(figure: Figure, file_format: str) -> bytes:
    """A figure as the content of a pdf, png or svg file."""
    content = BytesIO()
    with mpl.rc_context(STYLE):
        notice = figure.text(0.0, 0.0, rehearsal.NOTICE, color="C3") if rehearsal.stage() else None
        figure.savefig(content, format=file_format, metadata=METADATA[file_format])
        if notice is not None:
            notice.remove()
    return content.getvalue()
