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

from harness import stopping
from harness.errors import UserError
from harness.launch import leftovers
from harness.launch.ending import Ending
from harness.launch.energy import TRAINING, energy_of_device
from harness.launch.made import is_made
from harness.launch.nodes.other_nodes import other_nodes
from harness.launch.nodes.together import energy_of_all, load_of_all, nodes_of
from harness.launch.plan import FILE_NAME as PLAN_NAME
from harness.launch.plan import LaunchPlan
from harness.launch.power_now import PowerNow, with_power
from harness.launch.slowdown import SlowdownWatch
from harness.launch.turns import turn
from harness.launch.watched_node import WatchedNode
from harness.launch.worker_process import Progress, run_worker
from harness.machine import environment, rehearsal
from harness.processes import worker_environment
from harness.results import steps
from harness.results.file_names import POWER_LOG
from harness.results.ranks import as_one, measurements_name, remove_measurements, times_of
from harness.results.record import (
    FILE_NAME,
    Environment,
    Measurements,
    Node,
    Rank,
    Record,
    WorkerMeasurements,
    save,
)
from harness.scenario.variants import variant_of

UNKNOWN = "unknown"
"""The host of a rank whose node never answered."""


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
        captured = environment.of_worker(environment.capture(plan.chip.visible_devices, plan.device_count), plan.python)
        if not fresh and is_made(plan, results, captured):
            return None
        watcher.begin(plan)
        slowdown = SlowdownWatch()

        def update(text: str, fraction: float) -> None:
            if line := slowdown.note(text, fraction):
                watcher.say(line)
            watcher.update(text, fraction)

        return launch(plan, results, captured, update)


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
    plan = plan.model_copy(update={"owner": leftovers.this_process()})
    plan.write(folder)
    started = datetime.now(timezone.utc)
    others = other_nodes(plan, folder, captured, results)
    child_environment = worker_environment(os.environ)
    watched = WatchedNode(plan, folder, child_environment)
    interrupted: KeyboardInterrupt | None = None
    try:
        with stopping.allowed():
            plan = plan.model_copy(update={"power": watched.wait_ready(results)})
            if others is None:
                progress = with_power(progress, PowerNow(folder / POWER_LOG, plan.device_count))
            ending = run_worker(plan, folder, child_environment, progress, others)
    except KeyboardInterrupt as error:
        interrupted = error
        cause = stopping.cause_of(stopping.number_of(error))
        doubts = None if others is None else others.doubts()
        ending = Ending("interrupted", f"{cause}; {doubts}" if doubts else cause)
    finally:
        watched.stop()
    measured, measurements, problem = _read_measurements(folder, plan.ranks)
    if ending.status == "completed" and (problem or measurements.memory is None):
        ending = Ending("crashed", problem or "the worker ended with status 0 before it was done; see log.txt")
    energy = watched.energy(measurements, results)
    load = watched.load(captured.cpu_count)
    nodes: Sequence[Node] = (Node(node=0, environment=captured, load=load, energy=energy),)
    if others is not None:
        nodes = nodes_of(nodes[0], others.reports())
        load = load_of_all(load, nodes)
        named = zip(others.names, nodes, strict=True)
        energy = energy_of_all({f"node {name}": node.energy for name, node in named}, plan.device_count)
    record = Record(
        scenario=plan.scenario,
        cell=plan.scenario.cell,
        launch=plan.launch,
        attempt=plan.attempt,
        bench=plan.bench,
        order=plan.order,
        started_at=started.isoformat(timespec="seconds"),
        duration_s=watched.elapsed_s,
        status=ending.status,
        purpose="profile" if plan.profile else rehearsal.purpose(),
        reason=ending.reason,
        environment=captured,
        load=load,
        ranks=_ranks(plan, nodes, measured),
        nodes=tuple(nodes) if others is not None else (),
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


def _ranks(plan: LaunchPlan, nodes: Sequence[Node], measured: Sequence[WorkerMeasurements]) -> tuple[Rank, ...]:
    """The ranks of a launch: of those of a node the n-th has the n-th of the devices that the job sees there."""
    found = []
    for number, each in enumerate(measured):
        node, local = nodes[number // plan.ranks_of_node], number % plan.ranks_of_node
        name = each.framework.device_name if each.framework else None
        variant = variant_of(plan.chip, name)
        device = None if plan.runs_on_host else local
        rank = Rank(
            rank=number,
            host=node.environment.host if node.environment else UNKNOWN,
            device=device,
            device_name=name,
            variant=variant.name if variant else None,
        )
        if plan.ranks > 1:
            of_several = {
                "times": times_of(each),
                "memory": each.memory,
                "energy_j": energy_of_device(node.energy, TRAINING, local)
                if node.energy and device is not None
                else None,
            }
            rank = rank.model_copy(update=of_several)
        found.append(rank)
    return tuple(found)
