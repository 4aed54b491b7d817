"""The ranks of a launch as one: what each of them has measured, put together for the record.

A step ends when the slowest rank has ended it. What is the same on all ranks, or was added up over them, the first one
tells.
"""

from collections.abc import Sequence
from math import fsum
from pathlib import Path
from statistics import median

from harness.results.devices import RankTimes
from harness.results.file_names import NODE_REPORT, NODE_TERMS
from harness.results.measurements import Memory
from harness.results.series import Epoch, TrainingStage, WorkerMeasurements

Series = tuple[float, ...]


def measurements_name(rank: int) -> str:
    """The file in the folder of a launch in which a rank leaves what it has measured."""
    return f"measurements-{rank}.json" if rank else "measurements.json"


def remove_measurements(folder: Path) -> None:
    """Remove what ranks and nodes have left in a launch's folder for its record. Raises OSError where that fails."""
    for path in (
        *folder.glob("measurements*.json"),
        *folder.glob("rank-*.json"),
        *folder.glob(f"node-*/{NODE_REPORT}"),
        folder / NODE_TERMS,
    ):
        path.unlink(missing_ok=True)


def as_one(ranks: Sequence[WorkerMeasurements]) -> WorkerMeasurements:
    """What the ranks have measured, at least one of them; of its steps those that all have made.

    Of each step `step_s` is that of the slowest rank, and `data_s` what the slowest took for both beyond that, so that
    the two add up to the time in which a step was made. Memory is that of the rank that took most.
    """
    first = ranks[0]
    if len(ranks) == 1:
        return first
    stages = tuple(map(_stage, zip(*(each.training for each in ranks), strict=False)))
    memories = [each.memory for each in ranks]
    return first.model_copy(
        update={"training": stages, "memory": _most([each for each in memories if each]) if all(memories) else None}
    )


def times_of(measured: WorkerMeasurements) -> RankTimes | None:
    """The times of a rank in training; None where it has made no step."""
    epochs = [epoch for stage in measured.training for epoch in stage.epochs]
    steps_s = [time_s for epoch in epochs for time_s in epoch.step_s]
    if not steps_s:
        return None
    waits = [epoch.wait_s for epoch in epochs]
    return RankTimes(
        steps=len(steps_s),
        data_total_s=fsum(time_s for epoch in epochs for time_s in epoch.data_s),
        wait_total_s=None if None in waits else fsum(time_s for wait in waits for time_s in wait or ()),
        step_total_s=fsum(steps_s),
        step_median_s=median(steps_s),
    )


def _stage(ranks: tuple[TrainingStage, ...]) -> TrainingStage:
    epochs = tuple(map(_epoch, zip(*(each.epochs for each in ranks), strict=False)))
    steady = [each.steady_from_step for each in ranks]
    return ranks[0].model_copy(
        update={
            "epochs": epochs,
            "steady_from_step": None if None in steady else max(each for each in steady if each is not None),
        }
    )


def _epoch(ranks: tuple[Epoch, ...]) -> Epoch:
    step_s = _slowest([each.step_s for each in ranks])
    both_s = _slowest([_added(each.data_s, each.step_s) for each in ranks])
    data_s = tuple(max(0.0, both - step) for both, step in zip(both_s, step_s, strict=True))
    waits = [each.wait_s for each in ranks if each.wait_s is not None]
    wait_s = None
    if len(waits) == len(ranks):
        wait_s = tuple(min(wait, data) for wait, data in zip(_slowest(waits), data_s, strict=True))
    return ranks[0].model_copy(
        update={
            "data_s": data_s,
            "step_s": step_s,
            "wait_s": wait_s,
            "loss": ranks[0].loss[: len(step_s)],
            "first_calls": tuple(sorted({step for each in ranks for step in each.first_calls})),
        }
    )


def _slowest(ranks: Sequence[Series]) -> Series:
    """The longest time of each step, of those that all ranks have made."""
    return tuple(map(max, zip(*ranks, strict=False)))


def _added(first: Series, second: Series) -> Series:
    return tuple(one + other for one, other in zip(first, second, strict=True))


def _most(memories: Sequence[Memory]) -> Memory:
    return Memory(**{name: _largest([getattr(each, name) for each in memories]) for name in Memory.model_fields})


def _largest(values: Sequence[int | None]) -> int | None:
    """None where one is not known: it may be the largest."""
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None
