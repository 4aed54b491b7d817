"""The steps of a launch as a table beside its record: one row a step of a rank, in the order in which it made them.

Columns: rank, whose times are its own; part, "training" or "inference"; stage and epoch, counted from 0, of a training
step; step, counted from 0 within its epoch, or from the start of inference; and data_s, wait_s, step_s (seconds) and
loss as `harness.results.series.Epoch` defines them. What a step does not have is null. Losses may be infinite or NaN.
"""

import hashlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from collectors.regular_files import read_regular
from harness.errors import UserError
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.results.series import Epoch, WorkerMeasurements

if TYPE_CHECKING:
    import pandas as pd

FILE_NAME = "steps.parquet"

MOST_BYTES = 2**31
"""A hundred million steps would fit."""

ADVICE = "remove it (its record still counts in tables) or run that launch again"

TEXTS, INTEGERS, NUMBERS = ("part", "stage"), ("rank", "epoch", "step"), ("data_s", "wait_s", "step_s", "loss")
COLUMNS = ("rank", "part", "stage", "epoch", "step", *NUMBERS)


class StepsFile(Frozen):
    """The table of steps that belongs to a record."""

    rows: int
    sha256: str = Field(description="SHA-256 of the file, in hex")


def save(ranks: Sequence[WorkerMeasurements], folder: Path) -> StepsFile | None:
    """Write the steps of all ranks into the folder of the launch; nothing, and None, where there was no step.

    Raises what `write_atomically` raises.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [row for rank, measured in enumerate(ranks) for row in _rows(measured, rank)]
    if not rows:
        return None
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    schema = pa.schema([(name, _type(pa, name)) for name in COLUMNS])
    content = BytesIO()
    pq.write_table(pa.table(columns, schema=schema), content, compression="zstd")
    write_atomically(folder / FILE_NAME, content.getvalue())
    return StepsFile(rows=len(rows), sha256=hashlib.sha256(content.getvalue()).hexdigest())


def load(folder: Path, kept: StepsFile | None) -> "pd.DataFrame":
    """The steps of the launch in a folder, with the columns above, which its record `kept` as this file.

    Raises UserError, in one line that names the file, where it has gone, was changed or cannot be read, and where the
    record has none.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / FILE_NAME
    if kept is None:
        raise UserError(f"{path}: the record beside it has no steps in a file: it is of an older version, or none ran")
    try:
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    if hashlib.sha256(content).hexdigest() != kept.sha256:
        raise UserError(f"{path}: damaged: not the file that was written with its record; {ADVICE}")
    try:
        file = pq.ParquetFile(BytesIO(content))
        if file.metadata.num_rows != kept.rows or tuple(file.schema_arrow.names) != COLUMNS:
            raise ValueError(f"{file.metadata.num_rows} rows of {', '.join(file.schema_arrow.names)}")
        table: pd.DataFrame = file.read().to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: damaged: {' '.join(str(error).split())}; {ADVICE}") from None
    return table


def _type(pa: Any, name: str) -> Any:
    return pa.string() if name in TEXTS else pa.int32() if name in INTEGERS else pa.float64()


def _rows(measured: WorkerMeasurements, rank: int) -> Iterator[tuple[Any, ...]]:
    for stage in measured.training:
        for number, epoch in enumerate(stage.epochs):
            for step, values in enumerate(_values(epoch)):
                yield rank, "training", stage.name, number, step, *values
    if (latency := measured.inference) is not None:
        for step, step_s in enumerate(latency.step_s, start=latency.warmup_steps):
            yield rank, "inference", None, None, step, None, None, step_s, None


def _values(epoch: Epoch) -> Iterator[tuple[float | None, ...]]:
    waits_s = repeat(None, len(epoch.step_s)) if epoch.wait_s is None else epoch.wait_s
    return zip(epoch.data_s, waits_s, epoch.step_s, epoch.loss, strict=True)
