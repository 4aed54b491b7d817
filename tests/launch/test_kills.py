"""Benches killed again and again, at random times and before chosen operations: nothing is lost, nothing made twice.

`pytest tests/launch/test_kills.py --kills 64` is the long run.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from harness.results.record import load
from tests.launch.conftest import command
from tests.launch.processes import running_with, wait_until
from tests.launch.stand_in import COMPLETE, stand_in

LAUNCHES = 3
SECONDS = 4.0
SLOW = COMPLETE.replace("0.02", "0.06")
KILL_BEFORE = """
import os
import sys

if "bench" in sys.orig_argv and "KILL_BEFORE" in os.environ:
    import signal

    left = [int(os.environ["KILL_BEFORE"])]

    def before(event, arguments):
        files = ("open", "os.mkdir", "os.rename", "os.remove", "os.utime", "os.chmod", "tempfile.mkstemp")
        told = event == "subprocess.Popen" or (event in files and "results/micro" in str(arguments[0]))
        if told and not (event == "open" and "tables" in str(arguments[0])):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(before)
"""


@pytest.fixture
def bench(tmp_path, write_suite):
    """bench(**environment): a bench of three launches with its standard output in a file."""
    environment = stand_in(tmp_path / "stand_in", SLOW) | {"FAMILY_OF": str(tmp_path)}
    hook = tmp_path / "stand_in" / "sitecustomize.py"
    hook.write_text(hook.read_text() + KILL_BEFORE)
    arguments = command("bench", "--suite", write_suite(), "--repeats", LAUNCHES)

    def start(**more: str) -> subprocess.Popen:
        with (tmp_path / "said").open("a") as said:
            return subprocess.Popen(
                arguments, cwd=tmp_path, env=environment | more, stdout=said, stderr=said, start_new_session=True
            )

    return start


def completed(results: Path) -> Counter:
    """How often each launch has been completed; every record can be read."""
    paths = sorted(results.glob("*/*/*/record.json"))
    made = [load(path) for path in paths]
    return Counter(record.launch for record in made if record.status == "completed")


def check_the_end(bench, tmp_path: Path, before: Counter) -> None:
    """The bench runs to its end: what was there is there, each launch once, and nothing is left beside."""
    wait_until(lambda: not running_with(f"FAMILY_OF={tmp_path}"))
    assert bench().wait(300) == 0, (tmp_path / "said").read_text()
    after = completed(tmp_path / "results")
    assert after == dict.fromkeys(range(LAUNCHES), 1)
    assert before <= after
    wait_until(lambda: not running_with(f"FAMILY_OF={tmp_path}"))
    assert json.loads((tmp_path / "results/micro/absent.json").read_text()) == []
    folders = [path for path in tmp_path.glob("results/micro/m*/*") if not (path / "record.json").exists()]
    left = [path for folder in folders for path in folder.iterdir() if not path.name.startswith(".launch.json.")]
    assert left == []


def test_kills_at_random_times(bench, tmp_path, request):
    random_numbers = random.Random(20260)
    kept = Counter()
    for _ in range(request.config.getoption("--kills")):
        process = bench()
        time.sleep(random_numbers.uniform(0, SECONDS))
        victims = [process.pid]
        with suppress(psutil.Error):
            victims += [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        random_numbers.shuffle(victims)
        for victim in victims[: random_numbers.randint(1, len(victims))]:
            with suppress(OSError):
                os.kill(victim, random_numbers.choice([signal.SIGKILL, signal.SIGSTOP]))
        process.kill()
        process.wait()
        found = completed(tmp_path / "results")
        assert kept <= found
        assert max(found.values(), default=0) <= 1
        kept = found
    check_the_end(bench, tmp_path, kept)


def test_kills_before_chosen_operations(bench, tmp_path, request):
    kept, kills = Counter(), request.config.getoption("--kills")
    points = range(1, 200) if kills > 5 else range(2, 60, 7)
    for point in points:
        process = bench(KILL_BEFORE=str(point))
        if process.wait(300) != -signal.SIGKILL:
            break
        found = completed(tmp_path / "results")
        assert kept <= found
        assert max(found.values(), default=0) <= 1
        kept = found
    check_the_end(bench, tmp_path, kept)
