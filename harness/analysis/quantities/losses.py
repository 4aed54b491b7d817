"""The losses of a cell by epoch, dimensionless, as the networks' fields are."""

from collections.abc import Sequence
from math import isfinite, isnan, nan
from statistics import median

import pandas as pd

from harness.analysis.cells import Cell
from harness.analysis.reading import StoredRecord


def losses_of(cell: Cell) -> pd.DataFrame:
    """A row for each epoch, counted through all stages: median, least and greatest loss over launches.

    `launch_numbers` are those that have the epoch, a space apart. The training loss of an epoch is the mean over its
    steps.
    """
    epochs: dict[tuple[str, int], list[tuple[int, float, float | None]]] = {}
    for record in cell.launches:
        for launch, stage, number, training, validation in _launch_rows(record):
            epochs.setdefault((stage, number), []).append((launch, training, validation))
    rows: list[dict[str, object]] = []
    for (stage, number), found in epochs.items():
        launches, training_losses, validation_losses = zip(*found, strict=True)
        rows.append(
            {
                "stage": stage,
                "epoch": number,
                "launches": len(launches),
                "launch_numbers": " ".join(map(str, sorted(launches))),
                **_spread("training_loss", training_losses),
                **_spread("validation_loss", validation_losses),
            }
        )
    return pd.DataFrame(rows)


def _spread(name: str, losses: Sequence[float | None]) -> dict[str, float]:
    """Median, least and greatest of the losses that are numbers; NaN where none is."""
    known = [loss for loss in losses if loss is not None and not isnan(loss)] or [nan]
    return {f"{name}_median": median(known), f"{name}_min": min(known), f"{name}_max": max(known)}


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
