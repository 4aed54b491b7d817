"""One launch on its node, from its turn on the device to its record.

Whatever is locked, captured or sampled happens in the process that calls this, so that a record describes the node on
which the work was done. A plan is data: it may have been made elsewhere.
"""

import contextlib
import os
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from collectors.occupancy.occupant_watch import OccupantWatch
from collectors.occupancy.occupants import Occupancy
from collectors.sampling.process import SamplerOutcome, SamplerProcess
from harness import stopping
from harness.errors import UserError, one_line
from harness.launch import leftovers
from harness.launch.energy import DEVICES_PER_LAUNCH, account, device_processes, power_plan
from harness.launch.foreign_load import ForeignLoadMeter, foreign_cores_allowed
from harness.launch.made import is_made
from harness.launch.plan import LaunchPlan
from harness.launch.turns import turn
from harness.launch.worker_process import Ending, Progress, run_worker
from harness.machine import accelerators, environment, rehearsal
from harness.processes import worker_environment
from harness.results import steps
from harness.results.record import (
    FILE_NAME,
    Energy,
    Environment,
    Load,
    MeasuredParts,
    Measurements,
    Rank,
    Record,
    WorkerMeasurements,
    save,
)
from harness.scenario.variants import as_variant, variant_of


class Watcher(Protocol):
    """Who is told how a launch gets on."""

    def say(self, line: str) -> None:
        """Something that a user should read."""

    def begin(self, plan: LaunchPlan) -> None:
        """The launch has its turn and starts."""

    def update(self, text: str, fraction: float) -> None:
        """What it does, and the part that is done."""


def supervise(plan: LaunchPlan, results: Path, watcher: Watcher, *, fresh: bool) -> Record | None:
    """Make one launch when it is its turn on the device.

    None where another bench has made it in the meantime and `fresh` does not ask for another. Raises what `launch`
    raises.
    """
    with turn(plan.devices, plan.chip.title, watcher.say):
        captured = environment.of_worker(environment.capture(plan.chip.visible_devices), plan.python)
        if not fresh and is_made(plan, results, captured):
            return None
        watcher.begin(plan)
        return launch(plan, results, captured, watcher.update)


def launch(plan: LaunchPlan, results: Path, captured: Environment, progress: Progress) -> Record:
    """Run one launch and leave its record, log and power samples in its folder.

    Whatever the worker does costs this launch alone. Raises UserError where the folder cannot be written (nothing of
    the launch is left then) and KeyboardInterrupt, after the record is written, where the user interrupts.
    """
    folder = plan.folder(results)
    try:
        with stopping.held():
            folder.mkdir(parents=True)
            record = _launch(plan, results, folder, captured, progress)
        stopping.check()
        return record
    except (OSError, UserError) as error:
        if not (folder / FILE_NAME).exists():
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, UserError):
            raise
        raise UserError(f"{folder}: cannot be written: {error.strerror}; free space or choose other RESULTS=") from None


def _launch(plan: LaunchPlan, results: Path, folder: Path, captured: Environment, progress: Progress) -> Record:
    chip = plan.chip
    plan = plan.model_copy(update={"owner": leftovers.this_process()})
    plan.write(folder)
    started = datetime.now(timezone.utc)
    load_before, meter = os.getloadavg()[0], ForeignLoadMeter()
    states = accelerators.states(chip.visible_devices, "before", DEVICES_PER_LAUNCH)
    child_environment = worker_environment(os.environ)
    sampler = SamplerProcess.start(folder / "power.jsonl", chip.power_collectors, child_environment)
    occupants = OccupantWatch.start(folder / "occupants.jsonl", chip.power_collectors, child_environment)
    interrupted: KeyboardInterrupt | None = None
    try:
        with stopping.allowed():
            sampler.wait_ready()
            occupants.wait_ready()
            power = power_plan(sampler, plan.scenario.idle_s)
            plan = plan.model_copy(update={"power": power})
            ending = run_worker(plan, folder, child_environment, progress)
    except KeyboardInterrupt as error:
        interrupted = error
        ending = Ending("interrupted", stopping.cause_of(stopping.number_of(error)))
    finally:
        outcome, occupancy = sampler.stop(), occupants.stop(DEVICES_PER_LAUNCH)
    foreign_cores = meter.foreign_cores()
    measured, measurements, problem = _read_measurements(folder)
    if ending.status == "completed" and (problem or measurements.memory is None):
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
        purpose="profile" if plan.profile else rehearsal.purpose(),
        reason=ending.reason,
        environment=captured,
        load=Load(
            load_average_1min=load_before,
            cpu_count=captured.cpu_count,
            foreign_cores=foreign_cores,
            foreign=foreign_cores > foreign_cores_allowed(meter.cores),
            cores=meter.cores,
            devices=device_processes(occupancy),
            device_states=(*states, *accelerators.states(chip.visible_devices, "after", DEVICES_PER_LAUNCH)),
        ),
        ranks=_ranks(plan, captured, measurements),
        measurements=measurements,
        steps=steps.save(measured, folder),
        energy=_account(
            folder, outcome, measurements, plan.scenario.chip, results, _cap_w(plan, measurements), occupancy
        ),
    )
    save(record, folder)
    for name in ("launch.json", "measurements.json"):
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    if interrupted is not None:
        raise interrupted
    return record


def _read_measurements(folder: Path) -> tuple[WorkerMeasurements, Measurements, str | None]:
    """What the worker left, its summary for the record, and why there is nothing where it cannot be used."""
    path = folder / "measurements.json"
    if not path.exists():
        return WorkerMeasurements(), Measurements(), None
    try:
        measured = WorkerMeasurements.model_validate_json(path.read_bytes())
        return measured, measured.summary(), None
    except (OSError, ArithmeticError, ValueError) as error:
        problem = f"the worker's measurements cannot be read: {str(error).splitlines()[0]}"
        return WorkerMeasurements(), Measurements(), problem


def _ranks(plan: LaunchPlan, environment: Environment, measurements: Measurements) -> tuple[Rank, ...]:
    """The only rank of a launch on one device."""
    name = _device_name(measurements)
    variant = variant_of(plan.chip, name)
    device = None if plan.scenario.device.lower() == "cpu" else 0
    return (
        Rank(
            rank=0,
            host=environment.host,
            device=device,
            device_name=name,
            variant=variant.name if variant else None,
        ),
    )


def _cap_w(plan: LaunchPlan, measurements: Measurements) -> float | None:
    """The power cap of the variant that the launch ran on, in watts; None where the chip's file does not know it."""
    return as_variant(plan.chip, _device_name(measurements)).power_cap_w.value


def _device_name(measurements: Measurements) -> str | None:
    return measurements.framework.device_name if measurements.framework else None


def _account(
    folder: Path,
    outcome: SamplerOutcome,
    measurements: MeasuredParts,
    chip: str,
    results: Path,
    cap_w: float | None,
    occupancy: Occupancy | None,
) -> Energy:
    """The energy of the launch; whatever is wrong with the power log costs no other measurement."""
    try:
        return account(folder, outcome, measurements, chip, results, cap_w, occupancy)
    except Exception as error:
        return Energy(collector=outcome.collector, reason=f"the power log cannot be used: {one_line(error)}")
