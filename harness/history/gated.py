"""The numbers of a launch that nights watch: which they are, and which change of each is too small to matter."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

from harness.analysis.quantities.metrics import Metric
from harness.analysis.quantities.skill import MODEL
from harness.analysis.summaries import Summary
from harness.frozen import Frozen
from harness.results.record import Measurements
from harness.scenario.labels import as_name

Sort = Literal["speed", "compile", "memory", "energy", "numbers", "loss", "skill"]

MARGINS: Mapping[Sort, float] = {
    "speed": 0.01,
    "compile": 0.10,
    "memory": 0.01,
    "energy": 0.02,
    "numbers": 0.00001,
    "loss": 0.01,
    "skill": 0.01,
}
"""The relative change that does not matter, by sort. `numbers` are losses of the first epoch, in which the same network
from the same weights on the same batches has not yet had time to drift apart by rounding: what differs by rounding
differs in either direction, so that the interval holds 0; a wrong constant shifts all launches alike."""

TIMED: frozenset[Sort] = frozenset({"speed", "compile", "energy"})
"""What depends on when a launch was made; the rest depends on its seed alone, and is paired whenever it was made."""


class Gated(Frozen):
    """A quantity that nights watch. Less is better; of `numbers` any change is a regression."""

    name: str
    title: str
    unit: str
    sort: Sort


class Measuring(Protocol):
    """A record, whole or as it is read for its summary."""

    @property
    def measurements(self) -> Measurements:
        """What was measured."""


def gated_values(record: Measuring, summary: Summary) -> dict[Gated, float]:
    """What a completed launch measured of all that is watched; what is not finite is there, what is missing is not."""
    found: dict[Gated, float] = {}
    for metric in summary.metrics:
        if metric.value is not None and (sort := _sort(metric)):
            found[Gated(name=metric.name, title=metric.title, unit=metric.unit, sort=sort)] = metric.value
    for use in summary.energy_uses:
        if use.energy_j is not None:
            name = f"energy_{use.activity.replace(', ', '_').replace(' ', '_')}_j"
            title = f"energy, {use.activity}, per {use.unit}"
            found[Gated(name=name, title=title, unit="J", sort="energy")] = use.energy_j
    found |= _losses(record.measurements)
    if summary.scores:
        scored = zip(summary.scores.places, summary.scores.rmse, strict=True)
        for (forecaster, key), rmse in scored:
            if forecaster == MODEL:
                name = f"rmse_{as_name(key.variable)}_{key.lead_h:g}h"
                title = f"RMSE of {key.variable} at {key.lead_h:g} h"
                found[Gated(name=name, title=title, unit=key.units, sort="skill")] = rmse
    return found


def not_finite(values: Iterable[float]) -> bool:
    """Whether a number is infinite or NaN: training diverged, or a forecast blew up."""
    return not all(map(math.isfinite, values))


def _sort(metric: Metric) -> Sort | None:
    """None for what stands in another quantity, too: rates, totals and shares."""
    if metric.kind == "size":
        return "memory"
    if "first_step" in metric.name or metric.name == "training_compile_s":
        return "compile"
    return "speed" if metric.kind == "cost" and metric.name != "training_s" else None


def _losses(measured: Measurements) -> dict[Gated, float]:
    found: dict[Gated, float] = {}
    several = len(measured.training) > 1
    for stage in measured.training:
        part, of = (f"_{stage.name}", f" ({stage.name})") if several else ("", "")
        first, last = stage.epochs[0], stage.epochs[-1]
        numbers = Gated(name=f"first_epoch_loss{part}", title=f"loss of the first epoch{of}", unit="", sort="numbers")
        found[numbers] = first.mean_loss
        if len(stage.epochs) > 1:
            loss = Gated(name=f"last_epoch_loss{part}", title=f"loss of the last epoch{of}", unit="", sort="loss")
            found[loss] = last.mean_loss
        if last.validation_loss is not None:
            loss = Gated(name=f"validation_loss{part}", title=f"validation loss{of}", unit="", sort="loss")
            found[loss] = last.validation_loss
    return found
