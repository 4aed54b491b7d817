"""One launch as a child process on this machine, from its folder to its record."""

import contextlib
import io
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import psutil
from pydantic import ValidationError

from collectors.energy import EnergyAccount
from collectors.process import SamplerOutcome, SamplerProcess, to_parquet
from harness.errors import UserError
from harness.launch.plan import LaunchPlan
from harness.record import (
    Energy,
    Environment,
    Load,
    Measurements,
    PhaseEnergy,
    Record,
    Status,
    save,
)
from harness.scenario.schema import ChipConfig

Progress = Callable[[str, float], None]

TERMINATE_GRACE_S = 5.0
POLL_S = 1.0
FOREIGN_CORES_ALLOWED = 0.25


@dataclass(frozen=True)
class Ending:
    """How a worker ended."""

    status: Status
    reason: str | None


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
        ending = _run_worker(plan, folder, child_environment, progress)
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


def worker_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker: that of this process, quiet logs and devices numbered as the driver does."""
    defaults = {"GLOG_v": "3", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return {**defaults, **inherited, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


class ForeignLoadMeter:
    """Mean cores that anything but this process and its finished children kept busy since the meter was made."""

    def __init__(self) -> None:
        self._begun_s, self._begun_busy_s, self._begun_own_s = time.monotonic(), _busy_s(), _own_s()
        self.elapsed_s = 0.0

    def foreign_cores(self) -> float:
        """Read the meter; `elapsed_s` then holds the time it covers."""
        self.elapsed_s = time.monotonic() - self._begun_s
        foreign_s = (_busy_s() - self._begun_busy_s) - (_own_s() - self._begun_own_s)
        return max(0.0, foreign_s / self.elapsed_s)


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _own_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _run_worker(plan: LaunchPlan, folder: Path, environment: dict[str, str], progress: Progress) -> Ending:
    read_end, write_end = os.pipe()
    plan = plan.model_copy(update={"progress_fd": write_end, "parent_pid": os.getpid()})
    plan.write(folder)
    kills_before = _oom_kills()
    with (folder / "log.txt").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "harness.worker", str(folder.absolute())],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(write_end,),
            start_new_session=True,
        )
    os.close(write_end)
    try:
        with os.fdopen(read_end, "rb", buffering=0) as pipe:
            told, timed_out = _follow(pipe, worker, plan.scenario.time_limit_s, progress)
    finally:
        _end(worker)
    if timed_out:
        return Ending("timed_out", f"not done after the time limit of {plan.scenario.time_limit_s:g} s")
    if told is not None:
        return told
    return _judge(worker.returncode, _oom_kills() > kills_before)


def _follow(
    pipe: io.FileIO, worker: "subprocess.Popen[bytes]", limit_s: float, progress: Progress
) -> tuple[Ending | None, bool]:
    """Pass on the worker's progress until it closes the pipe; what it said of its ending, and whether time ran out."""
    deadline_s = time.monotonic() + limit_s
    told: Ending | None = None
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while time.monotonic() < deadline_s:
            if not selector.select(min(POLL_S, max(0.0, deadline_s - time.monotonic()))):
                if worker.poll() is not None:
                    return told, False
                continue
            chunk = pipe.read(65536)
            if not chunk:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.wait(max(0.0, deadline_s - time.monotonic()))
                    return told, False
                return told, True
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "status" in message:
                    told = Ending(message["status"], message["reason"])
                else:
                    progress(message["text"], message["fraction"])
    return told, True


def _end(worker: "subprocess.Popen[bytes]") -> None:
    """Make sure that the worker and all that it started are gone."""
    if worker.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(TERMINATE_GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def _judge(returncode: int, oom_killed: bool) -> Ending:
    if returncode == 0:
        return Ending("completed", None)
    if returncode < 0:
        name = signal.Signals(-returncode).name
        if -returncode == signal.SIGKILL and oom_killed:
            return Ending("out_of_memory", "killed by the kernel: out of memory")
        return Ending("crashed", f"killed by {name}; see log.txt")
    return Ending("crashed", f"ended with status {returncode}; see log.txt")


def _oom_kills() -> int:
    """Processes that the kernel has killed for lack of memory since it started."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _read_measurements(folder: Path) -> tuple[Measurements, str | None]:
    path = folder / "measurements.json"
    if not path.exists():
        return Measurements(), None
    try:
        return Measurements.model_validate_json(path.read_bytes()), None
    except (OSError, ValidationError) as error:
        return Measurements(), f"the worker's measurements cannot be read: {str(error).splitlines()[0]}"


def _energy(folder: Path, outcome: SamplerOutcome, measurements: Measurements) -> Energy:
    """Energy of every phase; with no sensor, the reason and no samples file."""
    if outcome.collector is None or outcome.collector == "null":
        for name in ("power.jsonl", "power.log"):
            (folder / name).unlink(missing_ok=True)
        return Energy(collector=None, reason=outcome.reason)
    log = to_parquet(folder / "power.jsonl", folder / "power.parquet")
    account = EnergyAccount(log)
    return Energy(
        collector=outcome.collector,
        reason=outcome.reason,
        phases=tuple(
            PhaseEnergy(phase=phase.name, window=account.window(phase.t0_ns, phase.t1_ns).to_dict())
            for phase in measurements.phases
        ),
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
