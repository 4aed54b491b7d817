"""What passes between the deep doctor and its children, as files in one folder."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.files import write_atomically
from harness.frozen import Frozen
from harness.results.deep_report import Check
from harness.scenario.chips import ChipConfig
from harness.scenario.execution import Execution
from harness.scenario.scenario import Scenario

PLAN, SAID, ERRORS = "plan.json", "said.jsonl", "errors.txt"
SEED, BATCH_SIZE, STEPS = 2026, 2, 2


class ChildPlan(Frozen):
    """What a child looks at: the networks of `scenarios` as `execution` runs them, and operators and products first.

    `load_s` is how long it keeps the device busy for the power sensor; `truths` is the folder of the networks' truths,
    and `chip_file` what the chip's file says. The child stops at the next part once the monotonic clock is past
    `deadline_s`. Where what is `optional` fails, a warning says so.
    """

    group: str
    chip: str
    framework: str
    device: str
    chip_file: ChipConfig
    execution: Execution
    scenarios: tuple[Scenario, ...]
    truths: str
    operators: bool
    products: bool
    load_s: float
    deadline_s: float
    optional: bool = False

    def write(self, folder: Path) -> None:
        """Write the plan."""
        write_atomically(folder / PLAN, self.model_dump_json())

    @staticmethod
    def read(folder: Path) -> "ChildPlan":
        """Read the plan."""
        return ChildPlan.model_validate_json((folder / PLAN).read_bytes())


class Voice:
    """What a child says as it goes: a line of JSON for each part that begins, each check, and its end."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SAID

    def begin(self, part: str) -> None:
        """A part begins, named so that its death can be told."""
        self._say({"begun": part})

    def check(self, check: Check) -> None:
        """A check was made."""
        self._say({"check": check.model_dump(mode="json")})

    def loaded(self, t0_ns: int, t1_ns: int) -> None:
        """The device was kept busy between two moments of the monotonic clock."""
        self._say({"loaded": [t0_ns, t1_ns]})

    def done(self) -> None:
        """Nothing follows but the end of the process."""
        self._say({"done": time.monotonic_ns()})

    def _say(self, line: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def said(folder: Path) -> Iterator[dict[str, Any]]:
    """What a child has said so far."""
    with suppress(OSError):
        for line in (folder / SAID).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict):
                    yield found
