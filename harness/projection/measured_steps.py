"""The steps that records hold, each the median of the launch that was quickest: of training stages, and of inference.

What else a host does only adds to a time.

Steps of one stage differ where a network hides more or less in some epochs. They are told apart by what is hidden, for
which the times of single steps are needed; where all epochs of a stage are alike, its steady steps are enough.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

from harness.analysis.reading import StoredRecord
from harness.errors import UserError
from harness.projection.work import hidden_part
from harness.results import steps
from harness.scenario.schema import Stage


class MeasuredSteps(NamedTuple):
    """Seconds of a step of a stage in epochs like `epoch`, counted from 1 over the training.

    `is_whole_stage` says that all epochs of the stage are like it.
    """

    stage: Stage
    epoch: int
    is_whole_stage: bool
    seconds: float


def epochs_by_hidden_part(network: Any, first: int, epochs: int) -> dict[float, list[int]]:
    """The epochs of a stage whose first one has the number `first`, by the part of the tokens that they hide."""
    found: dict[float, list[int]] = defaultdict(list)
    for epoch in range(first, first + epochs):
        found[hidden_part(network, epoch)].append(epoch)
    return dict(found)


def training_steps(launches: Sequence[StoredRecord], network: Any, stages: Sequence[Stage]) -> Iterator[MeasuredSteps]:
    """Of every trained stage that has times of steps.

    Raises UserError where steps of a stage differ and no launch has a file that tells them apart.
    """
    first = 1
    for stage in stages:
        groups = epochs_by_hidden_part(network, first, stage.epochs)
        for epochs in groups.values():
            places = None if len(groups) == 1 else [epoch - first for epoch in epochs]
            times = [time for each in launches if (time := _stage_s(each, stage.name, places)) is not None]
            if times:
                yield MeasuredSteps(stage, epochs[0], len(groups) == 1, min(times))
        first += stage.epochs


def inference_s(launches: Sequence[StoredRecord]) -> float | None:
    """Seconds of an inference step; None where no launch timed one."""
    parts = [launch.measurements.inference for launch in launches]
    times = [part.timed_steps.median_s for part in parts if part is not None and part.timed_steps is not None]
    return min(times, default=None)


def _stage_s(launch: StoredRecord, name: str, places: Sequence[int] | None) -> float | None:
    """The median step of a stage, or of its epochs with these places, without the first, which may compile."""
    stage = next((each for each in launch.measurements.training if each.name == name), None)
    if stage is None:
        return None
    if places is None and stage.steady_steps is not None:
        return stage.steady_steps.median_s
    try:
        table = steps.load(launch.path.parent, launch.steps)
    except UserError as error:
        if places is None:
            return None
        raise UserError(
            f"epochs of stage {name} hide more or less of the tokens, and no file tells their steps apart: {error}"
        ) from None
    rows = table[(table["part"] == "training") & (table["stage"] == name) & (table["rank"] == 0)]
    if places is not None:
        rows = rows[rows["epoch"].isin(places)]
    times = rows["step_s"].dropna().tolist()[1:]
    return median(times) if times else None
