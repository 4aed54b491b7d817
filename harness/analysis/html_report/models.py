"""All of one model on its data: speed, skill, energy, ablation, scaling, history, machines, records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup

from harness.analysis.cells import Cell, Group, Results
from harness.analysis.comparison.pair import Comparison
from harness.analysis.content import Sources
from harness.analysis.figures.names import people
from harness.analysis.figures.subject import FigureSubject, NotDrawn, subjects
from harness.analysis.html.views import Link, TableView, table_view
from harness.analysis.html_report.environment import MachinesView, machines_view
from harness.analysis.html_report.history import history_lines, history_tables
from harness.analysis.html_report.launches import launches_view
from harness.analysis.tables.every import builders
from harness.analysis.tables.table import Table, rehearsed
from harness.text import counted

SECTIONS = {"speed": "Speed", "skill": "Skill", "energy": "Energy", "ablation": "Ablation", "scaling": "Scaling"}
"""The kinds of tables in the order of the page, and what the sections with them are called."""

SECTION_OF_FIGURE = {
    **dict.fromkeys(("speed", "scaling", "batch_size"), "speed"),
    **dict.fromkeys(("loss", "skill", "scorecard", "spectra", "spectra_by_degree"), "skill"),
    **dict.fromkeys(("rmse_maps", "forecast"), "skill"),
    **dict.fromkeys(("energy", "power"), "energy"),
    "ladder": "ablation",
    "devices": "scaling",
}
"""The section in which a figure stands, by the kind with which its name begins."""


@dataclass(frozen=True)
class FigureView:
    """A figure in the page and the cells that it is made of, as pairs of label and link."""

    name: str
    anchor: str
    caption: str
    svg: Markup
    sources: tuple[tuple[str, str], ...]
    cell: Cell


@dataclass(frozen=True)
class SectionView:
    """The tables and figures of one kind; `lines` say what else there is to know."""

    anchor: str
    title: str
    tables: tuple[TableView, ...]
    figures: tuple[FigureView, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class CellView:
    """The records of a cell under its anchor; `title` says how many there are."""

    anchor: str
    title: str
    table: TableView


@dataclass(frozen=True)
class RecordsView:
    """The records of a group."""

    anchor: str
    title: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class ModelView:
    """A model on its data; `machines` is None where no cell has a completed launch."""

    anchor: str
    title: str
    sections: tuple[SectionView, ...]
    machines: MachinesView | None
    records: tuple[RecordsView, ...]


@dataclass(frozen=True)
class Anchors:
    """Where the records of each cell and of each group stand."""

    cells: Mapping[Cell, str]
    groups: Sequence[str]
    prefix: str

    @staticmethod
    def of(found: Results, groups: Sequence[Group], prefix: str) -> "Anchors":
        """Names that begin with the prefix."""
        return Anchors(
            {cell: f"{prefix}-cell{number}" for number, cell in enumerate(found.cells)},
            [f"{prefix}-group{number}" for number in range(len(groups))],
            prefix,
        )

    def link(self, number: int) -> Link:
        """Numbers of one cell lead to its records, those of several or of none to those of the group."""

        def link(sources: Sources) -> str:
            return f"#{self.cells[sources[0]] if len(sources) == 1 else self.groups[number]}"

        return link


def model_views(
    found: Results,
    groups: Sequence[Group],
    comparisons: Mapping[Cell, Comparison],
    anchors: Anchors,
    drawn: Sequence[FigureView | NotDrawn],
    folder: Path,
    most: int | None,
) -> tuple[tuple[ModelView, ...], dict[str, tuple[str, ...]]]:
    """The models of a suite, and the definitions of each kind of table by the title of its section.

    `most` is how many records of a cell are shown with their values; links to them are relative to `folder`.
    """
    views = []
    definitions: dict[str, tuple[str, ...]] = {}
    place_of = {id(group): place for place, group in enumerate(groups)}
    of_subject = _by_subject(drawn, subjects(groups))
    for number, subject in enumerate(subjects(groups)):
        anchor = f"{anchors.prefix}-model{number}"
        places = [place_of[id(group)] for group in subject.groups]
        links = [anchors.link(place) for place in places]
        built = [
            [rehearsed(build(found.suites[0], [group], _concerning(group, comparisons))) for group in subject.groups]
            for build in builders(found.certificates)
        ]
        definitions |= {
            title: tables[0].definitions
            for title, tables in zip(SECTIONS.values(), built, strict=True)
            if any(table.sections for table in tables)
        }
        sections = [
            section
            for (kind, title), tables in zip(SECTIONS.items(), built, strict=True)
            if (section := _section(f"{anchor}-{kind}", title, tables, links, of_subject[number].get(kind, ())))
        ]
        if lines := history_lines(subject.groups):
            sections.append(
                SectionView(f"{anchor}-history", "History", history_tables(subject.groups, links), lines=lines)
            )
        records = tuple(_records(groups[place], anchors.groups[place], anchors.cells, folder, most) for place in places)
        machines = machines_view(subject, anchors.cells)
        views.append(ModelView(anchor, people(subject.title), tuple(sections), machines, records))
    return tuple(views), definitions


def _section(
    anchor: str, title: str, tables: Sequence[Table], links: Sequence[Link], drawn: Iterable[FigureView | NotDrawn]
) -> SectionView | None:
    """None where there is nothing to show; tables are built group by group, in each of which labels are unique."""
    views = tuple(
        table_view(section.title, section.columns, section.rows, section.notes, link)
        for table, link in zip(tables, links, strict=True)
        for section in table.sections
    )
    figures = tuple(each for each in drawn if isinstance(each, FigureView))
    reasons: dict[str, list[str]] = {}
    for each in drawn:
        if isinstance(each, NotDrawn):
            reasons.setdefault(each.reason, []).append(each.name)
    lines = tuple(f"Not drawn: {', '.join(names)}: {reason}" for reason, names in reasons.items())
    return SectionView(anchor, title, views, figures, lines) if views or figures or lines else None


def _records(group: Group, anchor: str, anchors: Mapping[Cell, str], folder: Path, most: int | None) -> RecordsView:
    cells = []
    for cell in group.cells:
        label, failed = group.label(cell), len(cell.failed_attempts)
        counts = counted(len(cell.launches), "launch", "launches") + (
            f", {counted(failed, 'attempt')} not completed" if failed else ""
        )
        table = launches_view(f"{label}, {cell.key}", cell, folder, most)
        cells.append(CellView(anchors[cell], f"{people(label)}: {counts}", table))
    return RecordsView(anchor, people(group.title), tuple(cells))


def _concerning(group: Group, comparisons: Mapping[Cell, Comparison]) -> dict[Cell, Comparison]:
    """The comparisons of the group's cells and of their baselines."""
    baselines = [baseline for cell in group.cells if (baseline := comparisons[cell].baseline)]
    return {cell: comparisons[cell] for cell in (*group.cells, *baselines)}


def _by_subject(
    drawn: Iterable[FigureView | NotDrawn], found: Sequence[FigureSubject]
) -> list[dict[str, list[FigureView | NotDrawn]]]:
    """Figures, and what is not drawn, of each subject by the kind of their section."""
    places = {cell: number for number, of in enumerate(found) for group in of.groups for cell in group.cells}
    sections: list[dict[str, list[FigureView | NotDrawn]]] = [{} for _ in found]
    for each in drawn:
        kind, _, rest = each.name.partition("-")
        if isinstance(each, FigureView):
            number = places[each.cell]
        else:
            number = max(range(len(found)), key=partial(_letters_shared, rest, found))
        sections[number].setdefault(SECTION_OF_FIGURE[kind], []).append(each)
    return sections


def _letters_shared(name: str, found: Sequence[FigureSubject], place: int) -> int:
    """The length of a subject's stem where a name begins with it."""
    stem = found[place].stem
    return len(stem) if name.startswith(stem) else 0
