"""How the machines differ whose cells stand beside each other, before all in which they are alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from harness.analysis.cautions import SAME_ENVIRONMENT, words
from harness.analysis.cells import Cell
from harness.analysis.figures.subject import FigureSubject
from harness.analysis.html.views import Entry, TableView
from harness.analysis.reading import StoredRecord
from harness.frameworks.base import FrameworkDescription
from harness.text import counted

T = TypeVar("T")

NOT_RUN = "not run"
FRAMEWORK_FIELDS = ("version", "build", "device_name", "driver", "threads")
MOST_NAMED = 6
"""Properties that the summary names."""


@dataclass(frozen=True)
class MachinesView:
    """The machines that ran cells of a subject, in a sentence and as tables of a row for each property.

    `differing` holds the properties in which machines, or the launches of one, differ, and `alike` all others; None
    where there is no such property.
    """

    summary: str
    differing: TableView | None
    alike: TableView | None


def machines_view(subject: FigureSubject, anchors: Mapping[Cell, str]) -> MachinesView | None:
    """A column for each machine that ran cells of the subject, linked to the records of one; None where none ran."""
    machines: dict[str, list[StoredRecord]] = {}
    hrefs: dict[str, str] = {}
    for group in subject.groups:
        for cell in group.cells:
            if cell.launches:
                name = f"{cell.scenario.chip}, host {cell.host}"
                machines.setdefault(name, []).extend(cell.launches)
                hrefs.setdefault(name, f"#{anchors[cell]}")
    if not machines:
        return None
    differing: dict[str, tuple[Entry, ...]] = {}
    alike: dict[str, tuple[Entry, ...]] = {}
    for title, values in _properties(machines):
        known = [found for found in values.values() if found]
        differs = len({frozenset(found) for found in known}) > 1 or any(len(found) > 1 for found in known)
        texts = (Entry(" or ".join(values[name]) or NOT_RUN, hrefs[name]) for name in machines)
        (differing if differs else alike)[title] = (Entry(title), *texts)

    def table(title: str, rows: Mapping[str, tuple[Entry, ...]]) -> TableView | None:
        return TableView(title, ("property", *machines), tuple(rows.values())) if rows else None

    return MachinesView(
        _summary(list(machines), list(differing)),
        table(f"In what the machines that ran {subject.title} differ", differing),
        table(f"In what the machines that ran {subject.title} are alike", alike),
    )


def _summary(machines: list[str], differing: list[str]) -> str:
    ran = f"{counted(len(machines), 'machine')} ({'; '.join(machines)})"
    if not differing:
        return f"{ran}, the same for all launches" if len(machines) == 1 else f"{ran}, alike in all that is recorded"
    named = ", ".join(differing[:MOST_NAMED])
    left = f" and {len(differing) - MOST_NAMED} more" if len(differing) > MOST_NAMED else ""
    return f"{ran}; {'its launches' if len(machines) == 1 else 'they'} differ in {named}{left}"


def _properties(machines: Mapping[str, list[StoredRecord]]) -> Iterable[tuple[str, dict[str, list[str]]]]:
    """Each property with its distinct values on each machine, none where the framework did not run there."""
    environments = {name: _once(record.environment for record in of) for name, of in machines.items()}
    for field in SAME_ENVIRONMENT:
        yield (
            field.replace("_", " "),
            {name: _distinct(getattr(each, field) for each in of) for name, of in environments.items()},
        )
    frameworks = dict.fromkeys(record.scenario.framework for found in machines.values() for record in found)
    for framework in frameworks:
        described = {name: _descriptions(records, framework) for name, records in machines.items()}
        for field in FRAMEWORK_FIELDS:
            values = {name: _distinct(getattr(each, field) for each in found) for name, found in described.items()}
            yield f"{framework} {field.replace('_', ' ')}", values
        yield (
            f"{framework} bits of the matrix product",
            {name: _distinct(_bits(records, framework)) for name, records in machines.items()},
        )


def _descriptions(records: Iterable[StoredRecord], framework: str) -> list[FrameworkDescription]:
    found = (record.summary.framework for record in records if record.scenario.framework == framework)
    return _once(description for description in found if description)


def _bits(records: Iterable[StoredRecord], framework: str) -> Iterable[int | None]:
    of_framework = (record.summary.numerics for record in records if record.scenario.framework == framework)
    return [numerics.matmul_bits if numerics else None for numerics in of_framework]


def _once(values: Iterable[T]) -> list[T]:
    """The objects, each once: thousands of records share a few."""
    return list({id(value): value for value in values}.values())


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(map(words, values)))
