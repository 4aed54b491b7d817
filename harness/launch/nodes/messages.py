"""What the nodes of a launch tell each other: terms from the first, a report and short words from each other."""

from pathlib import Path

from pydantic import ValidationError

from collectors.regular_files import read_regular
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.results.file_names import NODE_REPORT, NODE_TERMS
from harness.results.record import MOST_BYTES, Energy, Environment, Load, Status

BEAT_S = 1.0
MOST_OF_A_REASON = 500
"""Characters, so that srun passes a word on in one piece: it cuts lines of more than 1,024 bytes."""


class Terms(Frozen):
    """What an agent must know beside the plan: the software of the first node, where ranks meet, where results go."""

    environment: Environment
    address: str
    port: int
    results: str

    def write(self, folder: Path) -> None:
        """Write nodes.json into the folder of the launch."""
        write_atomically(folder / NODE_TERMS, self.model_dump_json())

    @staticmethod
    def read(folder: Path) -> "Terms":
        """Read nodes.json. Raises OSError and ValueError."""
        return Terms.model_validate_json((folder / NODE_TERMS).read_bytes())


class Report(Frozen):
    """What an agent has captured of its node, and measured there once its ranks have ended."""

    environment: Environment
    differences: tuple[str, ...] = ()
    load: Load | None = None
    energy: Energy | None = None

    def write(self, folder: Path) -> None:
        """Write report.json into the folder of the node."""
        write_atomically(folder / NODE_REPORT, self.model_dump_json())

    @staticmethod
    def read(folder: Path) -> "Report | None":
        """Read report.json; None where the agent has left none that can be read."""
        try:
            return Report.model_validate_json(read_regular(folder / NODE_REPORT, MOST_BYTES))
        except (OSError, ValidationError):
            return None


class Word(Frozen):
    """A line of an agent: that it is alive, and at the end how its node ended; `asked` where others ended it."""

    node: int
    status: Status | None = None
    reason: str | None = None
    asked: bool = False


def folder_of(launch: Path, node: int) -> Path:
    """The folder of a node within that of its launch."""
    return launch / f"node-{node}"
