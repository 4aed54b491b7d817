"""MindSpore's dataset sink: a queue on the device from which the graph of a step takes its own batch.

The device fetches the next batch while a step runs, and a step is called without arguments. MindSpore has it on an
Ascend; on a CPU the data set can be read, and the sink itself is refused.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mindspore as ms
import mindspore.dataset as ds
import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from harness.errors import UserError, one_line

Arrays = tuple[NDArray[Any], ...]


class Feed:
    """What the inputs of step k are, by k, for a data set; keeps the error of the first step that has none."""

    def __init__(self, tasks: Sequence[Callable[[], Arrays]], settings: Sequence[Sequence[float]]) -> None:
        self._tasks, self._settings = tasks, settings
        self.error: Exception | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, step: int) -> Arrays:
        try:
            inputs = self._tasks[step]()
        except Exception as error:
            self.error = self.error or error
            raise
        return (*(np.array(value, dtype=np.float32) for value in self._settings[step]), *inputs)


def dataset(feed: Feed, columns: int, workers: int) -> Any:
    """A data set of MindSpore with the arrays of each step, in order.

    `workers` threads make them; MindSpore allows no more than there are cores.
    """
    return ds.GeneratorDataset(
        feed,
        [f"input{number}" for number in range(columns)],
        shuffle=False,
        num_parallel_workers=min(workers, os.cpu_count() or 1),
        python_multiprocessing=False,
    )


def losses(
    step: Callable[..., Tensor],
    tasks: Sequence[Callable[[], Arrays]],
    settings: Sequence[Sequence[float]],
    *,
    workers: int,
    level: str,
) -> Iterator[Tensor]:
    """The loss of each step, which takes settings and inputs from the queue; the first batch is made at once.

    `tasks` make the inputs of each step and `settings` are the numbers that come before them. Raises UserError where
    the device has no sink, and the error of a task as it is.
    """
    if not tasks:
        return iter(())
    first = tasks[0]()
    feed = Feed([lambda: first, *tasks[1:]], settings)
    columns = len(settings[0]) + len(first)
    try:
        sunk = ms.data_sink(
            step, dataset(feed, columns, workers), sink_size=1, jit_config=ms.JitConfig(jit_level=level)
        )
    except ValueError as error:
        raise UserError(f"MindSpore's dataset sink: {one_line(error)}; leave loading.sink out") from None
    return _taken(sunk, feed)


def _taken(sunk: Callable[[], Tensor], feed: Feed) -> Iterator[Tensor]:
    for _ in range(len(feed)):
        try:
            loss = sunk()
        except RuntimeError:
            if feed.error is not None:
                raise feed.error from None
            raise
        yield loss
