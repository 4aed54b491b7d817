"""How the block of a night stands: what a job of it said at its end, and what is not made when no job is left."""

from pathlib import Path

from harness.launch.submission.state import BlockState

NO_WORD = "ended without a last word"


def is_over(folder: Path) -> bool:
    """Whether every round of the block in this folder has been made, if with launches that failed."""
    state = BlockState.read(folder)
    return state is not None and state.stage in ("done", "incomplete")


def last_words(folder: Path, job: str) -> str | None:
    """How a job ended, of the block in this folder; None where the block is done."""
    state = BlockState.read(folder)
    if state is None or state.job != job:
        return f"job {job} has left no word; its output is in {folder}"
    if state.stage == "done":
        return None
    return f"job {job} {_ending(state)}; its output is in {folder}"


def unfinished(folder: Path) -> str | None:
    """What of the block is not made, in words; None where it is done or only lacks launches, which have records."""
    state = BlockState.read(folder)
    if state is None:
        return f"nothing was made; the output of its jobs is in {folder}"
    if is_over(folder):
        return None
    return f"{len(state.records)} of {state.planned} rounds of the two commits are made: its last job {_ending(state)}"


def _ending(state: BlockState) -> str:
    words = NO_WORD if state.stage == "running" else {"incomplete": "lacks launches"}.get(state.stage, state.stage)
    return f"{words}: {state.reason}" if state.reason else words
