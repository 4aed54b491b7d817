"""The losses of a cell by epoch, dimensionless, as the networks' fields are."""

from math import isfinite

import pandas as pd

from harness.analysis.cells import Cell
from harness.analysis.reading import StoredRecord


def losses_of(cell: Cell) -> pd.DataFrame:
    """A row for each epoch, counted through all stages: median, least and greatest loss over launches.

    `launch_numbers` are those that have the epoch, a space apart. The training loss of an epoch is the mean over its
    steps.
    """
    rows = [row for record in cell.launches for row in _launch_rows(record)]
    columns = ("launch", "stage", "epoch", "training_loss", "validation_loss")
    frame = pd.DataFrame({name: [row[number] for row in rows] for number, name in enumerate(columns)})
    frame["validation_loss"] = frame["validation_loss"].astype(float)
    return (
        frame.groupby(["stage", "epoch"], sort=False)
        .agg(
            launches=("launch", "nunique"),
            launch_numbers=("launch", lambda numbers: " ".join(map(str, sorted(numbers)))),
            training_loss_median=("training_loss", "median"),
            training_loss_min=("training_loss", "min"),
            training_loss_max=("training_loss", "max"),
            validation_loss_median=("validation_loss", "median"),
            validation_loss_min=("validation_loss", "min"),
            validation_loss_max=("validation_loss", "max"),
        )
        .reset_index()
    )


def trained(cell: Cell) -> bool:
    """Whether a launch trained."""
    return any(record.summary.losses for record in cell.launches)


def not_finite(cell: Cell) -> tuple[int, ...]:
    """The launches in which a loss is infinite or NaN."""
    return tuple(
        record.launch
        for record in cell.launches
        if not all(loss is None or isfinite(loss) for row in _launch_rows(record) for loss in row[3:])
    )


def _launch_rows(record: StoredRecord) -> list[tuple[int, str, int, float, float | None]]:
    epochs = [
        (stage.stage, training, validation)
        for stage in record.summary.losses
        for training, validation in zip(stage.training, stage.validation, strict=True)
    ]
    return [
        (record.launch, stage, number, training, validation)
        for number, (stage, training, validation) in enumerate(epochs, start=1)
    ]
