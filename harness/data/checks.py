"""Checks of an archive before anything is trained on it: regular times, fixed gaps in space, finite values."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.data.calendar import Times, even_step, span_text, spans, time_text
from harness.data.fingerprints import FIELD_BYTES, Fingerprint, field_digest
from harness.data.source import Finish, unfinished
from harness.data.threads import in_threads
from harness.data.value_ranges import Extremes
from harness.errors import UserError

Place = Callable[[int, int], str]
"""Says which variable, file and step (channel index, time index) is meant."""


@dataclass(frozen=True)
class Scan:
    """What one pass over an archive finds: mask (C, H, W), valid_steps (T,), fingerprint, extremes."""

    mask: NDArray[np.bool_]
    valid_steps: NDArray[np.bool_]
    fingerprint: str
    extremes: Extremes


def regular_step(times: Times, file_of_step: Callable[[int], str]) -> np.timedelta64:
    """The time between two steps of `times` (T,), of any calendar.

    Raises UserError, with the file, where times do not increase, are missing or are not evenly spaced.
    """
    if len(times) < 2:
        raise UserError(f"{file_of_step(0)}: {len(times)} time step, at least 2 are needed")
    differences = spans(times)
    even = even_step(differences)
    if even is not None:
        return even
    values, counts = np.unique(differences, return_counts=True)
    step = values[counts.argmax()]
    irregular = int(np.flatnonzero((differences != step) | (differences <= np.timedelta64(0, "ns")))[0])
    before, after = (time_text(time) for time in times[irregular : irregular + 2])
    where = file_of_step(irregular + 1)
    if differences[irregular] <= np.timedelta64(0, "ns"):
        raise UserError(f"{where}: times do not increase, {after} follows {before}")
    if differences[irregular] % step == np.timedelta64(0, "ns"):
        usual = span_text(step)
        raise UserError(f"{where}: gap in time, nothing between {before} and {after} where the step is {usual}")
    unusual = span_text(differences[irregular])
    raise UserError(f"{where}: mixed time steps, {unusual} from {before} to {after}, elsewhere {span_text(step)}")


class ValueScanner:
    """Takes blocks of fields in time order, finds what is missing in them, and adds them to a fingerprint."""

    def __init__(self, channels: int, place: Place, fingerprint: Fingerprint) -> None:
        self._place = place
        self._fingerprint = fingerprint
        self._pattern: list[NDArray[np.bool_] | None] = [None] * channels
        self._pattern_step = [0] * channels
        self._missing: list[NDArray[np.bool_]] = []
        self._steps = 0
        self._extremes = Extremes(
            np.full(channels, np.inf, dtype=np.float32),
            np.full(channels, -np.inf, dtype=np.float32),
            np.zeros(channels, dtype=np.int64),
            np.full(channels, -1, dtype=np.int64),
        )

    def take(self, fields: NDArray[np.float32], read: Callable[[Finish], None]) -> None:
        """Judge the next (n, C, H, W) fields, C-contiguous, which `read` writes; every NaN of theirs is made the same.

        `read` hands each field, whole, to the `Finish` that it is given. Raises what it raises, and UserError at an
        infinite value, and at a point that is NaN at one step and not at another.
        """
        found = _Found(*fields.shape[:2])
        if any(pattern is None for pattern in self._pattern):
            read(unfinished)
            self._learn_patterns(fields)
            look = self._looking(found, fields)
            every = [(n, c, fields[n, c].reshape(-1), 0) for n, c in np.ndindex(fields.shape[0], fields.shape[1])]
            in_threads([partial(look, *field) for field in every], fields.nbytes)
        else:
            read(self._looking(found, fields))
        if found.infinite.any():
            step, channel = np.argwhere(found.infinite)[0]
            raise UserError(f"{self._place(channel, self._steps + step)}: infinite value")
        for channel in np.flatnonzero(found.changed.any(axis=0)):
            self._refuse_change(channel, int(found.changed[:, channel].argmax()), fields)
        self._note_extremes(found)
        self._fingerprint.add(found.digests.tobytes())
        self._missing.append(found.missing)
        self._steps += len(fields)

    def finish(self, points: Literal["mask", "error"], steps: Literal["drop", "error"]) -> Scan:
        """Apply the policies for points and whole steps without values.

        Raises UserError where a channel has no values at all, or something is missing where the policy is `error`.
        """
        missing = np.concatenate(self._missing)
        masks = []
        for channel, pattern in enumerate(self._pattern):
            if pattern is None:
                raise UserError(f"{self._place(channel, 0)}: NaN at all {self._steps} steps")
            if points == "error" and pattern.any():
                place = self._place(channel, self._pattern_step[channel])
                raise UserError(f"{place}: NaN at {pattern.sum()} points ('missing: mask' leaves them out)")
            masks.append(~pattern)
        if steps == "error" and missing.any():
            step, channel = np.argwhere(missing)[0]
            raise UserError(f"{self._place(channel, step)}: NaN everywhere ('missing_steps: drop' leaves the step out)")
        valid_steps = ~missing.any(axis=1)
        if not valid_steps.any():
            raise UserError(f"{self._place(0, 0)}: no step has values in every channel")
        return Scan(np.stack(masks), valid_steps, str(self._fingerprint), self._extremes)

    def _looking(self, found: "_Found", fields: NDArray[np.float32]) -> Finish:
        patterns = [(pattern, pattern is not None and bool(pattern.any())) for pattern in self._pattern]

        def look(step: int, channel: int, values: NDArray[np.float32], begin: int) -> None:
            field = fields[step, channel]
            found.look(field, (step, channel), *patterns[channel])
            found.digests[step, channel] = np.void(field_digest(field))

        return look

    def _note_extremes(self, found: "_Found") -> None:
        kept = self._extremes
        np.minimum(kept.lowest, found.lowest.min(axis=0), out=kept.lowest)
        np.maximum(kept.highest, found.highest.max(axis=0), out=kept.highest)
        flat = (found.lowest == found.highest) & found.several & ~found.missing
        for channel in np.flatnonzero(flat.any(axis=0) & (kept.first_flat < 0)):
            kept.first_flat[channel] = self._steps + int(flat[:, channel].argmax())
        kept.flat_steps[:] += flat.sum(axis=0)

    def _learn_patterns(self, fields: NDArray[np.float32]) -> None:
        """Where each channel is NaN, from the first step at which it is not so everywhere."""
        for channel, known in enumerate(self._pattern):
            for step in range(len(fields)) if known is None else ():
                nan = np.isnan(fields[step, channel])
                if not nan.all():
                    self._pattern[channel], self._pattern_step[channel] = nan, self._steps + step
                    break

    def _refuse_change(self, channel: int, step: int, fields: NDArray[np.float32]) -> None:
        nan = np.isnan(fields[step, channel])
        row, column = np.argwhere(nan != self._pattern[channel])[0]
        raise UserError(
            f"{self._place(channel, self._steps + step)}: row {row}, column {column} is "
            f"{'NaN' if nan[row, column] else 'a value'}, unlike at step {self._pattern_step[channel]}: "
            "missing points must be the same at all steps"
        )


class _Found:
    """What fields (n, C) have of each kind; extremes are of the values that are no NaN."""

    def __init__(self, steps: int, channels: int) -> None:
        shape = steps, channels
        self.lowest = np.full(shape, np.inf, dtype=np.float32)
        self.highest = np.full(shape, -np.inf, dtype=np.float32)
        self.infinite, self.missing, self.changed, self.several = (np.zeros(shape, dtype=bool) for _ in range(4))
        self.digests = np.zeros(shape, dtype=f"V{FIELD_BYTES}")

    def look(
        self,
        field: NDArray[np.float32],
        at: tuple[int, int],
        pattern: NDArray[np.bool_] | None,
        pattern_has_gaps: bool,
    ) -> None:
        """Note what a field (H, W) has, and make every NaN in it the same; `pattern` is where it is to be NaN.

        `at` is its step and channel.
        """
        low, high = field.min(), field.max()
        if np.isfinite(low) and np.isfinite(high):
            self.changed[at], self.several[at] = pattern_has_gaps, field.size > 1
        else:
            nan = np.isnan(field)
            count = field.size - int(np.count_nonzero(nan))
            self.missing[at], self.several[at] = count == 0, count > 1
            self.changed[at] = count > 0 and bool((nan != pattern).any())
            low, high = np.fmin.reduce(field, axis=None), np.fmax.reduce(field, axis=None)
            self.infinite[at] = np.isinf(low) or np.isinf(high)
            np.copyto(field, np.float32(np.nan), where=nan)
            if count == 0:
                return
        self.lowest[at], self.highest[at] = low, high


def check_latitude(latitude: NDArray[np.float64], place: str) -> None:
    """Raise UserError where latitudes (H,) leave +-90 degrees or are not in order."""
    differences = np.diff(latitude)
    if not np.all(np.abs(latitude) <= 90.0 + 1e-6):
        raise UserError(f"{place}: latitudes must lie between -90 and 90 degrees")
    if not (np.all(differences > 0) or np.all(differences < 0)):
        raise UserError(f"{place}: latitudes neither increase nor decrease from row to row")
