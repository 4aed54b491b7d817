"""One launch on its node, from its turn on the device to its record.

Whatever is locked, captured or sampled happens in the process that calls this, so that a record describes the node on
which the work was done. A plan is data: it may have been made elsewhere.
"""

import contextlib
import os
import shutil
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from collectors.occupancy.occupant_watch import OccupantWatch
from collectors.occupancy.occupants import Occupancy
from collectors.sampling.process import SamplerOutcome, SamplerProcess
from harness import stopping
from harness.errors import UserError, one_line
from harness.launch import leftovers
from harness.launch.ending import Ending
from harness.launch.energy import TRAINING, account, device_processes, energy_of_device, power_plan
from harness.launch.foreign_load import ForeignLoadMeter, foreign_cores_allowed
from harness.launch.host_energy import HostSamplers
from harness.launch.made import is_made
from harness.launch.plan import FILE_NAME as PLAN_NAME
from harness.launch.plan import LaunchPlan
from harness.launch.turns import turn
from harness.launch.worker_process import Progress, run_worker
from harness.machine import accelerators, environment, rehearsal
from harness.processes import worker_environment
from harness.results import steps
from harness.results.ranks import as_one, measurements_name, remove_measurements, times_of
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
    states = accelerators.states(chip.visible_devices, "before", plan.device_count)
    child_environment = worker_environment(os.environ)
    sampler = SamplerProcess.start(folder / "power.jsonl", chip.power_collectors, child_environment)
    occupants = OccupantWatch.start(folder / "occupants.jsonl", chip.power_collectors, child_environment)
    beside = HostSamplers(folder)
    interrupted: KeyboardInterrupt | None = None
    try:
        with stopping.allowed():
            sampler.wait_ready()
            beside.start(chip, sampler, child_environment)
            occupants.wait_ready()
            power = power_plan(sampler, plan.scenario.idle_s)
            plan = plan.model_copy(update={"power": power})
            ending = run_worker(plan, folder, child_environment, progress)
    except KeyboardInterrupt as error:
        interrupted = error
        ending = Ending("interrupted", stopping.cause_of(stopping.number_of(error)))
    finally:
        outcome, occupancy = sampler.stop(), occupants.stop(plan.device_count)
        beside.stop()
    foreign_cores = meter.foreign_cores()
    measured, measurements, problem = _read_measurements(folder, plan.ranks)
    if ending.status == "completed" and (problem or measurements.memory is None):
        ending = Ending("crashed", problem or "the worker ended with status 0 before it was done; see log.txt")
    energy = _account(plan, folder, outcome, measurements, results, occupancy, beside)
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
            device_states=(*states, *accelerators.states(chip.visible_devices, "after", plan.device_count)),
        ),
        ranks=_ranks(plan, captured, measured, energy),
        measurements=measurements,
        steps=steps.save(measured, folder),
        energy=energy,
    )
    save(record, folder)
    with contextlib.suppress(OSError):
        (folder / PLAN_NAME).unlink(missing_ok=True)
        remove_measurements(folder)
    if interrupted is not None:
        raise interrupted
    return record


def _read_measurements(folder: Path, ranks: int) -> tuple[Sequence[WorkerMeasurements], Measurements, str | None]:
    """What each rank left, their summary for the record, and why there is nothing where it cannot be used.

    Of ranks that failed early the others may have measured something; the record keeps what all have.
    """
    measured = [WorkerMeasurements()] * ranks
    try:
        for rank in range(ranks):
            path = folder / measurements_name(rank)
            if path.exists():
                measured[rank] = WorkerMeasurements.model_validate_json(path.read_bytes())
        return measured, as_one(measured).summary(), None
    except (OSError, ArithmeticError, ValueError) as error:
        problem = f"the worker's measurements cannot be read: {str(error).splitlines()[0]}"
        return [WorkerMeasurements()] * ranks, Measurements(), problem


def _ranks(
    plan: LaunchPlan, environment: Environment, measured: Sequence[WorkerMeasurements], energy: Energy
) -> tuple[Rank, ...]:
    """The ranks of a launch on one node, of which rank n has the n-th of the devices that the job sees."""
    found = []
    for number, each in enumerate(measured):
        name = _device_name(each)
        variant = variant_of(plan.chip, name)
        device = None if plan.runs_on_host else number
        rank = Rank(
            rank=number,
            host=environment.host,
            device=device,
            device_name=name,
            variant=variant.name if variant else None,
        )
        if plan.ranks > 1:
            of_several = {
                "times": times_of(each),
                "memory": each.memory,
                "energy_j": None if device is None else energy_of_device(energy, TRAINING, device),
            }
            rank = rank.model_copy(update=of_several)
        found.append(rank)
    return tuple(found)


def _cap_w(plan: LaunchPlan, measurements: MeasuredParts) -> float | None:
    """The power cap of the variant that the launch ran on, in watts; None where the chip's file does not know it."""
    return as_variant(plan.chip, _device_name(measurements)).power_cap_w.value


def _device_name(measurements: MeasuredParts) -> str | None:
    return measurements.framework.device_name if measurements.framework else None


def _account(
    plan: LaunchPlan,
    folder: Path,
    outcome: SamplerOutcome,
    measurements: MeasuredParts,
    results: Path,
    occupancy: Occupancy | None,
    beside: HostSamplers,
) -> Energy:
    """The energy of the launch; whatever is wrong with the power log costs no other measurement."""
    chip, cap_w = plan.scenario.chip, _cap_w(plan, measurements)
    try:
        hosts = beside.logs()
        return account(folder, outcome, measurements, chip, results, cap_w, occupancy, plan.device_count, hosts)
    except Exception as error:
        return Energy(collector=outcome.collector, reason=f"the power log cannot be used: {one_line(error)}")
