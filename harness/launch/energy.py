"""Energy of a launch: what the worker must do for it, and the account of what the sampler left."""

from pathlib import Path

from collectors.accounting.device_energy import QualityLimits
from collectors.accounting.energy import EnergyAccount
from collectors.accounting.idle import idle_power
from collectors.calibration.calibrated import Correction, corrected
from collectors.occupancy.occupants import Occupancy
from collectors.samples import SampleLog
from collectors.sampling.jitter import jitter
from collectors.sampling.process import SamplerOutcome, SamplerProcess, to_parquet
from harness.calibration import store
from harness.launch.plan import PowerPlan
from harness.results.measurements import MeasuredParts
from harness.results.record import (
    AppliedCalibration,
    DeviceProcesses,
    Energy,
    Idle,
    OtherProcess,
    PhaseEnergy,
    Sampling,
)

DEVICES_PER_LAUNCH = 1
IDLE_PHASES = ("idle before", "idle after")


def power_plan(sampler: SamplerProcess, idle_s: float) -> PowerPlan:
    """Rests of at least `idle_s`, none if that is 0, and windows that suit the sensors; nothing without a sensor."""
    header = sampler.header
    if header is None or not header.sensors:
        return PowerPlan()
    shortest_s = max(QualityLimits().min_window_of(sensor) for sensor in header.sensors)
    return PowerPlan(idle_s=max(idle_s, shortest_s) if idle_s else 0.0, min_window_s=shortest_s)


def account(
    folder: Path,
    outcome: SamplerOutcome,
    measurements: MeasuredParts,
    chip: str,
    results: Path,
    chip_cap_w: float | None = None,
    occupancy: Occupancy | None = None,
) -> Energy:
    """Energy of every phase, gross and net, and the samples as power.parquet; with no sensor, the reason alone.

    `chip_cap_w` is the power cap of the chip file, `occupancy` what was seen of others on the devices.
    """
    if outcome.collector is None or outcome.collector == "null":
        for name in ("power.jsonl", "power.log"):
            (folder / name).unlink(missing_ok=True)
        return Energy(collector=None, reason=outcome.reason)
    log = to_parquet(folder / "power.jsonl", folder / "power.parquet")
    device_name = measurements.framework.device_name if measurements.framework else None
    calibrations = _calibrations(log, outcome.collector, chip, device_name, results)
    corrections = {each.sensor: Correction(each.delay_s, each.window_s, each.update_period_s) for each in calibrations}
    accounted = EnergyAccount(
        corrected(log, corrections),
        device_count=DEVICES_PER_LAUNCH,
        chip_cap_w=chip_cap_w,
        strangers=occupancy.strangers if occupancy else (),
    )
    windows = {phase.name: accounted.window(phase.t0_ns, phase.t1_ns) for phase in measurements.phases}
    idle = idle_power(*(windows.get(name) for name in IDLE_PHASES))
    return Energy(
        collector=outcome.collector,
        reason=outcome.reason,
        idle=Idle(before_w=idle.before_w, after_w=idle.after_w, power_w=idle.power_w, reasons=idle.reasons),
        calibrations=calibrations,
        sampling=_sampling(log),
        phases=tuple(
            PhaseEnergy(
                phase=name,
                window=window,
                net_energy_j=idle.net_energy_j(window),
                net_reason=idle.why_no_net(window),
            )
            for name, window in windows.items()
        ),
    )


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
