"""CPU seconds of commands until they say something, over those of what they cannot do without: `make benchmarks`.

`crosscast --help` and `list` over an interpreter that imports click alone; a bench until its first launch begins over
one that imports what reads and checks its files.
"""

import os
import subprocess
import sys
from statistics import median

import pytest

from tests.shared import REPOSITORY

CLICK = "import click"
CHECKING = "import click, yaml, pydantic, numpy, psutil, rich.table, scipy.special"
COMMAND = "import sys; sys.argv = ['crosscast', *sys.argv[1:]]; from harness.commands.cli import main; main()"
TO_FIRST_LAUNCH = f"""
import os
from harness.launch import maker
maker.supervise = lambda *plan, **options: os._exit(0)
{COMMAND}
"""
TURNS = 5


@pytest.mark.parametrize(
    ("code", "arguments", "least", "most"),
    [(COMMAND, ["--help"], CLICK, 3), (COMMAND, ["list"], CLICK, 7), (TO_FIRST_LAUNCH, ["bench"], CHECKING, 3)],
    ids=["help", "list", "bench"],
)
def test_start_of_a_command(benchmark, tmp_path, code, arguments, least, most):
    """Both in turn, the median of their ratios."""
    more = ["--results", str(tmp_path)] if arguments == ["bench"] else []

    def compare() -> list[tuple[float, float]]:
        return [(cpu_s(code, *arguments, *more), cpu_s(least)) for _ in range(TURNS)]

    found = benchmark.pedantic(compare, rounds=1)
    ratio = median(ours / theirs for ours, theirs in found)
    benchmark.extra_info.update(cpu_s=median(ours for ours, _ in found), ratio=ratio)
    assert ratio < most


def cpu_s(code: str, *arguments: str) -> float:
    """What an interpreter takes that runs the code, its children included."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    after = os.times()
    assert done.returncode == 0, done.stderr
    return after.children_user + after.children_system - before.children_user - before.children_system
