"""Is a measured step possible? What is faster than the chip can be was timed by a clock that did not wait for it."""

from collections.abc import Sequence
from statistics import median

from harness.errors import UserError
from harness.frameworks.base import Numerics
from harness.models.work import prediction_flops, step_flops
from harness.results.record import Epoch, Latency, TrainingStage
from harness.scenario.chips import ChipConfig, Figure
from harness.scenario.execution import Execution
from harness.scenario.variants import as_variant
from harness.worker.subject import Subject

MARGIN = 1.25
"""Boards clock higher than the figures of data sheets hold for, by a quarter at the most."""

FORMATS = ("fp64", "fp32", "tf32", "fp16", "bf16")
"""From the slowest: no chip is slower in a later one, so that the peak of a later one bounds that of an earlier one."""

FLOAT32_BITS, TF32_BITS = 24, 11
TERA = 1e12


class Peak:
    """The peak rate of the chip, as the variant that the device is, in the format that products are computed in."""

    def __init__(self, chip: ChipConfig, device_name: str, execution: Execution, numerics: Numerics) -> None:
        self._here = as_variant(chip, device_name)
        self._format = format_of(execution, numerics)
        self._rate = _bound(self._here, self._format)
        self._devices, self._sinks = execution.world.devices, execution.loading.sink

    def check_training(self, stages: Sequence[TrainingStage], subject: Subject, batch_size: int) -> None:
        """Raise UserError for a stage whose median step is shorter than its products take at the peak.

        `batch_size` is that of all devices together.
        """
        for stage in stages:
            flops = step_flops(subject.package, subject.network, subject.domain, batch_size, stage.rollout_steps)
            times_s = [time_s for epoch in stage.epochs for time_s in _times_s(epoch, sinks=self._sinks)]
            self._check(f"a training step of stage {stage.name!r}", flops, times_s)

    def check_inference(self, latency: Latency, subject: Subject) -> None:
        """Raise UserError where the median step is shorter than its products take at the peak."""
        flops = prediction_flops(subject.package, subject.network, subject.domain, latency.batch_size * self._devices)
        self._check("an inference step", flops, latency.step_s)

    def _check(self, what: str, flops: int | None, times_s: Sequence[float]) -> None:
        if self._rate is None or flops is None or not times_s:
            return
        step_s, peak = median(times_s), self._rate * TERA * self._devices
        if flops <= MARGIN * peak * step_s:
            return
        reached = f"{flops / step_s / TERA:.3g} TFLOP/s" if step_s > 0 else "any rate"
        raise UserError(
            f"{what} took {step_s:.3g} s for at least {flops / TERA:.3g} TFLOP, which is {reached}, and "
            f"{self._here.title} reaches {peak / TERA:.4g} in {self._format}: this is no measurement, the clock does "
            "not wait for the device; see `crosscast doctor`"
        )


def format_of(execution: Execution, numerics: Numerics) -> str:
    """The fastest format in which products are computed: that of autocast, else what the measured bits say."""
    autocast = execution.precision.autocast
    if autocast != "none":
        return autocast.removeprefix("native-")
    if numerics.matmul_bits >= FLOAT32_BITS:
        return "fp32"
    return "tf32" if numerics.matmul_bits >= TF32_BITS else "bf16"


def _bound(chip: ChipConfig, number_format: str) -> float | None:
    """The peak in a format in TFLOP/s, or the highest in any that is no slower; None where none of them is known.

    fp16 and bf16 bound each other: no chip of the files is faster in one of them alone.
    """
    first = min(FORMATS.index(number_format), FORMATS.index("fp16"))
    known: Figure | None = getattr(chip.peak_tflops, number_format)
    if known is not None and known.value is not None:
        return known.value
    others = (getattr(chip.peak_tflops, name) for name in FORMATS[first:])
    return max((each.value for each in others if each is not None and each.value is not None), default=None)


def _times_s(epoch: Epoch, *, sinks: bool) -> Sequence[float]:
    """Seconds in which the device may have worked on each step; with its data where copies and steps may overlap."""
    if epoch.window == 1 and not sinks:
        return epoch.step_s
    return [step_s + data_s for step_s, data_s in zip(epoch.step_s, epoch.data_s, strict=True)]
