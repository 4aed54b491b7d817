"""How far projections are off where that can be checked: every chip, or every preset, predicted from the others."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal, NamedTuple

from scipy.special import stdtrit

from harness.analysis.statistics import CONFIDENCE
from harness.errors import UserError
from harness.projection.roofline import Efficiencies, Sample, fit, log_error
from harness.text import counted

LEAST = 4
"""Of presets, or of chips, that must be left out in turn: with fewer an error says nothing."""


class Trial(NamedTuple):
    """What was projected and measured of a preset that was left out, or of one whose chip was.

    `stage` is that of training, `chip` the one of a step.
    """

    name: str
    activity: str
    projected: float
    measured: float
    stage: str = ""
    chip: str = ""

    @property
    def error(self) -> float:
        """projected / measured - 1."""
        return self.projected / self.measured - 1


@dataclass(frozen=True)
class Validation:
    """The trials of a quantity; `unit` is seconds or bytes, `left_out` what was left out each time, in words.

    `untried` says of steps that could not be predicted why, a line each.
    """

    unit: str
    left_out: str
    trials: tuple[Trial, ...]
    untried: tuple[str, ...] = ()

    def of(self, activity: str) -> "Validation":
        """The trials of one activity."""
        return replace(self, trials=tuple(trial for trial in self.trials if trial.activity == activity))

    def lacks(self, activity: str) -> str | None:
        """Why an activity is not validated; None where it is. Errors of one say nothing of another."""
        number = self.of(activity).number
        if number >= LEAST:
            return None
        return (
            f"no validation, no projection: {counted(number, self.left_out[:-1])} with {activity}s could be predicted "
            f"from others, and {LEAST} must be"
        )

    @property
    def number(self) -> int:
        """Of presets, or of chips, that were left out in turn."""
        return len({trial.chip if self.left_out == "chips" else trial.name for trial in self.trials})

    @property
    def factor(self) -> float:
        """By which an interval that holds the next one with 95 % reaches to either side.

        Student's t on the logarithms of projected / measured, about 0, so that a bias counts as an error.
        """
        squares = [log_error(trial.projected, trial.measured) ** 2 for trial in self.trials]
        count = len(squares)
        spread = math.sqrt(math.fsum(squares) / count * (1 + 1 / count))
        return math.exp(float(stdtrit(count, (1 + CONFIDENCE) / 2)) * spread)

    @property
    def worst(self) -> float:
        """The largest error of all trials, without its sign."""
        return max(abs(trial.error) for trial in self.trials)

    @property
    def said(self) -> str:
        """In words."""
        middle = median(abs(trial.error) for trial in self.trials)
        return (
            f"{self.number} {self.left_out}, each predicted from the others: median error {middle:.0%}, "
            f"largest {self.worst:.0%}"
        )


def validated(samples: Sequence[Sample], *, across_chips: bool = True, begin: Efficiencies | None = None) -> Validation:
    """Every chip predicted from the others where that is wanted and enough chips can be, else every preset.

    `begin` is what was fitted to all samples, if that is known already.

    Raises UserError where there are too few of both: no validation, no projection.
    """
    if across_chips and len({sample.chip for sample in samples if sample.ceilings.launch_s is not None}) >= LEAST:
        return _left_out(samples, "chips", begin or fit(samples))
    presets = {sample.name for sample in samples}
    if len(presets) < LEAST:
        listed = ", ".join(sorted(presets)) or "none"
        raise UserError(
            f"no validation, no projection: {LEAST} presets at least must have records, each to be predicted from the "
            f"others, and there are {len(presets)} ({listed}); run crosscast bench with more --preset or --model"
        )
    return _left_out(samples, "presets", begin or fit(samples))


def _left_out(samples: Sequence[Sample], words: Literal["chips", "presets"], begin: Efficiencies) -> Validation:
    """Every chip is predicted as one without records is: by its own cost of a kernel, and by no efficiency above 1."""
    by_chip = words == "chips"
    trials: list[Trial] = []
    untried: Counter[str] = Counter()
    for name in sorted({sample.chip if by_chip else sample.name for sample in samples}):
        chosen = [name == (sample.chip if by_chip else sample.name) for sample in samples]
        known = [sample for sample, is_left_out in zip(samples, chosen, strict=True) if not is_left_out]
        found = fit(known, begin)
        for sample in (sample for sample, is_left_out in zip(samples, chosen, strict=True) if is_left_out):
            of_chip = found.launch_s.get(sample.chip)
            cost = sample.ceilings.launch_s if of_chip is None else of_chip
            if cost is None:
                untried[sample.chip] += 1
                continue
            efficiencies = found.capped() if of_chip is None else found
            projected = efficiencies.step_s(sample.work, sample.ceilings, cost)
            trials.append(Trial(sample.name, sample.activity, projected, sample.seconds, sample.stage, sample.chip))
    if not trials:
        raise UserError("no validation, no projection: no chip that has records has a launch_us in its file")
    lines = (
        f"steps of {chip} that could not be predicted, as its file gives no launch_us: {count}"
        for chip, count in untried.items()
    )
    return Validation("s", words, tuple(trials), tuple(lines))
