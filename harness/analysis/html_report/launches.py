"""The launches of a cell with their own values, each linked to its record."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from os.path import realpath, relpath
from pathlib import Path
from urllib.parse import quote

from harness.analysis.cells import Cell
from harness.analysis.content import Content, Heading, Number, Row
from harness.analysis.html.views import Entry, TableView, table_view
from harness.analysis.number_format import MISSING, readable_unit, typical_size
from harness.analysis.quantities.quantity import Quantity, median_over
from harness.analysis.quantities.speed import of_launch
from harness.analysis.reading import StoredRecord
from harness.analysis.tables.parts import status_text


def launches_view(title: str, cell: Cell, folder: Path, most: int | None = None) -> TableView:
    """A row for each quantity and a column for each record of the cell, completed or not.

    Of more than `most` records the rest are links alone, below the table. Links are relative to `folder`.
    """
    records, folder = cell.records[:most], folder.resolve()
    rows: list[Row] = [
        ("record", *(f"{record.launch:02d}-{record.attempt}" for record in records)),
        ("status", *(status_text(record) for record in records)),
        ("started", *(record.started_at for record in records)),
        *_quantities(cell, records),
    ]
    columns = ("quantity", *(f"launch {record.launch}" for record in records))
    links = [None, *(_href(record, folder) for record in records)]
    view = table_view(title, columns, rows)
    linked = (tuple(entry._replace(href=link) for entry, link in zip(row, links, strict=True)) for row in view.rows)
    others = tuple(Entry(str(record.launch), _href(record, folder)) for record in cell.records[len(records) :])
    return replace(view, rows=tuple(linked), others=others)


def _quantities(cell: Cell, records: Sequence[StoredRecord]) -> Iterable[Row]:
    """Each quantity that one of these records of the cell has, in a unit that suits all of them."""
    found: dict[tuple[str, str], dict[int, Quantity]] = {}
    for number, record in enumerate(records):
        for metric in record.summary.metrics:
            found.setdefault((metric.title, metric.unit), {})[number] = of_launch(metric, record.launch, cell)
        for use in record.summary.energy_uses:
            energy = {} if use.energy_j is None else {record.launch: use.energy_j}
            of = (f"energy, {use.activity}", f"J per {use.unit}")
            found.setdefault(of, {})[number] = median_over(energy, of[1], cell)
    for (title, unit), quantities in found.items():
        values = [each.value for each in quantities.values() if each.value is not None]
        if not values:
            continue
        divisor, unit_name = readable_unit(unit, typical_size(values))
        known = {number: each for number, each in quantities.items() if each.value is not None}
        shown: list[Content] = [
            Number(known[number], divisor, starred=False) if number in known else MISSING
            for number in range(len(records))
        ]
        yield (Heading(title, unit_name), *shown)


def _href(record: StoredRecord, folder: Path) -> str:
    place, above = _real(record.path), f"{folder}/"
    return quote(place[len(above) :] if place.startswith(above) else relpath(place, folder))


def _real(path: Path) -> str:
    """The path without links; the folder of a cell, which holds many launches, is looked up once."""
    launch = path.parent
    if launch.name in ("", "..") or path.is_symlink() or launch.is_symlink():
        return realpath(path)
    return f"{_real_folder(launch.parent)}/{launch.name}/{path.name}"


@lru_cache(maxsize=2**12)
def _real_folder(folder: Path) -> str:
    return realpath(folder)
