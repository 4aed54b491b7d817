"""One screen of what a bench found: each cell a line, the gravest warnings, and where the rest is."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import for_skill, rmse_deviation, speed_ratio
from harness.analysis.content import UNCERTIFIED, Number
from harness.analysis.number_format import MISSING, readable_unit
from harness.analysis.quantities.energy import energy_of
from harness.analysis.quantities.quantity import Measured
from harness.analysis.quantities.skill import scores_of
from harness.analysis.quantities.speed import INFERENCE_STEP, epoch_times, speed_of
from harness.analysis.tables.parts import why_not
from harness.analysis.tables.table import PROGRAM
from harness.suggesting import command
from harness.text import counted, one_line

MOST_WARNINGS = 3
CELLS_OF_A_SCREEN = 14
LONGEST = 165
"""Letters of a warning or a reason before it is cut; crosscast tables shows it whole."""

COLUMNS = ("", "step", "epoch", "infer", "memory", "J/epoch", "epoch, ratio", "same", "beats")
ENERGY = COLUMNS.index("J/epoch")
NUMBERS = range(1, ENERGY + 1)


class Part(NamedTuple):
    """The cells of one table, what they are compared with, and what a reader must be warned of, most grave first."""

    group: Group
    comparisons: Mapping[Cell, Comparison]
    warnings: Sequence[str]


def print_screen(title: str, parts: Sequence[Part], console: Console) -> None:
    """Print medians over launches, the ratio of an epoch with its verdict, and at how many scores cells agree.

    Of several training stages the last is shown. Energy has a column where there is any, else its reason a line.
    """
    cells = [cell for part in parts for cell in part.group.cells]
    with_energy = any(_energy(cell) for cell in cells)
    lines: list[tuple[str, ...] | str] = []
    shown = 0
    for part in parts:
        if shown and shown + len(part.group.cells) > CELLS_OF_A_SCREEN:
            break
        shown += len(part.group.cells)
        lines.append(f"{part.group.model} {part.group.preset} on {part.group.data_name}")
        lines += [_row(part, cell) for cell in part.group.cells]
    console.print(Text(f"\n{title}", style="bold underline"))
    for line, is_heading in _laid_out(lines, console.width, with_energy=with_energy):
        console.print(Text(line, style="bold" if is_heading else ""), soft_wrap=True)
    notes = _notes(parts, cells, with_energy=with_energy)
    if shown < len(cells):
        notes = [f"{len(cells) - shown} more cells: {command('tables', results=cells[0].results)} shows all", *notes]
    for note in notes:
        console.print(Text(note if PROGRAM in note else _cut(note), style="dim"), soft_wrap=PROGRAM in note)
    _print_warnings(parts, console)


def _laid_out(lines: Sequence[tuple[str, ...] | str], width: int, *, with_energy: bool) -> Iterable[tuple[str, bool]]:
    """Each line with its columns below each other, and whether it is a heading."""
    kept = [place for place in range(len(COLUMNS)) if with_energy or place != ENERGY]
    rows = [COLUMNS, *(line for line in lines if isinstance(line, tuple))]
    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    between = "  " if sum(widths[place] for place in kept) + 2 * len(kept) <= width else " "

    def text(row: tuple[str, ...]) -> str:
        parts = [" " * (widths[place] - cell_len(row[place])) for place in kept]
        return between.join(
            f"{blank}{row[place]}" if place in NUMBERS else f"{row[place]}{blank}"
            for place, blank in zip(kept, parts, strict=True)
        ).rstrip()

    yield text(COLUMNS), True
    for line in lines:
        yield (line, True) if isinstance(line, str) else (text(line), False)


def _row(part: Part, cell: Cell) -> tuple[str, ...]:
    label = f"  {part.group.label(cell)}"
    if not cell.launches:
        return (label, *(MISSING,) * (len(COLUMNS) - 1))
    speed, epochs = speed_of(cell), epoch_times(cell)
    steps = [found for found in speed.values() if found.title.startswith("train step") and found.kind == "cost"]
    memory = [found for name in ("device_bytes", "process_rss_bytes") if (found := speed.get(name)) and found.values]
    joules = _energy(cell)
    return (
        label,
        _median(steps[-1] if steps else None),
        _median(epochs[-1] if epochs else None),
        _median(speed.get(INFERENCE_STEP)),
        _median(memory[0] if memory else None),
        _median(joules) if joules else MISSING,
        _ratio(part.comparisons[cell], epochs[-1].name if epochs else None),
        _same(part.comparisons[cell]),
        _beats(cell),
    )


def _median(measured: Measured | None) -> str:
    value = measured.median.value if measured else None
    if measured is None or value is None:
        return MISSING
    divisor, unit = readable_unit(measured.unit, value)
    return f"{value / divisor:.3g} {unit}"


def _ratio(comparison: Comparison, name: str | None) -> str:
    if comparison.is_baseline:
        return "baseline"
    if comparison.refusal:
        return "refused"
    found = speed_ratio(comparison, name) if name else None
    if found is None or found.value is None:
        return MISSING
    mark = "" if comparison.certified else UNCERTIFIED
    return f"{Number(found, max_decimals=2)} {found.verdict}{mark}"


def _same(comparison: Comparison) -> str:
    """At how many variables and lead times the score is equivalent to that of the baseline."""
    fair = for_skill(comparison)
    if fair.is_baseline or fair.baseline is None:
        return MISSING
    if fair.refusal:
        return "refused"
    found = [rmse_deviation(fair.cell, fair.baseline, key) for key in scores_of(fair.cell).keys]
    verdicts = [deviation.verdict for deviation in found if deviation]
    if not verdicts:
        return MISSING
    return "undecided" if set(verdicts) == {"undecided"} else f"{verdicts.count('equivalent')}/{len(verdicts)}"


def _beats(cell: Cell) -> str:
    found = scores_of(cell).always_better_than("persistence")
    return f"{found.launches}/{found.of}" if found else MISSING


def _energy(cell: Cell) -> Measured | None:
    """The gross energy of an epoch, of the last training stage that has one."""
    energy = energy_of(cell)
    epochs = [energy.measured(each, "energy_j") for each in energy.uses if energy.per(each) == "epoch"]
    return next((found for found in reversed(epochs) if found.values), None)


def _notes(parts: Sequence[Part], cells: Sequence[Cell], *, with_energy: bool) -> list[str]:
    lines = [
        f"{part.group.label(cell)} {why_not(cell)}" for part in parts for cell in part.group.cells if not cell.launches
    ]
    absent: dict[str, None] = dict.fromkeys(
        f"{part.group.label_of_absent(entry)} did not run: {entry.reason}"
        for part in parts
        for entry in part.group.absent
    )
    lines += absent
    if not with_energy:
        reasons = dict.fromkeys(reason for cell in cells for reason in _why_no_energy(cell))
        lines.append(f"energy: none: {'; '.join(reasons) or 'not measured'}")
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


def _parity(cells: Sequence[Cell]) -> str:
    """The command that certifies the networks of all cells, or of the one model that they are of."""
    models = {(each.scenario.model, each.scenario.files.get("model")) for each in cells}
    own = [file for _, file in models if file is not None]
    return command("parity", *(own if len(models) == 1 else ()), results=cells[0].results)


def _why_no_energy(cell: Cell) -> Iterable[str]:
    found = energy_of(cell)
    return (*found.reasons_for_none, *(reason for activity in found.uses for reason in found.reasons(activity)))


def _print_warnings(parts: Sequence[Part], console: Console) -> None:
    """The gravest of every table first."""
    models: dict[str, list[str]] = {}
    for rank in zip_longest(*([(part, line) for line in part.warnings] for part in parts)):
        for part, line in filter(None, rank):
            models.setdefault(line, []).append(part.group.model)
    lines = [_of_models(named, len(parts)) + line for line, named in models.items()]
    results = next((cell.results for part in parts for cell in part.group.cells), None)
    all_of_them = command("tables", results=results)
    for line in lines[:MOST_WARNINGS]:
        console.print(Text(f"warning: {_cut(line)}", style="yellow"))
    if len(lines) > MOST_WARNINGS:
        left = f"{counted(len(lines) - MOST_WARNINGS, 'more warning')}: {all_of_them}"
        console.print(Text(left, style="yellow"), soft_wrap=True)


def _of_models(named: Sequence[str], parts: int) -> str:
    """What stands before a warning of one of several tables, or of several of them."""
    if parts == 1:
        return ""
    return "all models, " if len(named) == parts else f"{', '.join(dict.fromkeys(named))}, "


def _cut(line: str) -> str:
    text = one_line(line)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
