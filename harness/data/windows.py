"""Windows (input, target) over a source: split by time, normalised, in the same order for every framework."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.cache import Arrays
from harness.data.calendar import Times, days
from harness.data.climatology import Climatology
from harness.data.config import Period, SplitName, Splits, after
from harness.data.dealing import ALL, Share
from harness.data.inputs import ForcingReader, forcing_normalisation, static_fields
from harness.data.kept_passes import KEEP_NOTHING, KeptPasses
from harness.data.normalisation import Normalisation, change_deviation, training_normalisation
from harness.data.source import Finish, Source, read_into
from harness.data.tasks import Tasks
from harness.data.threads import in_threads
from harness.errors import UserError
from harness.models.domain import STATE_ALONE, Domain, InputSpec

Fields = NDArray[np.float32]
Indices = NDArray[np.int64]

_CACHED_VALUES = 2**16
"""Of a field that are normalised together, 256 KiB, which the second pass over them finds in the cache of a core."""


class Batch(NamedTuple):
    """Normalised, C-contiguous float32 fields; states are 0 at masked points.

    `inputs` is x (B, inputs, H, W) as `Domain` orders its channels and `targets` (steps, B, C, H, W). `forcings`
    (steps - 1, B, F', H, W) are those of the second and later steps, all offsets of a step together, None where there
    are none.
    """

    inputs: Fields
    targets: Fields
    forcings: Fields | None


@dataclass(frozen=True)
class Rollout:
    """Initial states for a forecast and the truth to score it with.

    `inputs` is x (B, inputs, H, W) of the first step, always of the full batch size B: a last batch that is short
    repeats its last state, and only the first `samples` states count. `starts` (samples,) are their time indices and
    `padded_starts` (B,) those of the whole batch. The methods below that return (samples, C, H, W) do so as float32 in
    the source's units, NaN outside the mask; `lead` counts steps.
    """

    windows: "Windows"
    inputs: Fields
    starts: Indices
    padded_starts: Indices

    @property
    def samples(self) -> int:
        """Number of states that count."""
        return len(self.starts)

    def next_inputs(self, inputs: Fields, state: Fields, lead: int) -> Fields:
        """x from the state (B, C, H, W) forecast for `lead`, normalised and 0 at masked points.

        `inputs` is the x that it was forecast from.
        """
        layout = self.windows.domain.layout(self.windows.spec)
        if layout.state_alone:
            return state
        forcings = self.windows.forcings_at(self.padded_starts + lead)
        static = inputs[:, inputs.shape[1] - layout.statics :]
        return np.concatenate([state, inputs[:, : layout.kept], *forcings, static], axis=1)

    def truth(self, lead: int) -> Fields:
        """What happened `lead` steps after each start."""
        return self.windows.source.read(self.starts + lead)

    def persistence(self) -> Fields:
        """The state at each start."""
        return self.windows.source.read(self.starts)

    def climatology(self, lead: int) -> Fields:
        """The training climatology at the time of the truth."""
        return self.windows.climatology.at(self.starts + lead)


class Windows:
    """Runs of states from one source: `spec.history` states up to the start and the `lead` states after it.

    A window lies inside one split and every step from its oldest state to its last target is valid. Forcings may lie
    outside the split, as they are known at every time. What passes over the training steps give is taken from `kept`.
    `validates` is False where the splits leave the validation out.
    """

    def __init__(
        self, source: Source, splits: Splits, spec: InputSpec = STATE_ALONE, kept: KeptPasses = KEEP_NOTHING
    ) -> None:
        """Raises UserError where the data have no steps of a period of `splits`."""
        self.source = source
        self.spec = spec
        self._kept = kept
        self.ranges = split_ranges(source.times, splits)
        self.validates = splits.validation != 0

    @cached_property
    def domain(self) -> Domain:
        """What a network must know of these data.

        Raises UserError where the network is residual and a channel changes by the same amount at every step.
        """
        scale = np.full(len(self.source.channels), np.nan)
        if self.spec.residual:
            change = self._over_training(
                "change", ("std",), lambda steps: {"std": change_deviation(self.source, steps)}
            )
            scale = change["std"] / self.normalisation.std
        return Domain(
            channels=self.source.channel_info,
            latitude=self.source.latitude,
            longitude=self.source.longitude,
            mask=self.source.mask,
            residual_scale=scale.astype(np.float32),
            forcings=self.source.forcings,
            statics=self.source.statics,
        )

    @cached_property
    def normalisation(self) -> Normalisation:
        """Mean and standard deviation of each channel over the training steps.

        Raises UserError where a channel is constant.
        """
        return self._normalisation("normalisation", training_normalisation)

    @cached_property
    def climatology(self) -> Climatology:
        """Mean state of the training period; its `kind` says by what it is grouped."""
        return Climatology(self.source, self._valid_steps("train"), self._kept)

    def lead_h(self, lead: int) -> float:
        """Lead time of `lead` steps in hours."""
        return float(lead * self.source.step / np.timedelta64(1, "h"))

    def starts(self, split: SplitName, lead: int = 1) -> Indices:
        """Time indices of the newest input states of all windows of a split, in order.

        Raises UserError where there is none.
        """
        steps, older = self.ranges[split], self.spec.history - 1
        gaps_before = np.concatenate([[0], np.cumsum(~self.source.valid_steps)])
        offsets = self._forcing_offsets
        first = max(steps.start + older, -min(offsets, default=0))
        last = min(steps.stop - 1 - lead, len(self.source.times) - lead - max(offsets, default=0))
        candidates = np.arange(first, max(first, last + 1), dtype=np.int64)
        starts = candidates[gaps_before[candidates + lead + 1] == gaps_before[candidates - older]]
        if starts.size == 0:
            raise UserError(
                f"the {split} split has {len(steps)} steps, too few for a window of {older + lead + 1} valid steps: "
                "use more data, other splits or a shorter lead time"
            )
        return starts

    def batch_count(self, split: SplitName, batch_size: int, *, lead: int = 1) -> int:
        """Number of batches that `batches` yields.

        Raises UserError where the split is smaller than one batch.
        """
        windows = len(self.starts(split, lead))
        if windows < batch_size:
            raise UserError(f"the {split} split has {windows} windows, fewer than the batch size {batch_size}")
        return windows // batch_size

    def dropped(self, split: SplitName, batch_size: int, *, lead: int = 1) -> int:
        """Number of windows in each epoch that fill no batch and are left out."""
        return len(self.starts(split, lead)) - batch_size * self.batch_count(split, batch_size, lead=lead)

    def batches(
        self, split: SplitName, batch_size: int, *, epoch_seed: int | Sequence[int] | None = None, lead: int = 1
    ) -> Iterator[Batch]:
        """Full batches of windows; the targets are the states 1 to `lead` steps after the input.

        With `epoch_seed` (for example `(seed, epoch)`) the windows are shuffled by NumPy's default generator, without
        it they come in order. The remainder that fills no batch is left out, because a compiled graph is built anew
        for each shape. Raises UserError where the split is smaller than one batch.
        """
        return (make() for make in self.batch_tasks(split, batch_size, epoch_seed=epoch_seed, lead=lead))

    def batch_tasks(
        self,
        split: SplitName,
        batch_size: int,
        *,
        epoch_seed: int | Sequence[int] | None = None,
        lead: int = 1,
        share: Share = ALL,
    ) -> Tasks[Batch]:
        """What makes the `share` of each of the `batches`, in their order; several threads may call them at once.

        Raises UserError where the split is smaller than one batch.
        """
        own = share.of_batch(batch_size)
        orders = self.batch_starts(split, batch_size, epoch_seed=epoch_seed, lead=lead)
        self._prepare()
        return Tasks(range(len(orders)), lambda number: partial(self._batch, orders[number, own], lead))

    def batch_starts(
        self, split: SplitName, batch_size: int, *, epoch_seed: int | Sequence[int] | None = None, lead: int = 1
    ) -> Indices:
        """The time indices (batches, batch_size) of the `batches`, in their order; raises what they raise."""
        count = self.batch_count(split, batch_size, lead=lead)
        starts = self.starts(split, lead)
        if epoch_seed is not None:
            starts = np.random.default_rng(epoch_seed).permutation(starts)
        return starts[: count * batch_size].reshape(count, batch_size)

    def rollouts(
        self, split: SplitName, leads: Sequence[int], batch_size: int, share: Share = ALL
    ) -> Iterator[Rollout]:
        """Every start of a split, in order, whose truth exists up to the longest of `leads` (in steps).

        Batches are dealt to ranks in turn, and all have as many: the last of a rank may have no state that counts.
        """
        starts = self.starts(split, max(leads))
        self.climatology.hold(max(leads) + batch_size)
        for begin in range(0, len(starts), batch_size * share.size):
            own = begin + batch_size * share.number
            chosen = starts[own : own + batch_size]
            repeated = chosen if len(chosen) else starts[-1:]
            padded = np.pad(repeated, (0, batch_size - len(repeated)), mode="edge")
            yield Rollout(self, self._batch(padded, 0).inputs, chosen, padded)

    def normalise(self, fields: Fields) -> Fields:
        """(n, C, H, W) in the source's units to zero mean and unit variance; 0 at masked points."""
        own = np.array(fields, dtype=np.float32, order="C")
        self._normalise_in_place(own)
        return own

    def denormalise(self, fields: Fields) -> Fields:
        """The inverse of `normalise`: (n, C, H, W) in the source's units, NaN at masked points."""
        physical = fields * self.normalisation.std_per_point + self.normalisation.mean_per_point
        return np.where(self.source.mask, physical, np.float32(np.nan)).astype(np.float32)

    def forcings_at(self, steps: Indices) -> tuple[Fields, ...]:
        """Normalised forcings (n, F', H, W) of the network's steps from these time indices, all offsets together.

        Without forcings, ().
        """
        offsets = self._forcing_offsets
        if not offsets:
            return ()
        wanted = (steps[:, None] + np.array(offsets)).ravel()
        return (self._forcings.read(wanted).reshape(len(steps), -1, *self.source.mask.shape[1:]),)

    def _prepare(self) -> None:
        """Compute what all batches share, so that no two threads do."""
        self.normalisation, self._gaps  # noqa: B018
        if self._forcing_offsets:
            self._forcings  # noqa: B018
        if self.spec.statics and self.source.statics:
            self._statics  # noqa: B018

    @cached_property
    def _forcings(self) -> ForcingReader:
        return ForcingReader(self.source, self._normalisation("forcings", forcing_normalisation))

    @cached_property
    def _statics(self) -> Fields:
        return static_fields(self.source)

    @property
    def _forcing_offsets(self) -> tuple[int, ...]:
        return self.spec.forcing_offsets if self.spec.forcing_offsets and self.source.forcings else ()

    def _normalisation(self, name: str, compute: Callable[[Source, Indices], Normalisation]) -> Normalisation:
        return Normalisation(
            **self._over_training(name, ("mean", "std"), lambda steps: vars(compute(self.source, steps)))
        )

    def _over_training(self, name: str, fields: tuple[str, ...], compute: Callable[[Indices], Arrays]) -> Arrays:
        """What `compute` gives for the training steps, or gave when it was last asked."""
        steps = self._valid_steps("train")
        return self._kept.once(name, steps, fields, lambda: compute(steps))

    def _valid_steps(self, split: SplitName) -> Indices:
        steps = np.arange(self.ranges[split].start, self.ranges[split].stop, dtype=np.int64)
        return steps[self.source.valid_steps[steps]]

    def _normalise_in_place(self, fields: Fields) -> None:
        """Normalise (n, C, H, W), field by field, each while it is in the cache of a core."""
        normalise = self._normaliser()

        def scale(number: int) -> None:
            for channel, field in enumerate(fields[number]):
                normalise(number, channel, field.reshape(-1), 0)

        in_threads([partial(scale, number) for number in range(len(fields))], fields.nbytes)

    def _normaliser(self) -> Finish:
        """What normalises a part of a field in place."""
        mean, std, gaps = self.normalisation.mean_per_point, self.normalisation.std_per_point, self._gaps

        def normalise(number: int, channel: int, values: Fields, begin: int) -> None:
            for first in range(0, len(values), _CACHED_VALUES):
                part = values[first : first + _CACHED_VALUES]
                part -= mean[channel, 0]
                part /= std[channel, 0]
            if (absent := gaps[channel]) is not None:
                values[absent[begin : begin + len(values)]] = 0

        return normalise

    @cached_property
    def _gaps(self) -> list[NDArray[np.bool_] | None]:
        """Where each channel has no values, (H * W,); None where it has them everywhere."""
        return [None if mask.all() else ~mask.ravel() for mask in self.source.mask]

    def _batch(self, starts: Indices, lead: int) -> Batch:
        """The fields of windows; without a lead, inputs alone."""
        older, channels = self.spec.history - 1, len(self.source.channels)
        forcings = self.forcings_at((starts + np.arange(max(1, lead))[:, None]).ravel())
        by_step = [values.reshape(-1, len(starts), *values.shape[1:]) for values in forcings]
        known = [values[0] for values in by_step]
        if self.spec.statics and self.source.statics:
            known.append(np.broadcast_to(self._statics, (len(starts), *self._statics.shape)))
        states = channels * self.spec.history
        place = self.source.mask.shape[1:]
        inputs = np.empty((len(starts), states + sum(each.shape[1] for each in known), *place), dtype=np.float32)
        targets = np.empty((lead, len(starts), channels, *place), dtype=np.float32)
        newest_first = [inputs[:, channels * age : channels * (age + 1)] for age in range(self.spec.history)]
        self._read_states(starts, [*reversed(newest_first), *targets], -older)
        first = states
        for each in known:
            inputs[:, first : first + each.shape[1]] = each
            first += each.shape[1]
        return Batch(inputs, targets, by_step[0][1:] if by_step and lead > 1 else None)

    def _read_states(self, starts: Indices, outs: Sequence[Fields], first: int) -> None:
        """Write normalised states into `outs`, (B, C, H, W) each, `first` and more steps after `starts`.

        Each step is read once; a second place gets a copy.
        """
        wanted = (starts + first + np.arange(len(outs))[:, None]).ravel()
        places = [state for of_step in outs for state in of_step]
        steps, at, back = np.unique(wanted, return_index=True, return_inverse=True)
        order = np.argsort(at)
        read_into(self.source, steps[order], [places[number] for number in at[order]], self._normaliser())
        again = np.setdiff1d(np.arange(len(wanted)), at)
        copies = [partial(np.copyto, places[number], places[at[back[number]]]) for number in again]
        in_threads(copies, len(copies) * places[0].nbytes if copies else 0)


def split_ranges(times: Times, splits: Splits) -> dict[SplitName, range]:
    """Ranges of time indices: of shares training first, then validation, then test, together all of `times` (T,).

    Raises UserError where a period reaches beyond the times or holds none of them.
    """
    if splits.periods:
        return {"validation": range(0), **_ranges_of_periods(days(times), splits.periods)}
    steps, (train, validation, _) = len(times), splits.shares
    train_end, validation_end = round(steps * train), round(steps * (train + validation))
    return {
        "train": range(train_end),
        "validation": range(train_end, validation_end),
        "test": range(validation_end, steps),
    }


def _ranges_of_periods(present: NDArray[np.str_], periods: Mapping[SplitName, Period]) -> dict[SplitName, range]:
    """The steps of each period, of increasing days (T,)."""
    found: dict[SplitName, range] = {}
    for name, (first, last) in periods.items():
        steps = range(*(int(place) for place in np.searchsorted(present, [first, after(last)])))
        if after(first) < present[0] or after(present[-1]) < last or not steps:
            raise UserError(
                f"splits: {name} is from {first} to {last}, and the data are from {present[0]} to {present[-1]}"
            )
        found[name] = steps
    return found
