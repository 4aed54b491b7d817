"""Times, rates and memory of a cell."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from harness.analysis.cells import Cell
from harness.analysis.quantities.metrics import Metric
from harness.analysis.quantities.quantity import Measured, Quantity, median_over

Activity = Literal["training", "inference"]

INFERENCE_STEP = "inference_step_s"
EPOCH_TITLE = "epoch"
"""How the titles of the times of an epoch begin: one of each training stage."""


@lru_cache(maxsize=2**12)
def speed_of(cell: Cell) -> Mapping[str, Measured]:
    """Speed and memory by the name of the metric, in the order in which tables show them."""
    launches: dict[str, dict[int, Metric]] = {}
    for launch, summary in cell.summaries.items():
        for metric in summary.metrics:
            launches.setdefault(metric.name, {})[launch] = metric
    return {name: _measured(cell, metrics) for name, metrics in launches.items()}


def epoch_times(cell: Cell) -> tuple[Measured, ...]:
    """The time of an epoch, of each training stage."""
    return tuple(found for found in speed_of(cell).values() if found.title.startswith(EPOCH_TITLE))


def activity_rate(cell: Cell, activity: Activity) -> Measured:
    """Samples a second: of training, all stages together, without validation; of inference as measured."""
    if activity == "inference":
        found = speed_of(cell).get("inference_rate_samples_per_s")
        values = found.values if found else {}
    else:
        times_s = speed_of(cell)["training_s"].values if cell.launches else {}
        values = {
            launch: cell.summaries[launch].training_samples / time_s for launch, time_s in times_s.items() if time_s
        }
    return Measured("rate_samples_per_s", f"{activity} rate", "samples/s", "rate", cell, values)


def of_launch(metric: Metric, launch: int, cell: Cell) -> Quantity:
    """What one launch measured."""
    values = {} if metric.value is None else {launch: metric.value}
    return median_over(values, metric.unit, cell, metric.reason)


def _measured(cell: Cell, metrics: Mapping[int, Metric]) -> Measured:
    first = next(iter(metrics.values()))
    reasons = dict.fromkeys(metric.reason for metric in metrics.values() if metric.reason)
    values = {launch: metric.value for launch, metric in metrics.items() if metric.value is not None}
    return Measured(first.name, first.title, first.unit, first.kind, cell, values, "; ".join(reasons) or None)
