"""What has become of submitted blocks, from the scheduler's word and the blocks' own files."""

from collections.abc import Sequence
from typing import NamedTuple

from harness.launch.schedulers import JobState
from harness.launch.submission.ledger import Entry
from harness.launch.submission.state import BlockState
from harness.launch.submission.submit import job_states


class BlockStatus(NamedTuple):
    """A block as a user reads it: `word` says what it does, `why` what is in its way."""

    entry: Entry
    word: str
    why: str
    node: str
    completed: int | None
    planned: int | None


def statuses(known: Sequence[Entry]) -> list[BlockStatus]:
    """The status of each block. Raises UserError where a scheduler cannot be asked."""
    states = job_states(known)
    return [_status(entry, states[entry.block.job]) for entry in known]


def _status(entry: Entry, job: JobState) -> BlockStatus:
    state = entry.state
    completed = None if state is None else len(state.records)
    planned = None if state is None else state.planned
    node = job.node or ("" if state is None else state.node)
    word, why = _words(entry, state, job)
    return BlockStatus(entry, word, why, node, completed, planned)


def _words(entry: Entry, state: BlockState | None, job: JobState) -> tuple[str, str]:
    if job.phase == "waiting":
        return "waits", job.why
    if state is not None and state.stage != "running":
        return state.stage, state.reason or ""
    if job.phase == "running":
        return ("begins" if state is None else "runs"), ""
    said = job.word.lower().replace("_", " ")
    if job.phase == "unknown" and state is not None and entry.submission.scheduler == "local":
        return "unknown", f"it runs, or ran, on host {entry.submission.host}"
    log = f"; its output is in {entry.folder.parent}"
    if state is None:
        return "never began", f"{said}{log}"
    return "ended early", f"{said}, without a last word{log}"
