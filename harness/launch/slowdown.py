"""Whether a launch has become slower than it was at its beginning, while other work keeps its cores busy."""

import re
import time
from collections.abc import Callable, Sequence
from statistics import median

from harness.launch.foreign_load import ForeignLoadMeter, foreign_cores_allowed

SLOWER = 1.5
"""How many times longer the same part of a training may take before it is told."""

COMPARED = 3
"""Stretches at the beginning and at the end whose medians are compared."""

STRETCH_S = 2.0
"""Least length of a stretch: what a worker tells of itself comes up to five times a second."""

AGAIN_S = 60.0
"""After a look at the cores that explained nothing."""

EPOCH = re.compile(r"(?P<stage>.+) epoch \d+/\d+\b")


def times_slower(stretches: Sequence[float]) -> float | None:
    """Median of the last stretches over that of the first, each a time for the same work; None of too few of them."""
    if len(stretches) < 2 * COMPARED:
        return None
    return median(stretches[-COMPARED:]) / median(stretches[:COMPARED])


def warning(slower: float | None, foreign_cores: float, allowed: float) -> str | None:
    """What to say of a training that is so many times slower beside so many cores of other work; None: nothing."""
    if slower is None or slower <= SLOWER or foreign_cores <= allowed:
        return None
    return (
        f"warning: training takes {slower:.3g} times as long as at its beginning, and other work keeps "
        f"{foreign_cores:.1f} cores busy: end that work, or make this launch again later"
    )


class SlowdownWatch:
    """Follows the progress of one launch and says once that other work slows its training down.

    The cores are looked at only after the training has become slower, for as long as one more stretch takes.
    """

    def __init__(
        self,
        meter: Callable[[], ForeignLoadMeter] = lambda: ForeignLoadMeter(with_running=True),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_meter, self._clock = meter, clock
        self._meter: ForeignLoadMeter | None = None
        self._stage: str | None = None
        self._stretches: list[float] = []
        self._begun: tuple[float, float] | None = None
        self._look_again_s = 0.0
        self._told = False

    def note(self, text: str, fraction: float) -> str | None:
        """The progress of the launch, and the warning where there is one to give."""
        found = EPOCH.match(text)
        stage = found["stage"] if found else None
        now_s = self._clock()
        if self._told or stage is None or stage != self._stage or self._begun is None:
            self._stage, self._stretches, self._meter, self._begun = stage, [], None, (now_s, fraction)
            return None
        begun_s, begun_fraction = self._begun
        if now_s - begun_s < STRETCH_S or fraction <= begun_fraction:
            return None
        self._stretches.append((now_s - begun_s) / (fraction - begun_fraction))
        self._begun = now_s, fraction
        return self._judge(now_s)

    def _judge(self, now_s: float) -> str | None:
        slower = times_slower(self._stretches)
        if slower is None or slower <= SLOWER or now_s < self._look_again_s:
            self._meter = None
            return None
        if self._meter is None:
            self._meter = self._new_meter()
            return None
        line = warning(slower, self._meter.foreign_cores(), foreign_cores_allowed(self._meter.cores))
        self._told = line is not None
        self._meter, self._look_again_s = None, now_s + AGAIN_S
        return line
