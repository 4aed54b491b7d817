"""What a sensor makes of a square wave of load: its delay, averaging window, rise time and levels.

The sensor is taken to give, at each renewal of its value, the mean power over `window_s` seconds that ended `delay_s`
before. The load is taken to switch at once between two levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from collectors.accounting.energy_curve import NS_PER_S
from collectors.calibration.behaviour import PowerSeries, update_period

MIN_CYCLES = 3
MIN_EXPLAINED = 0.3
"""Share of the variance that the square wave must explain for the sensor to count as responding."""

WINDOW_EVIDENCE = 12.0
"""How much the residual sum of squares must fall, in units of the residual variance, for a window to be reported."""

GRID = 33
ZOOMS = 6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SquareWave:
    """Edges of a load on the monotonic clock: it was on from `on_ns[k]` to `off_ns[k]`, each (n,), and then off."""

    on_ns: tuple[int, ...]
    off_ns: tuple[int, ...]

    @property
    def half_period_s(self) -> float:
        """Shortest time between two edges in seconds."""
        edges_ns = np.sort(np.concatenate([self.on_ns, self.off_ns]))
        return float(np.diff(edges_ns).min()) / NS_PER_S


@dataclass(frozen=True)
class Response:
    """What the sensor does with the load; powers in watts with their standard errors over cycles.

    `delay_s` is the shift between an edge and the start of its response, at the renewals of the value; where these do
    not show (`update_period_s` None) at the reads, half an update later on average. `window_s` is None where no
    averaging shows. `rise_s` is the 10-90 % time; below the update period it is not resolved.
    """

    delay_s: float
    window_s: float | None
    rise_s: float | None
    update_period_s: float | None
    idle_w: float
    idle_error_w: float
    loaded_w: float
    loaded_error_w: float
    explained: float
    n_cycles: int


def step_response(series: PowerSeries, wave: SquareWave) -> Response | str:
    """The response of a sensor, or why none can be given.

    What it said before the first edge and later than half a period after the last may hold other work.
    """
    end_ns = wave.off_ns[-1] + round(wave.half_period_s * NS_PER_S) if wave.off_ns else 0
    inside = (series.t_ns >= wave.on_ns[0]) & (series.t_ns <= end_ns) if wave.on_ns else np.zeros(0, dtype=bool)
    series = replace(series, t_ns=series.t_ns[inside], power_w=series.power_w[inside])
    if len(wave.on_ns) < MIN_CYCLES or len(series.t_ns) < 4 * MIN_CYCLES:
        return f"{len(wave.on_ns)} cycles with {len(series.t_ns)} values: at least {MIN_CYCLES} cycles are needed"
    period_s = update_period(series).period_s
    moves_with_load_alone = period_s is not None and period_s > wave.half_period_s / 4
    period_s = None if moves_with_load_alone else period_s
    origin_ns = wave.on_ns[0]
    on_s = (np.array(wave.on_ns) - origin_ns) / NS_PER_S
    off_s = (np.array(wave.off_ns) - origin_ns) / NS_PER_S
    t_s, power_w = _renewals((series.t_ns - origin_ns) / NS_PER_S, series.power_w, period_s, series.from_counter)
    fit = _Fit(t_s, power_w, on_s, off_s)
    half_s = wave.half_period_s
    delay_s, window_s = fit.search(half_s, with_window=True)
    sharp_delay_s, _ = fit.search(half_s, with_window=False)
    total = float(np.var(power_w) * len(power_w))
    residual, amplitude_w = fit.residual(delay_s, window_s)
    explained = 1 - residual / total if total > 0 else 0.0
    if amplitude_w <= 0 or explained < MIN_EXPLAINED:
        return f"the load does not show in its values (it explains {max(explained, 0):.0%} of their variance)"
    if delay_s + window_s > 0.9 * half_s:
        return f"it has not settled after half a period of {half_s:.3g} s: give a longer --period"
    sharp_residual, _ = fit.residual(sharp_delay_s, 0.0)
    spread = max(residual / len(t_s), 1e-9 * amplitude_w**2)
    averaged = (
        not moves_with_load_alone
        and (sharp_residual - residual) / spread > WINDOW_EVIDENCE
        and window_s > 0.1 * (period_s or 0.0)
    )
    delay_s, window_s = (delay_s, window_s) if averaged else (sharp_delay_s, 0.0)
    idle, loaded = _levels(t_s, power_w, on_s, off_s, delay_s + window_s)
    return Response(
        delay_s=delay_s,
        window_s=window_s if averaged else None,
        rise_s=_rise_s(t_s, power_w, on_s, off_s, idle[0], loaded[0], half_s),
        update_period_s=period_s,
        idle_w=idle[0],
        idle_error_w=idle[1],
        loaded_w=loaded[0],
        loaded_error_w=loaded[1],
        explained=explained,
        n_cycles=len(on_s),
    )


def _renewals(t_s: Floats, power_w: Floats, period_s: float | None, from_counter: bool) -> tuple[Floats, Floats]:
    """Times at which the value was renewed, those that gave the same value again included, and the values."""
    if period_s is None or from_counter:
        return t_s, power_w
    first = np.concatenate([[True], np.diff(power_w) != 0])
    starts_s = t_s[first] - 0.5 * np.diff(t_s, prepend=t_s[0])[first]
    ends_s = np.append(starts_s[1:], t_s[-1] + 0.5 * period_s)
    n_held = np.maximum(1, np.round((ends_s - starts_s) / period_s)).astype(int)
    index = np.repeat(np.arange(len(starts_s)), n_held)
    held = np.concatenate([np.arange(n) for n in n_held])
    step_s = ((ends_s - starts_s) / n_held)[index]
    return starts_s[index] + held * step_s, power_w[first][index]


class _Fit:
    """Least squares of idle and loaded power for a given delay and window."""

    def __init__(self, t_s: Floats, power_w: Floats, on_s: Floats, off_s: Floats) -> None:
        self._t_s, self._power_w = t_s, power_w
        edges_s = np.stack([on_s, off_s], axis=1).ravel()
        self._edges_s = edges_s
        self._loaded_s = np.concatenate([[0.0], np.cumsum(np.diff(edges_s) * (np.arange(len(edges_s) - 1) % 2 == 0))])

    def share(self, delay_s: float, window_s: float) -> Floats:
        """Fraction of the window of each value in which the load was on."""
        end_s = self._t_s - delay_s
        if window_s <= 0:
            return (np.searchsorted(self._edges_s, end_s, side="right") % 2).astype(np.float64)
        loaded_s = [np.interp(moment_s, self._edges_s, self._loaded_s) for moment_s in (end_s, end_s - window_s)]
        share: Floats = (loaded_s[0] - loaded_s[1]) / window_s
        return share

    def residual(self, delay_s: float, window_s: float) -> tuple[float, float]:
        """Residual sum of squares in W^2, and the amplitude in watts."""
        share = self.share(delay_s, window_s)
        centred, power_w = share - share.mean(), self._power_w - self._power_w.mean()
        weight = float(centred @ centred)
        if weight < 1e-12:
            return float(power_w @ power_w), 0.0
        amplitude_w = float(centred @ power_w) / weight
        rest = power_w - amplitude_w * centred
        return float(rest @ rest), amplitude_w

    def search(self, half_s: float, *, with_window: bool) -> tuple[float, float]:
        """Delay and window in seconds that fit best, by a grid that closes in; of equals the middle."""
        low, high = np.zeros(2), np.array([half_s, half_s if with_window else 0.0])
        ceiling = high.copy()
        for _ in range(ZOOMS):
            delays_s = np.linspace(low[0], high[0], GRID)
            windows_s = np.linspace(low[1], high[1], GRID) if with_window else np.zeros(1)
            costs = np.array([[self._cost(d, w) for w in windows_s] for d in delays_s])
            best = costs <= costs.min() * (1 + 1e-9) + 1e-12
            centre = np.array([delays_s[best.any(axis=1)].mean(), windows_s[best.any(axis=0)].mean()])
            reach = (high - low) / 8
            low, high = np.maximum(centre - reach, 0.0), np.minimum(centre + reach, ceiling)
        return float(centre[0]), float(centre[1])

    def _cost(self, delay_s: float, window_s: float) -> float:
        residual, amplitude_w = self.residual(delay_s, window_s)
        return residual if amplitude_w > 0 else float(np.sum((self._power_w - self._power_w.mean()) ** 2))


def _levels(
    t_s: Floats, power_w: Floats, on_s: Floats, off_s: Floats, settled_s: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Mean power and its standard error over cycles, idle and loaded, once the response has settled."""
    next_on_s = np.append(on_s[1:], off_s[-1] + (off_s[-1] - on_s[-1]))
    return _level(t_s, power_w, off_s, next_on_s, settled_s), _level(t_s, power_w, on_s, off_s, settled_s)


def _level(t_s: Floats, power_w: Floats, starts_s: Floats, ends_s: Floats, settled_s: float) -> tuple[float, float]:
    means = [
        power_w[inside].mean()
        for start_s, end_s in zip(starts_s, ends_s, strict=True)
        if (inside := (t_s > start_s + settled_s) & (t_s <= end_s)).any()
    ]
    error_w = float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 1 else float("nan")
    return float(np.mean(means)) if means else float("nan"), error_w


def _rise_s(
    t_s: Floats, power_w: Floats, on_s: Floats, off_s: Floats, idle_w: float, loaded_w: float, half_s: float
) -> float | None:
    """Median over cycles of the time from 10 to 90 % of the step, interpolated between renewals."""
    rises = []
    for start_s, end_s in zip(on_s, off_s, strict=True):
        inside = (t_s >= start_s - 0.25 * half_s) & (t_s <= end_s)
        part = (power_w[inside] - idle_w) / (loaded_w - idle_w)
        crossings = [_crossing_s(t_s[inside], part, level) for level in (0.1, 0.9)]
        if crossings[0] is not None and crossings[1] is not None:
            rises.append(crossings[1] - crossings[0])
    return float(np.median(rises)) if rises else None


def _crossing_s(t_s: Floats, part: Floats, level: float) -> float | None:
    above = np.flatnonzero(part >= level)
    if not len(above) or above[0] == 0:
        return None
    last, first = above[0] - 1, above[0]
    return float(np.interp(level, [part[last], part[first]], [t_s[last], t_s[first]]))
