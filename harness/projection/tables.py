"""The table of projections: a type of its own, in words and colours of its own, on the terminal and as files."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from harness.analysis.number_format import MISSING, digits, readable_unit
from harness.analysis.tables.latex import UNITS, escape
from harness.analysis.tables.table import make_folder
from harness.files import write_atomically
from harness.projection.projected import Projected
from harness.projection.projecting import Answer, Projection, Refused, Row
from harness.projection.roofline import Efficiencies
from harness.projection.validation import Trial, Validation
from harness.text import csv_file, markdown, markdown_cell

NOTICE = "PROJECTED, NOT MEASURED"
COLUMNS = ("quantity", "projected", "95 % interval", "rests on")
COLOUR = "magenta"
LATEX_COLOUR = r"\color{violet}\itshape"
PREAMBLE = r"\usepackage{array,booktabs,siunitx,xcolor}"


@dataclass(frozen=True)
class ProjectionTable:
    """Projections on one chip, what was left out and predicted for them, and remarks. No table of measurements."""

    chip: str
    projections: tuple[Projection, ...]
    validations: tuple[Validation, ...]
    efficiencies: Efficiencies
    remarks: tuple[str, ...]

    @property
    def title(self) -> str:
        """In words."""
        return f"{NOTICE}: {self.chip}"

    @property
    def data(self) -> pd.DataFrame:
        """One row a quantity, at full precision; the columns of numbers are called projected."""
        return pd.DataFrame([row for projection in self.projections for row in _data_rows(self.chip, projection)])


def print_projections(table: ProjectionTable, console: Console) -> None:
    """Print what was left out and predicted, then the projections."""
    console.print(Text("Validation: every preset, or every chip, predicted from records of the others", style="bold"))
    for validation in table.validations:
        for name, trial in _named(validation):
            numbers = ", ".join(
                f"{word} {_readable(number, validation.unit)}"
                for word, number in (("projected", trial.projected), ("measured", trial.measured))
            )
            console.print(Text(f"  {name}: {numbers}, {trial.error:+.0%}"), soft_wrap=True)
        for line in (validation.said, *validation.untried):
            console.print(Text(f"  {line}"), soft_wrap=True)
    console.print(Text("\nEfficiencies: part of peak, part of bandwidth", style="bold"))
    for kind, of_bandwidth in table.efficiencies.of_bandwidth.items():
        of_peak = table.efficiencies.of_peak.get(kind)
        shown = MISSING if of_peak is None else f"{of_peak:.2g}"
        console.print(Text(f"  {kind}: {shown}, {of_bandwidth:.2g}"))
    console.print(Text(f"  bandwidth of steps that keep nothing, over that: {table.efficiencies.reuse:.2g}"))
    console.print(Text(f"\n{table.title}", style=f"bold {COLOUR}"))
    for projection in table.projections:
        console.print(Text(f"\n{projection.subject.title}", style=COLOUR), soft_wrap=True)
        for row in projection.rows:
            what, value, interval, basis = texts(row)
            line = f"  {what}: {value}{f' {interval}' if interval else ''}{f' ({basis})' if basis else ''}"
            console.print(Text(line, style=COLOUR), soft_wrap=True)
    for remark in table.remarks:
        console.print(Text(f"  {remark}", style="dim"), soft_wrap=True)


def _named(validation: Validation) -> Iterator[tuple[str, Trial]]:
    """The trials by preset and activity, and by chip and stage where there are several."""
    chips = {trial.chip for trial in validation.trials}
    steps = Counter((trial.name, trial.activity, trial.chip) for trial in validation.trials)
    for trial in validation.trials:
        stage = trial.stage if steps[trial.name, trial.activity, trial.chip] > 1 else ""
        chip = trial.chip if len(chips) > 1 else ""
        yield ", ".join(filter(None, (trial.name, chip, trial.activity, stage))), trial


def write_projections(table: ProjectionTable, folder: Path) -> tuple[Path, ...]:
    """Write projection.md, .csv and .tex into a folder, made where it is missing; return their paths.

    Raises UserError where that cannot be.
    """
    make_folder(folder)
    contents = {"md": to_markdown(table), "csv": csv_file(table.data), "tex": to_latex(table)}
    paths = tuple(folder / f"projection.{suffix}" for suffix in contents)
    for path, content in zip(paths, contents.values(), strict=True):
        write_atomically(path, content)
    return paths


def to_markdown(table: ProjectionTable) -> str:
    """The table as GitHub's Markdown."""
    parts = [f"# {markdown(table.title)}"]
    for projection in table.projections:
        rows = [COLUMNS, ("---",) * len(COLUMNS), *map(texts, projection.rows)]
        parts += [
            f"## {markdown(projection.subject.title)}",
            "\n".join(f"| {' | '.join(map(markdown_cell, row))} |" for row in rows),
        ]
    parts.append("\n".join(f"- {markdown(remark)}" for remark in table.remarks))
    return "\n\n".join(parts) + "\n"


def to_latex(table: ProjectionTable) -> str:
    """The table as floats in a colour and slant that no table of measurements has; needs the packages of PREAMBLE."""
    lines = [f"% {PREAMBLE}", *(f"% {escape(remark)}" for remark in table.remarks)]
    for projection in table.projections:
        lines += [
            r"\begin{table*}",
            rf"\caption{{{escape(f'{table.title}: {projection.subject.title}')}}}",
            rf"\centering\footnotesize{LATEX_COLOUR}",
            r"\begin{tabular}{@{}lll>{\raggedright\arraybackslash}p{6cm}@{}}",
            r"\toprule",
            " & ".join(map(escape, COLUMNS)) + r" \\",
            r"\midrule",
            *(_latex_row(row) for row in projection.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
        ]
    return "\n".join(lines) + "\n"


def texts(row: Row) -> tuple[str, str, str, str]:
    """A row as plain text: quantity, point, interval, basis."""
    if isinstance(row, Refused):
        return row.what, MISSING, "", row.reason
    if isinstance(row, Answer):
        return row.what, row.words, "", ""
    divisor, unit = _scale(row)
    point = MISSING if row.point is None else digits(row.point / divisor, None, None).value
    interval = ""
    if row.low is not None and row.high is not None:
        typical = row.high if row.point is None else row.point
        found = digits(typical / divisor, row.low / divisor, row.high / divisor)
        point = MISSING if row.point is None else found.value
        interval = f"[{found.low}, {found.high}]"
    return f"{row.what}, {unit}", point, interval, row.basis


def _latex_row(row: Row) -> str:
    what, point, interval, basis = texts(row)
    if isinstance(row, Projected):
        _, unit = _scale(row)
        shown = rf"\unit{{{UNITS[unit]}}}" if unit in UNITS else escape(unit)
        bounds = ", ".join(rf"\num{{{bound}}}" for bound in interval.strip("[]").split(", ") if bound)
        number = escape(point) if row.point is None else rf"\num{{{point}}}"
        return " & ".join((f"{escape(row.what)}, {shown}", number, f"[{bounds}]", escape(basis))) + r" \\"
    if isinstance(row, Answer):
        return rf"{escape(what)} & \multicolumn{{3}}{{p{{11cm}}}}{{{escape(row.words)}}} \\"
    return " & ".join(map(escape, (what, point, interval, basis))) + r" \\"


def _scale(row: Projected) -> tuple[float, str]:
    typical = row.point if row.point is not None else row.high
    return readable_unit(row.unit, typical or 0.0)


def _readable(value: float, unit: str) -> str:
    divisor, name = readable_unit(unit, value)
    return f"{value / divisor:.3g} {name}"


def _data_rows(chip: str, projection: Projection) -> Iterator[dict[str, object]]:
    subject = projection.subject
    for row in projection.rows:
        known = row if isinstance(row, Projected) else None
        yield {
            "projected_chip": chip,
            "model": subject.model,
            "preset": subject.preset_name,
            "data": subject.data_name,
            "framework": subject.framework,
            "execution": str(subject.execution.settings()),
            "quantity": row.what,
            "unit": known.unit if known else None,
            "projected": known.point if known else None,
            "projected_low": known.low if known else None,
            "projected_high": known.high if known else None,
            "rests_on": known.basis if known else None,
            "words": row.words if isinstance(row, Answer) else row.reason if isinstance(row, Refused) else None,
        }
