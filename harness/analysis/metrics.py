"""The numbers that one launch contributes, computed from its record."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from harness.record import Epoch, Latency, Record, TrainingStage

Kind = Literal["cost", "rate", "size", "plain", "detail"]

NO_TRAINING = "no training measured"
NO_INFERENCE = "no inference measured"
NOT_STEADY = "steady state never reached"


@dataclass(frozen=True)
class Metric:
    """One launch's value of a quantity in `unit`; None with the `reason` where there is none.

    `name` ends in the unit and names a column. Costs and rates are compared with a verdict, sizes without one, plain
    values not at all; details go into files only.
    """

    name: str
    title: str
    unit: str
    kind: Kind
    value: float | None
    reason: str | None = None


@dataclass(frozen=True)
class EnergyUse:
    """Gross energy of one activity of a launch: J per `unit` (epoch or step) and mean power in W, from valid windows.

    Values are None where no window is valid; `reasons` say why windows are not.
    """

    activity: str
    unit: Literal["epoch", "step"]
    windows: int
    valid_windows: int
    energy_j: float | None
    mean_power_w: float | None
    reasons: tuple[str, ...]


def launch_metrics(record: Record) -> tuple[Metric, ...]:
    """Speed and memory of a launch, in the order in which tables show them.

    Epochs and steps of each training stage stand apart where there are several, because their work differs. The first
    epoch of a stage, which holds the compilation, does not count where there are more. Raises nothing.
    """
    measured = record.measurements
    several = len(measured.training) > 1
    stages = [metric for stage in measured.training for metric in _of_stage(stage, stage.name if several else "")]
    missing = [] if measured.training else _of_missing_stage()
    total_s = sum(epoch.epoch_s for stage in measured.training for epoch in stage.epochs)
    memory = measured.memory
    process_bytes, device_bytes = (memory.process_rss_bytes, memory.device_bytes) if memory else (None, None)
    no_count = "the framework keeps no count" if memory else "not measured"
    startup = measured.startup
    return (
        *stages,
        *missing,
        _metric("training_s", "training, total", "s", "cost", total_s if measured.training else None, NO_TRAINING),
        *_of_inference(measured.inference),
        _metric("process_rss_bytes", "process memory", "bytes", "size", process_bytes),
        _metric("device_bytes", "device memory", "bytes", "size", device_bytes, no_count),
        _metric("import_s", "start: import", "s", "detail", startup.import_s if startup else None),
        _metric("data_ready_s", "start: data ready", "s", "detail", startup.data_ready_s if startup else None),
        _metric("model_built_s", "start: model built", "s", "detail", startup.model_built_s if startup else None),
    )


def steady_state_problems(record: Record) -> tuple[str, ...]:
    """The parts of a launch whose step time never settled."""
    measured = record.measurements
    parts = [f"training {stage.name}" for stage in measured.training if stage.steady_from_step is None]
    return (*parts, "inference") if measured.inference and not measured.inference.steady else tuple(parts)


def energy_uses(record: Record) -> tuple[EnergyUse, ...]:
    """Energy of an epoch of each training stage and of an inference step; nothing where no energy was recorded.

    An epoch's energy is the median over the stage's valid windows, its first epoch left out where there are more.
    """
    phases = {phase.name: phase for phase in record.measurements.phases}
    windows = {entry.phase: entry.window for entry in record.energy.phases}
    uses = []
    for stage in record.measurements.training:
        names = [f"train {stage.name} {number}" for number in range(len(stage.epochs))]
        found = [windows[name] for name in (names[1:] or names) if name in windows]
        if found:
            uses.append(_energy_use(f"training {stage.name}", "epoch", found, [1] * len(found)))
    if "inference" in windows and "inference" in phases:
        uses.append(_energy_use("inference", "step", [windows["inference"]], [phases["inference"].steps]))
    return tuple(uses)


def _of_stage(stage: TrainingStage, stage_name: str) -> list[Metric]:
    part = f"_{stage_name}" if stage_name else ""
    of = f" ({stage_name})" if stage_name else ""
    epochs = _without_compilation(stage.epochs)
    times_s = [epoch.epoch_s for epoch in epochs]
    steps_s = [step_s for epoch in stage.epochs for step_s in epoch.step_s]
    steady_s = [] if stage.steady_from_step is None else steps_s[stage.steady_from_step :]
    step_s, iqr_s = (median(steady_s), _iqr(steady_s)) if steady_s else (None, None)
    share = sum(sum(epoch.data_s) for epoch in epochs) / sum(times_s)
    rate = stage.samples_per_epoch * len(epochs) / sum(times_s)
    return [
        _metric(f"epoch{part}_s", f"epoch{of}", "s", "cost", median(times_s)),
        _metric(f"train_step{part}_s", f"train step{of}", "s", "cost", step_s, NOT_STEADY),
        _metric(f"train_step_iqr{part}_s", f"train step, IQR{of}", "s", "detail", iqr_s, NOT_STEADY),
        _metric(f"first_step{part}_s", f"first train step{of}", "s", "cost", stage.first_step_s),
        _metric(f"data_share{part}_fraction", f"data share{of}", "fraction", "plain", share),
        _metric(f"train_rate{part}_samples_per_s", f"train rate{of}", "samples/s", "rate", rate),
    ]


def _of_missing_stage() -> list[Metric]:
    return [
        _metric("epoch_s", "epoch", "s", "cost", None, NO_TRAINING),
        _metric("train_step_s", "train step", "s", "cost", None, NO_TRAINING),
    ]


def _of_inference(latency: Latency | None) -> list[Metric]:
    steps_s = latency.step_s if latency else ()
    first_s = latency.first_step_s if latency else None
    rate = latency.batch_size * len(steps_s) / sum(steps_s) if latency and steps_s else None
    step_s, iqr_s = (median(steps_s), _iqr(steps_s)) if steps_s else (None, None)
    return [
        _metric("inference_step_s", "infer step", "s", "cost", step_s, NO_INFERENCE),
        _metric("inference_step_iqr_s", "infer step, IQR", "s", "detail", iqr_s, NO_INFERENCE),
        _metric("inference_first_step_s", "first infer step", "s", "cost", first_s, NO_INFERENCE),
        _metric("inference_rate_samples_per_s", "infer rate", "samples/s", "rate", rate, NO_INFERENCE),
    ]


def _metric(name: str, title: str, unit: str, kind: Kind, value: float | None, missing: str = "not measured") -> Metric:
    return Metric(name, title, unit, kind, value, missing if value is None else None)


def _without_compilation(epochs: Sequence[Epoch]) -> Sequence[Epoch]:
    return epochs[1:] or epochs


def _iqr(values: Sequence[float]) -> float:
    low, high = np.percentile(values, [25, 75])
    return float(high - low)


def _energy_use(
    activity: str, unit: Literal["epoch", "step"], windows: Sequence[dict], units: Sequence[int]
) -> EnergyUse:
    valid = [(window, count) for window, count in zip(windows, units, strict=True) if window["valid"] and count]
    reasons = dict.fromkeys(reason for window in windows if not window["valid"] for reason in window["reasons"])
    energy_j = median(window["energy_j"] / count for window, count in valid) if valid else None
    power_w = _mean_power_w([window for window, _ in valid]) if valid else None
    return EnergyUse(activity, unit, len(windows), len(valid), energy_j, power_w, tuple(reasons))


def _mean_power_w(windows: Sequence[dict]) -> float:
    return float(sum(window["energy_j"] for window in windows) / sum(window["duration_s"] for window in windows))
