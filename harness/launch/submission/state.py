"""How far the job of a block is: written by the job alone, after each launch, and read by everybody else."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from collectors.regular_files import read_regular
from harness.files import write_atomically
from harness.frozen import Frozen

FILE_NAME = "state.json"
MOST_BYTES = 2**24

Stage = Literal["running", "done", "incomplete", "stopped", "failed"]
"""done: every launch is made; incomplete: some did not complete; stopped: by the scheduler or a signal; failed: nothing
could be made, and `reason` says why."""


class BlockState(Frozen):
    """The state of a block, and where its job ran."""

    stage: Stage
    job: str
    restarts: int = Field(default=0, description="how often the scheduler has started the job again")
    node: str
    started_at: str = Field(description="UTC, ISO 8601")
    ended_at: str | None = None
    planned: int | None = Field(default=None, description="launches of the block; None before its cells are known")
    records: tuple[str, ...] = Field(default=(), description="of the completed launches, from the folder of results")
    reason: str | None = None
    read_files: dict[str, str] = Field(
        default_factory=dict, description="state of the files that it read where they lie, before it read them"
    )

    def write(self, folder: Path) -> None:
        """Write it into the block's folder. Raises UserError where that cannot be written."""
        write_atomically(folder / FILE_NAME, self.model_dump_json(indent=1) + "\n")

    @staticmethod
    def read(folder: Path) -> "BlockState | None":
        """The state of a block; None where its job has not begun or has left nothing that can be read."""
        try:
            return BlockState.model_validate_json(read_regular(folder / FILE_NAME, MOST_BYTES))
        except (OSError, ValidationError):
            return None
