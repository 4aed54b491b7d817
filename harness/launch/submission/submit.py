"""A suite handed to a site's scheduler: only what is missing, and nothing twice."""

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from harness import stopping
from harness.errors import UserError
from harness.launch.folder_lock import folder_lock
from harness.launch.schedulers import JobState, Scheduler, Task, scheduler_named, scheduler_of
from harness.launch.submission import ledger
from harness.launch.submission.blocks import NewBlock, blocks_of
from harness.launch.submission.ledger import Entry, LeftOut, Submission, SubmittedBlock
from harness.launch.submission.state import BlockState
from harness.launch.user import user_name
from harness.scenario.scenario import Selection
from harness.scenario.sites import SiteConfig

FUNCTION = "harness.launch.submission.job:run_block"
LOCK = ".lock"
Say = Callable[[str], None]


def submit(selection: Selection, site: SiteConfig, site_name: str, results: Path, say: Say) -> Submission:
    """Hand in the blocks of a selection that neither wait, run nor are done already; its chip stands for the site's.

    Several people may submit to one folder at once. Raises UserError for what does not fit, where the scheduler refuses
    the jobs and where the folder cannot be written; nothing is left of the submission then.
    """
    site = site.model_copy(update={"chip": selection.chip})
    wanted = blocks_of(selection, site, results)
    scheduler = scheduler_of(site)
    place = results.absolute() / ledger.SUBMISSIONS
    try:
        place.mkdir(parents=True, exist_ok=True)
        with folder_lock(place / LOCK, say):
            return _hand_in(wanted, selection, site, site_name, results, scheduler)
    except OSError as error:
        raise UserError(f"{place}: cannot be written: {error.strerror}; choose another RESULTS=") from None


def _hand_in(
    wanted: Sequence[NewBlock],
    selection: Selection,
    site: SiteConfig,
    site_name: str,
    results: Path,
    scheduler: Scheduler,
) -> Submission:
    known = ledger.entries(results)
    of_interest = [entry for new in wanted for entry in ledger.of_key(known, new.block.key)]
    states = job_states(of_interest)
    left_out, missing = [], []
    for new in wanted:
        reason = why_not(new, ledger.of_key(known, new.block.key), states, results)
        if reason is None:
            missing.append(new)
        else:
            left_out.append(LeftOut(name=new.block.name, reason=reason))
    name = ledger.new_name()
    folder = results.absolute() / ledger.SUBMISSIONS / name
    submission = Submission(
        submission=name,
        site=site_name,
        scheduler=site.scheduler,
        suite=Path(selection.suite).stem,
        chip=Path(selection.chip).stem,
        user=user_name(),
        host=ledger.host_name(),
        submitted_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        results=str(results.absolute()),
        blocks=(),
        left_out=tuple(left_out),
    )
    if not missing:
        return submission
    jobs: list[str] = []
    try:
        folders = [f"{number:02d}" for number in range(len(missing))]
        for new, below in zip(missing, folders, strict=True):
            new.write(folder / below)
        tasks = [Task(FUNCTION, folder / below) for below in folders]
        devices, nodes = (max(getattr(new.block, name) for new in missing) for name in ("devices", "nodes"))
        with stopping.held():
            jobs = scheduler.submit(tasks, folder, f"crosscast {submission.suite}", devices, nodes)
        blocks = tuple(
            SubmittedBlock(name=new.block.name, key=new.block.key, job=job, folder=below)
            for new, job, below in zip(missing, jobs, folders, strict=True)
        )
        done = submission.model_copy(update={"blocks": blocks})
        ledger.write(done, folder)
    except BaseException:
        scheduler.cancel(jobs)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return done


def why_not(new: NewBlock, earlier: Sequence[Entry], states: Mapping[str, JobState], results: Path) -> str | None:
    """Why a block is not handed in, of which these are the earlier ones, newest first; None where it is."""
    for entry in earlier:
        job, state = states[entry.block.job], entry.state
        by = f"job {entry.block.job} of {entry.submission.user}"
        changed = [] if state is None else _changed(new.read_files, state.read_files)
        done = state is not None and state.stage == "done"
        if job.is_active and not done:
            if changed and job.phase == "running":
                return f"{by} runs with {changed[0]} as it was before its last change; submit again when it has ended"
            return f"{by} {'runs' if job.phase == 'running' else 'waits'} for the same launches"
        if job.phase == "unknown" and entry.submission.scheduler == "local" and _seems_alive(entry, state):
            return f"{by} makes the same launches on host {entry.submission.host}"
        if state is not None and done and not changed and all((results / name).exists() for name in state.records):
            return f"all its launches are done, by {by}"
    return None


def _changed(now: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    """The files that are not what they were, of those that both have seen."""
    return [name for name, state in now.items() if before.get(name, state) != state]


def _seems_alive(entry: Entry, state: BlockState | None) -> bool:
    return entry.submission.host != ledger.host_name() and (state is None or state.stage == "running")


def job_states(known: Collection[Entry]) -> dict[str, JobState]:
    """What the schedulers say of the jobs of these blocks."""
    found: dict[str, JobState] = {}
    for name in {entry.submission.scheduler for entry in known}:
        jobs = [entry.block.job for entry in known if entry.submission.scheduler == name]
        found |= scheduler_named(name).states(jobs)
    return found


def cancel(known: Sequence[Entry]) -> list[Entry]:
    """Cancel the jobs of these blocks that wait or run; those that were."""
    states = job_states(known)
    active = [entry for entry in known if states[entry.block.job].is_active]
    for name in {entry.submission.scheduler for entry in active}:
        scheduler_named(name).cancel([entry.block.job for entry in active if entry.submission.scheduler == name])
    return active
