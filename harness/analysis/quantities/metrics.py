"""The numbers that one launch contributes, computed from its record."""

from collections.abc import Sequence
from operator import truediv
from statistics import median
from typing import Literal, NamedTuple, TypeVar, cast

from collectors.accounting.device_use import DeviceUse
from collectors.accounting.energy import WindowEnergy
from harness.results.record import (
    Accelerator,
    Communication,
    Idle,
    LatencySummary,
    Measurements,
    Phase,
    PhaseEnergy,
    Record,
    StageSummary,
)

EnergyUnit = Literal["epoch", "run", "step"]
Kind = Literal["cost", "rate", "size", "plain", "detail"]

T = TypeVar("T")

ROUNDING = 1e-9
"""Relative difference of powers that are equal."""

SCOPE_TITLES = {"cpu_package": "CPU packages", "dram": "memory", "node": "node, with all that runs on it"}

NO_TRAINING = "no training measured"
NO_INFERENCE = "no inference measured"
NOT_STEADY = "steady state never reached"
NO_COMPILATION = "not told apart"


EXCHANGE = "exchange_fraction"
SIGNED = frozenset({EXCHANGE})
"""Differences of measured times, which noise may bring below 0."""


class Metric(NamedTuple):
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


class EnergyUse(NamedTuple):
    """Energy of one activity of a launch, from valid windows: J per `unit`, gross and net of idle, per step and sample.

    Values are None where no window is valid, net energy where that of any valid window is not known; `reasons` say why.
    So is the peak of several nodes, whose clocks are not aligned. `scopes` name what its sensors hold: die, card,
    module, cpu_package, dram, node; empty where that is not recorded.
    """

    activity: str
    unit: EnergyUnit
    windows: int
    valid_windows: int
    energy_j: float | None
    net_energy_j: float | None
    step_energy_j: float | None
    sample_energy_j: float | None
    mean_power_w: float | None
    peak_power_w: float | None
    reasons: tuple[str, ...]
    scopes: tuple[str, ...] = ()

    @property
    def samples_per_j(self) -> float | None:
        """Samples for a joule."""
        return 1 / self.sample_energy_j if self.sample_energy_j else None


def launch_metrics(record: Record) -> tuple[Metric, ...]:
    """Speed and memory of a launch, in the order in which tables show them.

    Epochs and steps of each training stage stand apart where there are several, because their work differs. The first
    epoch of a stage, which holds the compilation, does not count where there are more, nor do compilations inside the
    others. Raises nothing.
    """
    measured = record.measurements
    several = len(measured.training) > 1
    total_s, stages = 0.0, []
    for stage in measured.training:
        times_s = [epoch.epoch_s for epoch in stage.epochs]
        total_s += sum(times_s)
        if any(epoch.compile_s for epoch in stage.epochs):
            times_s = [time_s - (epoch.compile_s or 0.0) for time_s, epoch in zip(times_s, stage.epochs, strict=True)]
        stages += _of_stage(stage, times_s, stage.name if several else "")
    no_training = f"not trained ({measured.no_training})" if measured.no_training else NO_TRAINING
    missing = [] if measured.training else _of_missing_stage(no_training)
    compile_s = _compile_s(measured)
    run_s = None if compile_s is None else total_s - compile_s
    memory = measured.memory
    process_bytes, device_bytes = (memory.process_rss_bytes, memory.device_bytes) if memory else (None, None)
    no_count = "the framework keeps no count" if memory else "not measured"
    no_peak = "the kernel does not count it from when data are ready" if memory else "not measured"
    startup = measured.startup
    return (
        *stages,
        *missing,
        _metric("training_s", "training, total", "s", "cost", total_s if measured.training else None, no_training),
        _metric("training_compile_s", "training, compiling", "s", "detail", compile_s, NO_COMPILATION),
        _metric("training_run_s", "training without compiling", "s", "detail", run_s, NO_COMPILATION),
        *_of_exchange(measured.communication),
        *_of_inference(measured.inference, record.scenario.execution.world.devices),
        _metric("process_rss_bytes", "process memory", "bytes", "size", process_bytes, no_peak),
        _metric("device_bytes", "device memory, allocated", "bytes", "size", device_bytes, no_count),
        *_of_device(record, no_count),
        _metric("import_s", "start: import", "s", "detail", startup.import_s if startup else None),
        _metric("data_ready_s", "start: data ready", "s", "detail", startup.data_ready_s if startup else None),
        _metric("model_built_s", "start: model built", "s", "detail", startup.model_built_s if startup else None),
    )


def steady_state_problems(record: Record) -> tuple[str, ...]:
    """The parts of a launch whose step time never settled."""
    measured = record.measurements
    parts = [f"training {stage.name}" for stage in measured.training if stage.steady_from_step is None]
    return (*parts, "inference") if measured.inference and not measured.inference.steady else tuple(parts)


def host_uses(record: Record) -> tuple[EnergyUse, ...]:
    """What `energy_uses` gives of the devices, of each scope of the host; the activity ends in the scope in brackets.

    Raises what `energy_uses` raises.
    """
    return tuple(
        use._replace(activity=of_host(use.activity, entry.scope))
        for entry in record.energy.hosts
        for use in _uses(record, entry.phases, entry.idle)
    )


def of_host(activity: str, scope: str) -> str:
    """The name of an activity as a scope of the host is measured in it."""
    return f"{activity} [{SCOPE_TITLES.get(scope, scope)}]"


def energy_uses(record: Record) -> tuple[EnergyUse, ...]:
    """Energy of an epoch of each training stage, of the whole training and of an inference step, as far as recorded.

    An epoch's energy is the median over the stage's valid windows, its first epoch left out where there are more. The
    whole training holds compilation and validation too. Raises LookupError, TypeError or ValueError where a window
    lacks what it should hold or has an energy below 0.
    """
    return _uses(record, record.energy.phases, record.energy.idle)


def _uses(record: Record, measured: Sequence[PhaseEnergy], idle: Idle | None) -> tuple[EnergyUse, ...]:
    if not measured:
        return ()
    phases = {phase.name: phase for phase in record.measurements.phases}
    recorded = {entry.phase: (entry, phases[entry.phase]) for entry in measured if entry.phase in phases}
    parts: list[tuple[str, EnergyUnit, Sequence[str]]] = []
    for stage in record.measurements.training:
        names = [f"train {stage.name} {number}" for number in range(len(stage.epochs))]
        parts.append((f"training {stage.name}", "epoch", names[1:] or names))
    parts += [("training, whole", "run", ["training"]), ("inference", "step", ["inference"])]
    uses = []
    for activity, unit, phase_names in parts:
        if found := [recorded[name] for name in phase_names if name in recorded]:
            uses.append(_energy_use(activity, unit, found, idle))
    return tuple(uses)


def _of_stage(stage: StageSummary, epochs_s: Sequence[float], stage_name: str) -> list[Metric]:
    part = f"_{stage_name}" if stage_name else ""
    of = f" ({stage_name})" if stage_name else ""
    epochs, times_s = _without_compilation(stage.epochs), _without_compilation(epochs_s)
    steady = stage.steady_steps
    step_s, iqr_s = (steady.median_s, steady.iqr_s) if steady else (None, None)
    all_s = sum(times_s)
    share = sum([epoch.data_total_s for epoch in epochs]) / all_s
    rate = stage.samples_per_epoch * len(epochs) / all_s
    return [
        _metric(f"epoch{part}_s", f"epoch{of}", "s", "cost", median(times_s)),
        _metric(f"train_step{part}_s", f"train step{of}", "s", "cost", step_s, NOT_STEADY),
        _metric(f"train_step_iqr{part}_s", f"train step, IQR{of}", "s", "detail", iqr_s, NOT_STEADY),
        _metric(f"first_step{part}_s", f"first train step{of}", "s", "cost", stage.first_step_s),
        _metric(f"data_share{part}_fraction", f"data share{of}", "fraction", "plain", share),
        _metric(f"train_rate{part}_samples_per_s", f"train rate{of}", "samples/s", "rate", rate),
    ]


def _compile_s(measured: Measurements) -> float | None:
    """What the training's compilations took beyond the steps that they came with; None where they are not told apart.

    The framework of an older record compiled, and nobody noted when.
    """
    compiles = measured.framework is not None and measured.framework.execution != "eager"
    if not measured.training or (compiles and not measured.compiles):
        return None
    parts = [epoch.compile_s for stage in measured.training for epoch in stage.epochs]
    return None if None in parts else sum(filter(None, parts))


def _of_missing_stage(reason: str) -> list[Metric]:
    return [
        _metric("epoch_s", "epoch", "s", "cost", None, reason),
        _metric("train_step_s", "train step", "s", "cost", None, reason),
    ]


def _of_exchange(found: Communication | None) -> list[Metric]:
    """What the exchange of gradients takes of a training step; of one device nothing is said."""
    if found is None:
        return []
    return [_metric(EXCHANGE, "exchange of gradients", "fraction", "plain", found.share, found.reason or "")]


def _of_inference(latency: LatencySummary | None, devices: int) -> list[Metric]:
    first_s = latency.first_step_s if latency else None
    timed = latency.timed_steps if latency else None
    rate = devices * latency.batch_size * timed.count / timed.total_s if latency and timed else None
    step_s, iqr_s = (timed.median_s, timed.iqr_s) if timed else (None, None)
    return [
        _metric("inference_step_s", "infer step", "s", "cost", step_s, NO_INFERENCE),
        _metric("inference_step_iqr_s", "infer step, IQR", "s", "detail", iqr_s, NO_INFERENCE),
        _metric("inference_first_step_s", "first infer step", "s", "cost", first_s, NO_INFERENCE),
        _metric("inference_rate_samples_per_s", "infer rate", "samples/s", "rate", rate, NO_INFERENCE),
    ]


def _of_device(record: Record, no_count: str) -> list[Metric]:
    """Memory of a device beyond what tensors took: what the allocator had of it, and what its driver counted as taken.

    Nothing is said of a launch on the CPU.
    """
    measured, energy = record.measurements, record.energy
    if measured.framework is None or measured.framework.device.casefold() == "cpu":
        return []
    reserved_bytes = measured.memory.device_reserved_bytes if measured.memory else None
    sizes = [_taken_bytes(use, record.environment.accelerator) for use in energy.device_uses]
    is_whole = None not in sizes and len(sizes) == record.scenario.execution.world.devices
    taken_bytes = max(filter(None, sizes), default=None) if is_whole else None
    untold = f"{energy.collector} does not tell it" if energy.collector else energy.reason or "not measured"
    return [
        _metric("device_reserved_bytes", "device memory, reserved", "bytes", "size", reserved_bytes, no_count),
        _metric("device_taken_bytes", "device memory, by its driver", "bytes", "size", taken_bytes, untold),
    ]


def _taken_bytes(use: DeviceUse, accelerator: Accelerator) -> int | None:
    """What was taken of a device's memory at most; of a percentage by the size that all devices of the job have."""
    if use.memory_bytes is not None or use.memory_fraction is None:
        return use.memory_bytes
    sizes = {device.memory_bytes for device in accelerator.devices}
    size_bytes = sizes.pop() if len(sizes) == 1 else None
    return None if size_bytes is None else round(use.memory_fraction * size_bytes)


def _metric(name: str, title: str, unit: str, kind: Kind, value: float | None, missing: str = "not measured") -> Metric:
    return Metric(name, title, unit, kind, value, missing if value is None else None)


def _without_compilation(epochs: Sequence[T]) -> Sequence[T]:
    return epochs[1:] or epochs


RecordedPhase = tuple[PhaseEnergy, Phase]
"""The energy of a phase beside what was done in it. It is valid where the energy stands and there is work in it."""


def _reasons(recorded: RecordedPhase) -> Sequence[str]:
    """Why it is not valid; nothing where it is."""
    energy, phase = recorded
    reasons: Sequence[str] = () if energy.window.valid else energy.window.reasons
    return reasons if phase.steps else (*energy.window.reasons, f"{phase.name}: a phase without a step")


def _energy_use(activity: str, unit: EnergyUnit, recorded: Sequence[RecordedPhase], idle: Idle | None) -> EnergyUse:
    valid = [each for each in recorded if each[0].window.valid and each[1].steps]
    reasons: list[str] = []
    if len(valid) < len(recorded):
        reasons += [reason for each in recorded for reason in _reasons(each)]
    measured = [energy.window for energy, _ in valid]
    steps_of = [phase.steps for _, phase in valid]
    units = steps_of if unit == "step" else [1] * len(valid)
    net_energies_j = [
        net_j / count
        for (energy, _), count in zip(valid, units, strict=True)
        if (net_j := energy.net_energy_j) is not None
    ]
    if why_no_net := _why_no_net(valid, net_energies_j, idle):
        net_energies_j = []
        reasons += [f"no net energy: {why}" for why in why_no_net]
    energies_j = _known([window.energy_j for window in measured])
    if energies_j and min(energies_j) < 0:
        raise ValueError(f"energy of {activity} of {min(energies_j):g} J")
    energy_j = sum(energies_j)
    samples, steps = sum([phase.samples for _, phase in valid]), sum(steps_of)
    return EnergyUse(
        activity=activity,
        unit=unit,
        windows=len(recorded),
        valid_windows=len(valid),
        energy_j=median(map(truediv, energies_j, units)) if valid else None,
        net_energy_j=median(net_energies_j) if net_energies_j else None,
        step_energy_j=energy_j / steps if steps else None,
        sample_energy_j=energy_j / samples if samples else None,
        mean_power_w=energy_j / sum([window.duration_s for window in measured]) if valid else None,
        peak_power_w=_largest([window.peak_power_w for window in measured]),
        reasons=tuple(dict.fromkeys(reasons)),
        scopes=_scopes(measured),
    )


def _why_no_net(valid: Sequence[RecordedPhase], net_energies_j: Sequence[float], idle: Idle | None) -> list[str]:
    """Why an activity has no net energy; nothing where every valid window has one.

    A median of the others alone would not be that of the gross energy, and may lie above it.
    """
    if above := _idle_above_work([energy.window for energy, _ in valid], net_energies_j, idle):
        return [above]
    without = [energy for energy, _ in valid if energy.net_energy_j is None]
    if not without or not (idle or net_energies_j):
        return []
    if idle and idle.power_w is None and idle.reasons:
        return list(idle.reasons)
    why = next((energy.net_reason for energy in without if energy.net_reason), "it was not recorded")
    return [f"{len(without)} of {len(valid)} windows have none ({why})"]


def _idle_above_work(windows: Sequence[WindowEnergy], net_energies_j: Sequence[float], idle: Idle | None) -> str | None:
    """In how many valid windows the power at rest is above that of the work; None where in none.

    Records of earlier versions hold net energies below 0.
    """
    if idle is None or idle.power_w is None:
        return "the recorded one is below 0" if min(net_energies_j, default=0.0) < 0 else None
    energies_j = _known([window.energy_j for window in windows])
    powers_w = [j / window.duration_s for j, window in zip(energies_j, windows, strict=True) if window.duration_s]
    below_w = [power_w for power_w in powers_w if idle.power_w > power_w * (1 + ROUNDING)]
    if not below_w:
        return None
    return (
        f"the power at rest, {idle.power_w:.4g} W, is above that of the work in {len(below_w)} of {len(windows)} "
        f"windows (the least {min(below_w):.4g} W)"
    )


def _scopes(windows: Sequence[WindowEnergy]) -> tuple[str, ...]:
    return tuple(sorted({device.scope for window in windows for device in window.devices}))


def _largest(powers_w: Sequence[float | None]) -> float | None:
    """The largest power; None where any is not known, as the peak of several nodes together never is."""
    known = [power_w for power_w in powers_w if power_w is not None]
    return max(known, default=None) if len(known) == len(powers_w) else None


def _known(values: list[float | None]) -> list[float]:
    """Energies of valid windows; raises TypeError where there is none, which no valid window lacks."""
    if None in values:
        raise TypeError("a valid window without an energy")
    return cast(list[float], values)
