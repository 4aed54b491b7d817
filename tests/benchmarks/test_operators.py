"""What composed operators cost beside native ones, forward and backward: `make benchmarks`.

The choices in harness/models/operators/choices.py rest on these ratios.
"""

import json
import subprocess
import sys

import pytest

from tests.shared import REPOSITORY


@pytest.mark.parametrize("framework", ["pytorch", "mindspore"])
def test_measurement_of_composed_against_native(benchmark, framework):
    """DFT over FFT; gathered segments over native ones; unsorted over sorted; composed and tiled over native ones.

    A measurement to choose by: which of two is faster depends on the machine, so that nothing is required.
    """

    def measure() -> dict[str, float]:
        command = [sys.executable, "-m", "tests.benchmarks.operator_cost", framework]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    seconds = benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info["seconds"] = seconds
    for name, taken in seconds.items():
        subject, _, kind = name.rpartition(", ")
        if kind == "dft":
            benchmark.extra_info[f"{subject}: dft over fft"] = taken / seconds[f"{subject}, fft"]
        elif kind in ("composed", "tiled"):
            benchmark.extra_info[f"{subject}: {kind} over native"] = taken / seconds[f"{subject}, native"]
        elif kind == "gathered sorted":
            benchmark.extra_info[f"{subject}: gathered over native"] = taken / seconds[f"{subject}, native sorted"]
        elif kind == "native unsorted":
            benchmark.extra_info[f"{subject}: unsorted over sorted"] = taken / seconds[f"{subject}, native sorted"]
