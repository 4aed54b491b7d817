"""Training steps of ours over those of published packages, in one process by turns: see peers.txt.

Skipped where CROSSCAST_PEERS does not name the folder into which they were installed.
"""

import json
import os
import subprocess
import sys
from statistics import median

import pytest

from tests.shared import REPOSITORY

PEERS = os.environ.get("CROSSCAST_PEERS")

SLOWEST = {"graphcast": {"small": 1.0, "large": 0.75}, "fourcastnet": {"small": 1.0, "large": 1.0}}
"""Ratios above which something has become slow."""


@pytest.mark.skipif(PEERS is None, reason="CROSSCAST_PEERS names no folder: see tests/benchmarks/peers.txt")
@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("model", SLOWEST)
def test_training_steps_over_those_of_physicsnemo(benchmark, model, size):
    def measure() -> dict[str, list[float]]:
        command = [sys.executable, "-m", "tests.benchmarks.peer_cost", model, size]
        environment = {**os.environ, "PYTHONPATH": str(PEERS)}
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=900, env=environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    found = benchmark.pedantic(measure, rounds=1)
    ratio = median(ours / theirs for ours, theirs in zip(found["ours"], found["theirs"], strict=True))
    benchmark.extra_info |= {"ours_s": median(found["ours"]), "theirs_s": median(found["theirs"]), "ratio": ratio}
    assert ratio < SLOWEST[model][size]
