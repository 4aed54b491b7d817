"""Slurm, through submitit: its batch files and arrays; what has become of a job is asked of squeue.

submitit asks sacct, which answers only where a cluster keeps accounts, and reads the state of a job from the file of
its result, which a job that was killed never writes. Here the word of Slurm counts, and the blocks' own files.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from collectors import children
from harness.errors import UserError
from harness.launch.schedulers.base import CANCELLED, UNKNOWN, JobState, NoAnswer, Phase, Task, command, preparation
from harness.launch.schedulers.inherited import for_questions, without_inherited
from harness.launch.schedulers.running import run_as_job
from harness.launch.user import user_name
from harness.scenario import catalogue
from harness.scenario.sites import OURS, SiteConfig

LIMIT_S = 60.0
"""What Slurm's programs may take."""

GATE_MIN = 60
"""Wall time of a job that judges what others have measured, where the site's own is not shorter: a partition with a
limit below it would have such a job wait for ever."""

PASSED_OVER = "import sys; del sys.argv[1:3]; "
"""Before a program that runs the module that its arguments name: submitit names it after -u and -m, which would put the
folder in which the job was submitted before all that is installed, and with it whatever is called `harness` there."""

ENDED = frozenset(
    {"BOOT_FAIL", CANCELLED, "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"}
    | {"OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"}
)
"""Every other word, such as POWER_UP_NODE and SPECIAL_EXIT, is of a job that may run yet, and must not be handed in
again: Slurm has more of them with every version."""

RUNNING = frozenset({"RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "STOPPED", "RESIZING"})


class Slurm:
    """Jobs of a Slurm cluster, named as Slurm does: 123, or 123_4 for one of an array."""

    def __init__(self, site: SiteConfig) -> None:
        self._site = site

    def refuse_unusable(self, folder: Path) -> None:
        """Raise UserError where Slurm's programs are not in the path, and where it would change that of the folder."""
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise UserError("no sbatch here: submit on a host of the cluster that has Slurm's programs in the path")
        if any(character in str(folder.absolute()) for character in "%\\"):
            raise UserError(f"{folder}: Slurm replaces % and \\ in a path: choose another folder")

    def submit(self, tasks: Sequence[Task], folder: Path, name: str, devices: int, nodes: int = 1) -> list[str]:
        """A job, or an array where there are several."""
        executor = self._executor(folder, name, devices=devices, nodes=nodes, minutes=self._site.time_limit_min)
        with _explained(), self._inheriting_nothing():
            if len(tasks) == 1:
                return [executor.submit(run_as_job, tasks[0].function, str(tasks[0].folder)).job_id]
            functions, folders = zip(*((task.function, str(task.folder)) for task in tasks), strict=True)
            return [job.job_id for job in executor.map_array(run_as_job, functions, folders)]

    def submit_after(self, jobs: Sequence[str], task: Task, folder: Path, name: str) -> str:
        """A job without accelerators that Slurm begins when the others have ended, and drops if that can never be."""
        after = "afterany:" + ":".join(dict.fromkeys(job.partition("_")[0] for job in jobs))
        minutes = min(GATE_MIN, self._site.time_limit_min or GATE_MIN)
        further: dict[str, Any] = {"dependency": after, "kill-on-invalid-dep": "yes"}
        further["signal"] = _signal(min(self._site.end_before_s, 60 * minutes // 2))
        executor = self._executor(folder, name, devices=0, minutes=minutes, **further)
        with _explained(), self._inheriting_nothing():
            found: str = executor.submit(run_as_job, task.function, str(task.folder)).job_id
            return found

    def states(self, jobs: Collection[str]) -> Mapping[str, JobState]:
        """What squeue says, which remembers ended jobs for the cluster's MinJobAge."""
        if not jobs:
            return {}
        numbers = ",".join(sorted({job.partition("_")[0] for job in jobs}))
        told = _run("squeue", "-h", "-r", "-t", "all", "-j", numbers, "-o", "%i|%T|%r|%N", forgiven="Invalid job id")
        found = {}
        for line in told.splitlines():
            if len(parts := [part.strip() for part in line.split("|", 3)]) == 4:
                found[parts[0]] = _state(*parts[1:])
        return {job: found.get(job, UNKNOWN) for job in jobs}

    def cancel(self, jobs: Collection[str]) -> None:
        """scancel, which tells a job first (SIGTERM) and kills what is left of it after the cluster's KillWait."""
        if active := [job for job, state in self.states(jobs).items() if state.is_active]:
            _run("scancel", *active, forgiven="Invalid job id")

    @contextlib.contextmanager
    def _inheriting_nothing(self) -> Iterator[None]:
        """Have sbatch follow the script alone, in what the site or this class asks for."""
        site = self._site
        fields = {"mem": "memory_gib", **{name: name for name in ("partition", "account", "qos", "constraint", "gres")}}
        options = {*OURS, *site.sbatch, "time", *(name for name, field in fields.items() if getattr(site, field))}
        with without_inherited(options, catalogue.chip(site.chip).visible_devices):
            yield

    def _executor(
        self, folder: Path, name: str, *, devices: int, minutes: int | None, nodes: int = 1, **further: Any
    ) -> Any:
        import submitit

        self.refuse_unusable(folder)
        site = self._site
        asked: dict[str, Any] = {
            "job_name": name,
            "partition": site.partition,
            "account": site.account,
            "qos": site.qos,
            "constraint": site.constraint,
            "time": minutes,
            "cpus_per_task": site.cpus,
            "mem": None if site.memory_gib is None else f"{site.memory_gib}G",
            "gres": gres_of(site, devices),
        }
        _, _, boot, _ = children.python_module("submitit.core._submit", python=site.python)
        executor = submitit.SlurmExecutor(folder=folder, python=command(site, "-u", "-c", PASSED_OVER + boot))
        executor.update_parameters(
            **{option: value for option, value in asked.items() if value is not None},
            nodes=nodes,
            ntasks_per_node=1,
            array_parallelism=site.array_limit,
            stderr_to_stdout=True,
            use_srun=False,
            setup=preparation(site),
            additional_parameters={
                "signal": _signal(site.end_before_s),
                "requeue": True,
                "wckey": "",
                **further,
                **_flags(site),
            },
        )
        return executor


def _signal(before_s: int) -> str:
    """The option that has the batch shell's process asked to end so long before its wall time is over."""
    return f"B:TERM@{before_s}"


def gres_of(site: SiteConfig, devices: int) -> str | None:
    """What a job asks Slurm for to have devices of the site's chip; None where it takes none or whole nodes.

    Raises UserError where the site names resources, but none of this chip.
    """
    if not devices or not site.gres:
        return None
    chip = Path(site.chip).stem
    if chip not in site.gres:
        raise UserError(
            f"gres of the site {site.title!r} has no entry for chip {chip!r}: add its resource there, or choose from: "
            f"{', '.join(sorted(site.gres))}"
        )
    return f"{site.gres[chip]}:{devices}"


def _flags(site: SiteConfig) -> dict[str, str | int | bool]:
    """The further options of the site; one that is false is left out."""
    return {name: value for name, value in site.sbatch.items() if value is not False}


def _state(word: str, why: str, node: str) -> JobState:
    phase: Phase = "running" if word in RUNNING else "ended" if word in ENDED else "waiting"
    return JobState(phase, word, "" if why == "None" else why, node)


@contextlib.contextmanager
def _explained() -> Any:
    """What sbatch says against a job, in one line."""
    import submitit
    from submitit.core.utils import FailedJobError

    try:
        yield
    except (FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
        raise UserError(f"Slurm refuses the job: {_reason(str(error))}") from None
    except OSError as error:
        raise UserError(f"the job cannot be written: {error.strerror}: {error.filename}") from None


def _reason(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    said = [line.partition("sbatch: error: ")[2] for line in lines if "sbatch: error: " in line]
    return "; ".join(said) or (lines[-1] if lines else "it gives no reason")


def _run(*words: str, forgiven: str) -> str:
    """What a program of Slurm prints; nothing where its complaint is one that is forgiven."""
    try:
        done = subprocess.run(
            words,
            env=for_questions(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except FileNotFoundError:
        raise UserError(f"no {words[0]} here: ask on a host of the cluster that has Slurm's programs") from None
    except OSError as error:
        raise UserError(f"{words[0]} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"{words[0]} does not answer within {LIMIT_S:g} s: is the controller of Slurm up?") from None
    if done.returncode and forgiven not in done.stderr:
        said = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
        raise NoAnswer(f"{words[0]}, asked by {user_name()}: {said[-1]}")
    return done.stdout
