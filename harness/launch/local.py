"""One launch as a child process on this machine, from its folder to its record."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from pydantic import ValidationError

from collectors.device_energy import QualityLimits
from collectors.energy import EnergyAccount
from collectors.idle import idle_power
from collectors.process import SamplerOutcome, SamplerProcess, to_parquet
from collectors.samples import SampleLog
from harness.errors import UserError
from harness.launch.foreign_load import ForeignLoadMeter
from harness.launch.plan import LaunchPlan, PowerPlan
from harness.launch.worker_process import Ending, Progress, run_worker, worker_environment
from harness.record import Energy, Environment, Idle, Load, Measurements, PhaseEnergy, Record, Sampling, save
from harness.scenario.schema import ChipConfig

DEVICES_PER_LAUNCH = 1
FOREIGN_CORES_ALLOWED = 0.25


def launch(plan: LaunchPlan, results: Path, chip: ChipConfig, environment: Environment, progress: Progress) -> Record:
    """Run one launch and leave its record, log and power samples in its folder.

    Whatever the worker does costs this launch alone. Raises UserError where the folder cannot be written (nothing of
    the launch is left then) and KeyboardInterrupt, after the record is written, where the user interrupts.
    """
    folder = plan.folder(results)
    try:
        folder.mkdir(parents=True)
        return _launch(plan, folder, chip, environment, progress)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UserError(f"{folder}: cannot be written: {error.strerror}; free space or choose other RESULTS=") from None
    except UserError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _launch(plan: LaunchPlan, folder: Path, chip: ChipConfig, environment: Environment, progress: Progress) -> Record:
    started = datetime.now(timezone.utc)
    load_before, meter = os.getloadavg()[0], ForeignLoadMeter()
    child_environment = worker_environment(os.environ)
    sampler = SamplerProcess.start(folder / "power.jsonl", chip.power_collectors, child_environment)
    interrupted: KeyboardInterrupt | None = None
    try:
        sampler.wait_ready()
        plan = plan.model_copy(update={"power": _power_plan(sampler, plan), "device_name": chip.device_name})
        ending = run_worker(plan, folder, child_environment, progress)
    except KeyboardInterrupt as error:
        interrupted = error
        ending = Ending("interrupted", "interrupted by the user")
    with _interrupts_held():
        outcome = sampler.stop()
        foreign_cores = meter.foreign_cores()
        measurements, problem = _read_measurements(folder)
        if ending.status == "completed" and (problem or measurements.skill is None):
            ending = Ending("crashed", problem or "the worker ended with status 0 before it was done; see log.txt")
        record = Record(
            scenario=plan.scenario,
            cell=plan.scenario.cell,
            launch=plan.launch,
            attempt=plan.attempt,
            bench=plan.bench,
            order=plan.order,
            started_at=started.isoformat(timespec="seconds"),
            duration_s=meter.elapsed_s,
            status=ending.status,
            reason=ending.reason,
            environment=environment,
            load=Load(
                load_average_1min=load_before,
                cpu_count=environment.cpu_count,
                foreign_cores=foreign_cores,
                foreign=foreign_cores > FOREIGN_CORES_ALLOWED,
            ),
            measurements=measurements,
            energy=_energy(folder, outcome, measurements),
        )
        save(record, folder)
        for name in ("launch.json", "measurements.json"):
            (folder / name).unlink(missing_ok=True)
    if interrupted is not None:
        raise interrupted
    return record


def _read_measurements(folder: Path) -> tuple[Measurements, str | None]:
    path = folder / "measurements.json"
    if not path.exists():
        return Measurements(), None
    try:
        return Measurements.model_validate_json(path.read_bytes()), None
    except (OSError, ValidationError) as error:
        return Measurements(), f"the worker's measurements cannot be read: {str(error).splitlines()[0]}"


def _power_plan(sampler: SamplerProcess, plan: LaunchPlan) -> PowerPlan:
    header = sampler.header
    if header is None or not header.sensors:
        return PowerPlan()
    shortest_s = max(QualityLimits().min_window_of(sensor) for sensor in header.sensors)
    idle_s = max(plan.scenario.idle_s, shortest_s) if plan.scenario.idle_s else 0.0
    return PowerPlan(idle_s=idle_s, min_window_s=shortest_s)


def _energy(folder: Path, outcome: SamplerOutcome, measurements: Measurements) -> Energy:
    """Energy of every phase; with no sensor, the reason and no samples file."""
    if outcome.collector is None or outcome.collector == "null":
        for name in ("power.jsonl", "power.log"):
            (folder / name).unlink(missing_ok=True)
        return Energy(collector=None, reason=outcome.reason)
    log = to_parquet(folder / "power.jsonl", folder / "power.parquet")
    account = EnergyAccount(log, device_count=DEVICES_PER_LAUNCH)
    windows = {phase.name: account.window(phase.t0_ns, phase.t1_ns) for phase in measurements.phases}
    idle = idle_power(windows.get("idle before"), windows.get("idle after"))
    return Energy(
        collector=outcome.collector,
        reason=outcome.reason,
        idle=Idle.model_validate(idle.to_dict()),
        sampling=_sampling(log),
        phases=tuple(
            PhaseEnergy(phase=name, window=window.to_dict(), net_energy_j=idle.net_energy_j(window))
            for name, window in windows.items()
        ),
    )


def _sampling(log: SampleLog) -> Sampling | None:
    if log.header is None or log.header.period_s is None:
        return None
    end = log.end or {}
    return Sampling(
        period_s=log.header.period_s,
        ticks=end.get("n_ticks"),
        late_ticks=end.get("n_late_ticks"),
        max_late_s=end.get("max_late_s"),
        cpu_s=end.get("cpu_s"),
    )


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold back Ctrl-C while the record is written."""
    held: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if held:
        raise KeyboardInterrupt
