"""What is kept of a night in its folder, so that one that was cut off goes on and those that are over can be listed."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from collectors.regular_files import read_regular
from harness.files import write_atomically
from harness.frozen import Frozen

FILE_NAME = "night.json"
MOST_BYTES = 2**20
DATE = len("2026-11-27")
"""What the name of a folder begins with."""

Step = Literal["prepared", "submitted", "measured", "judged", "given up"]


class Night(Frozen):
    """What `night.json` holds."""

    name: str
    site: str
    suite: str
    baseline: str = Field(description="commit")
    candidate: str = Field(description="commit")
    options: tuple[str, ...] = Field(default=(), description="further words of `crosscast bench`, as they were given")
    repository: str
    begun_at: str = Field(description="UTC, ISO 8601")
    command: tuple[str, ...] = Field(description="words of `crosscast` that go on with it")
    directory: str = Field(description="in which they are given")
    step: Step = "prepared"
    jobs: tuple[str, ...] = Field(default=(), description="of its block, one after the other")
    judge: str | None = Field(default=None, description="the job that goes on with it when the last of these has ended")
    verdict: int | None = Field(default=None, description="exit status of the gate")

    def write(self, folder: Path) -> None:
        """Write night.json. Raises UserError where that cannot be written."""
        write_atomically(folder / FILE_NAME, self.model_dump_json(indent=1) + "\n")

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.step in ("judged", "given up")


def read_night(folder: Path) -> Night | None:
    """The night of a folder; None where there is none that can be read."""
    try:
        return Night.model_validate_json(read_regular(folder / FILE_NAME, MOST_BYTES))
    except (OSError, ValidationError):
        return None


def nights_in(root: Path) -> list[Path]:
    """The folders of all nights, oldest first: of one date by when they began, and not by their commits."""

    def age(folder: Path) -> tuple[str, str, str]:
        night = read_night(folder)
        return folder.name[:DATE], "" if night is None else night.begun_at, folder.name

    return sorted((path.parent for path in root.glob(f"*/{FILE_NAME}")), key=age)
