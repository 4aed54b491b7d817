"""Energy of a launch: what the worker must do for it, and the account of what the sampler left."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from collectors.accounting.device_energy import QualityLimits
from collectors.accounting.device_use import DeviceUse, device_uses
from collectors.accounting.energy import EnergyAccount
from collectors.base import Sensor
from collectors.calibration.calibrated import Correction, corrected
from collectors.occupancy.occupants import Occupancy
from collectors.samples import Header, SampleLog
from collectors.sampling.jitter import jitter
from collectors.sampling.process import SamplerOutcome, to_parquet
from harness.calibration import store
from harness.launch.host_energy import HostLog, of_phases, scopes
from harness.launch.plan import PowerPlan
from harness.results.file_names import POWER, POWER_LOG
from harness.results.measurements import MeasuredParts
from harness.results.phases import Phase
from harness.results.record import (
    AppliedCalibration,
    DeviceProcesses,
    Energy,
    OtherProcess,
    Sampling,
)

TRAINING = "training"
"""The phase that holds all training."""

EPOCH = "train "
"""How the names of epochs begin, which end in the number of the epoch in its stage."""


def power_plan(sensors: Sequence[Sensor], idle_s: float) -> PowerPlan:
    """Rests of at least `idle_s`, none if that is 0, and windows that suit the sensors; nothing without a sensor."""
    if not sensors:
        return PowerPlan()
    shortest_s = max(QualityLimits().min_window_of(sensor) for sensor in sensors)
    return PowerPlan(idle_s=max(idle_s, shortest_s) if idle_s else 0.0, min_window_s=shortest_s)


def corrections_of(header: Header | None, chip: str, results: Path) -> Mapping[str, Correction]:
    """What the calibrations of this machine say of the sensors that a sampler found, whatever its device is called."""
    if header is None or header.collector is None:
        return {}
    return _corrections(_calibrations(SampleLog(header), header.collector, chip, None, results))


def account(
    folder: Path,
    outcome: SamplerOutcome,
    measurements: MeasuredParts,
    chip: str,
    results: Path,
    chip_cap_w: float | None = None,
    occupancy: Occupancy | None = None,
    device_count: int = 1,
    hosts: Sequence[HostLog] = (),
) -> Energy:
    """Energy of every phase, gross and net, and the samples as power.parquet; with no sensor, the reason alone.

    `chip_cap_w` is the power cap of the chip file, `occupancy` what was seen of others on the `device_count` devices,
    whose energies are added up, `hosts` what was read of the host beside them.
    """
    of_hosts = [(each.collector, each.log) for each in hosts if each.log is not None]
    without = tuple(f"{each.collector}: {each.problem}" for each in hosts if each.problem)
    if outcome.collector is None or outcome.collector == "null":
        for name in (POWER_LOG, "power.log"):
            (folder / name).unlink(missing_ok=True)
        beside = scopes(of_hosts, measurements.phases)
        return Energy(collector=None, reason=outcome.reason, hosts=beside, without=without)
    log = to_parquet(folder / POWER_LOG, folder / POWER)
    device_name = measurements.framework.device_name if measurements.framework else None
    calibrations = _calibrations(log, outcome.collector, chip, device_name, results)
    accounted = EnergyAccount(
        corrected(log, _corrections(calibrations)),
        device_count=device_count,
        chip_cap_w=chip_cap_w,
        strangers=occupancy.strangers if occupancy else (),
    )
    windows = {phase.name: accounted.window(phase.t0_ns, phase.t1_ns) for phase in measurements.phases}
    idle, energies = of_phases(windows)
    return Energy(
        collector=outcome.collector,
        reason=outcome.reason,
        idle=idle,
        calibrations=calibrations,
        sampling=_sampling(log),
        phases=energies,
        hosts=scopes([(outcome.collector, log), *of_hosts], measurements.phases),
        without=without,
        device_uses=_device_uses(log, device_count, measurements.phases),
    )


def _device_uses(log: SampleLog, device_count: int, phases: Sequence[Phase]) -> tuple[DeviceUse, ...]:
    """What the tool told of the devices; use in epochs, of each training stage without the first where it has more."""
    if not phases:
        return ()
    stages: dict[str, list[tuple[int, int]]] = {}
    for phase in phases:
        if phase.name.startswith(EPOCH):
            stages.setdefault(phase.name.rpartition(" ")[0], []).append((phase.t0_ns, phase.t1_ns))
    epochs = [span for spans in stages.values() for span in (spans[1:] or spans)]
    whole = min(phase.t0_ns for phase in phases), max(phase.t1_ns for phase in phases)
    return device_uses(log, device_count, whole, epochs)


def energy_of_device(energy: Energy, phase: str, device: int) -> float | None:
    """Joules of a logical device of the job in a phase; None where no sensor is its alone or the phase is not valid."""
    window = next((each.window for each in energy.phases if each.phase == phase), None)
    if window is None or not window.valid:
        return None
    own = [each for each in window.devices if each.devices == (device,)]
    return own[0].energy_j if len(own) == 1 else None


def device_processes(occupancy: Occupancy | None) -> DeviceProcesses | None:
    """Who else was on the devices, for the record."""
    if occupancy is None:
        return None
    before, during, after = occupancy.looks
    return DeviceProcesses(
        tool=occupancy.tool,
        looks_before=before,
        looks_during=during,
        looks_after=after,
        others=tuple(
            OtherProcess(
                device=each.device,
                pid=each.pid,
                processes=each.processes,
                memory_bytes=each.memory_bytes,
                seen=each.seen,
            )
            for each in occupancy.strangers
        ),
        reason=occupancy.reason,
    )


def _calibrations(
    log: SampleLog, collector: str, chip: str, device_name: str | None, results: Path
) -> tuple[AppliedCalibration, ...]:
    """The calibrations of this machine that fit the sensors of a log."""
    kept = store.load(results, chip, collector)
    if kept is None:
        return ()
    found = ((sensor.id, kept.of(sensor, device_name)) for sensor in log.sensors)
    return tuple(
        AppliedCalibration(
            sensor=name,
            file=kept.file_name,
            made_at=kept.made_at,
            delay_s=calibration.delay_s,
            window_s=calibration.window_s,
            update_period_s=calibration.update_period_s,
        )
        for name, calibration in found
        if calibration is not None and calibration.delay_s is not None
    )


def _corrections(calibrations: Sequence[AppliedCalibration]) -> dict[str, Correction]:
    return {each.sensor: Correction(each.delay_s, each.window_s, each.update_period_s) for each in calibrations}


def _sampling(log: SampleLog) -> Sampling | None:
    if log.header is None or log.header.period_s is None:
        return None
    end = log.end or {}
    worst = max(jitter(log), key=lambda each: each.deviation_s, default=None)
    return Sampling(
        period_s=log.header.period_s,
        interval_s=worst.mean_s if worst else None,
        interval_deviation_s=worst.deviation_s if worst else None,
        max_interval_s=worst.max_s if worst else None,
        ticks=end.get("n_ticks"),
        late_ticks=end.get("n_late_ticks"),
        max_late_s=end.get("max_late_s"),
        cpu_s=end.get("cpu_s"),
    )
