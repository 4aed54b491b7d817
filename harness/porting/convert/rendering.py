"""The name map of a conversion as a table."""

import re

from rich.table import Table
from rich.text import Text

from harness.porting.convert.convert import Conversion, TensorRow
from harness.porting.convert.tensors import Shape

INDEX = re.compile(r"(?<=\.)\d+(?=\.)")


def table(outcome: Conversion, source: str, target: str) -> Table:
    """One line a parameter; those that differ only by the numbers of their layers stand together, with a star."""
    counted: dict[tuple[str, str, str, str, str], int] = {}
    for row in outcome.rows:
        key = _cells(row)
        counted[key] = counted.get(key, 0) + 1
    made = Table("", "tensors", "in the source", "shape", "in the target", "shape", title=Text(f"{source} to {target}"))
    made.title_justify = "left"
    for (status, *cells), number in counted.items():
        made.add_row(status, str(number), *map(Text, cells))
    return made


def summary(outcome: Conversion) -> str:
    """How many tensors there are of every role."""
    return ", ".join(f"{role.replace('_', ' ')}: {number}" for role, number in outcome.counts.items())


def _cells(row: TensorRow) -> tuple[str, str, str, str, str]:
    sources = "\n".join(INDEX.sub("*", name) for name, _ in row.sources) or "-"
    source_shapes = "\n".join(_shape(shape) for _, shape in row.sources) or "-"
    name, shape = (INDEX.sub("*", row.target[0]), _shape(row.target[1])) if row.target else ("-", "-")
    return row.status, sources, source_shapes, name, shape


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "()"
