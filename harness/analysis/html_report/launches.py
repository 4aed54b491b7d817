"""The launches of a cell with their own values, each linked to its record."""

from math import sqrt
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

from harness.analysis.cells import Cell
from harness.analysis.html_report.views import Entry, TableView
from harness.analysis.number_format import MISSING, readable_unit, with_interval
from harness.analysis.reading import StoredRecord
from harness.analysis.tables.parts import status_text


def launches_view(title: str, cell: Cell, folder: Path) -> TableView:
    """A row for each quantity and a column for each record of the cell, completed or not.

    Links are relative to `folder`.
    """
    records = (*cell.launches, *cell.failed_attempts)
    hrefs = [_href(record, folder) for record in records]
    rows = [
        _row("record", [f"{record.launch:02d}-{record.attempt}" for record in records], hrefs),
        _row("status", [status_text(record) for record in records], hrefs),
        _row("started", [record.started_at for record in records], hrefs),
    ]
    for name, values in _quantities(records).items():
        rows.append(_row(name, values, hrefs))
    columns = ("quantity", *(f"launch {record.launch}" for record in records))
    return TableView(title, columns, tuple(rows))


def _quantities(records: tuple[StoredRecord, ...]) -> dict[str, list[str]]:
    found: dict[tuple[str, str], dict[int, float]] = {}
    for number, record in enumerate(records):
        for metric in record.summary.metrics:
            if metric.value is not None:
                found.setdefault((metric.title, metric.unit), {})[number] = metric.value
        for use in record.summary.energy_uses:
            if use.energy_j is not None:
                found.setdefault((f"energy, {use.activity}", f"J per {use.unit}"), {})[number] = use.energy_j
    shown = {}
    for (title, unit), values in found.items():
        divisor, unit_name = readable_unit(unit, sqrt(min(values.values()) * max(values.values())))
        shown[f"{title}, {unit_name}"] = [
            with_interval(values[number] / divisor, None, None) if number in values else MISSING
            for number in range(len(records))
        ]
    return shown


def _row(title: str, texts: list[str], hrefs: list[str]) -> tuple[Entry, ...]:
    return (Entry(title), *(Entry(text, href) for text, href in zip(texts, hrefs, strict=True)))


def _href(record: StoredRecord, folder: Path) -> str:
    return quote(Path(relpath(record.path.resolve(), folder.resolve())).as_posix())
