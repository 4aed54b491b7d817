"""The losses of a cell by epoch, dimensionless, as the networks' fields are."""

from collections.abc import Sequence
from math import isfinite, isnan, nan
from statistics import median

import pandas as pd

from harness.analysis.cells import Cell


def losses_of(cell: Cell) -> pd.DataFrame:
    """A row for each epoch, counted through all stages: median, least and greatest loss over launches.

    `launch_numbers` are those that have the epoch, a space apart. The training loss of an epoch is the mean over its
    steps.
    """
    epochs: dict[tuple[str, int], tuple[list[int], list[float], list[float | None]]] = {}
    for record in cell.launches:
        of_launch = [
            (stage.stage, *losses)
            for stage in record.summary.losses
            for losses in zip(stage.training, stage.validation, strict=True)
        ]
        for number, (name, training, validation) in enumerate(of_launch, start=1):
            launches, training_losses, validation_losses = epochs.setdefault((name, number), ([], [], []))
            launches.append(record.launch)
            training_losses.append(training)
            validation_losses.append(validation)
    rows: list[dict[str, object]] = []
    for (name, number), (launches, training_losses, validation_losses) in epochs.items():
        rows.append(
            {
                "stage": name,
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
        if not all(
            loss is None or isfinite(loss)
            for stage in record.summary.losses
            for losses in (stage.training, stage.validation)
            for loss in losses
        )
    )
