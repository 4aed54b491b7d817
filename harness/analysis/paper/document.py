"""The LaTeX that puts tables, figures and text together."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from harness.analysis.figures.names import people
from harness.analysis.figures.style import ONE_COLUMN_INCHES
from harness.analysis.paper.citation import KEY
from harness.analysis.tables.latex import MOST_FLOATS, PLACED, PREAMBLE, escape
from harness.analysis.tables.table import Table

Columns = Literal[1, 2]
TALLEST = r"height=0.7\textheight,keepaspectratio"
"""Of a figure, which leaves room for its caption below it: LaTeX cuts off what is taller than a page."""


class PlacedFigure(NamedTuple):
    """A figure in a file of the folder, its caption and the width that it was drawn for."""

    file: str
    label: str
    caption: str
    width_inches: float


def document(
    title: str,
    sentences: Sequence[str],
    tables: Sequence[tuple[str, Table]],
    figures: Sequence[PlacedFigure],
    warnings: Sequence[str],
    columns: Columns,
) -> str:
    """The whole paper.tex; `tables` are files of the folder with what they hold."""
    lines = [
        rf"\documentclass[10pt{',twocolumn' if columns == 2 else ''}]{{article}}",
        PREAMBLE,
        r"\usepackage[margin=2cm]{geometry}",
        r"\renewcommand{\labelitemi}{$\bullet$}",
        rf"\title{{{printed(title)}}}",
        r"\author{}",
        r"\date{}",
        r"\begin{document}",
        r"\maketitle",
        r"\section{Methods}",
        rf"Measured with Crosscast~\cite{{{KEY}}}. {' '.join(map(printed, sentences))}",
        r"\section{Definitions}",
        *_definitions(table for _, table in tables),
        *_listed("Warnings", warnings),
        r"\section{Results}",
        *(line for file, _ in tables for line in (rf"\input{{{file}}}", PLACED)),
        *_figures(figures, columns),
        r"\nocite{*}",
        r"\bibliographystyle{plain}",
        r"\bibliography{crosscast}",
        r"\end{document}",
    ]
    return "\n".join(lines) + "\n"


def _definitions(tables: Iterable[Table]) -> Iterable[str]:
    """A paragraph for each table, of the definitions that no earlier one has given."""
    given: set[str] = set()
    for table in tables:
        new = [each for each in table.definitions if each not in given]
        given.update(new)
        if new:
            yield rf"\paragraph{{{printed(table.title)}}} {' '.join(map(printed, new))}"


def printed(text: str) -> str:
    """Text as LaTeX prints it, names as people write them."""
    return escape(people(text))


def _figures(figures: Sequence[PlacedFigure], columns: Columns) -> Iterable[str]:
    for number, each in enumerate(figures, start=1):
        wide = columns == 2 and each.width_inches > ONE_COLUMN_INCHES
        kind = "figure*" if wide else "figure"
        yield from (
            rf"\begin{{{kind}}}[tp]",
            r"\centering",
            rf"\includegraphics[width={_width(each, columns, wide=wide)},{TALLEST}]{{{each.file}}}",
            rf"\caption{{{printed(each.caption)}}}",
            rf"\label{{{each.label}}}",
            rf"\end{{{kind}}}",
        )
        if number % MOST_FLOATS == 0:
            yield PLACED


def _width(figure: PlacedFigure, columns: Columns, *, wide: bool) -> str:
    if wide:
        return r"\textwidth"
    if columns == 1 and figure.width_inches <= ONE_COLUMN_INCHES:
        return f"{figure.width_inches:.2f}in"
    return r"\linewidth"


def _listed(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    items = [rf"\item {printed(each)}" for each in entries]
    return [rf"\section{{{title}}}", r"\begin{itemize}", *items, r"\end{itemize}"]
