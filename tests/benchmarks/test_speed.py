"""Speed as ratios within one run: `make benchmarks`. The figures are in the extra info of each benchmark."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

REPOSITORY = Path(__file__).parents[2]
NETWORKS = {
    "tiny": {"patch_size": 4, "embed_dim": 64, "depth": 2},
    "embed 128, depth 4": {"patch_size": 4, "embed_dim": 128, "depth": 4},
}
PYTORCH, MINDSPORE = ("pytorch", "eager"), ("mindspore", "graph")


SLOWEST = {"train_step_s": 1 / 3, "infer_step_s": 1 / 8}
"""MindSpore's speed over PyTorch's below which something is wrong, such as pools of threads that fight."""


def drive(measurement: str, framework: tuple[str, str], network: dict, spectral: str = "auto") -> dict[str, float]:
    """Run the child process and read what it measured."""
    command = [sys.executable, "-m", "tests.benchmarks.drive", measurement, *framework, json.dumps(network), spectral]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("network", NETWORKS)
def test_mindspore_against_pytorch(benchmark, network):
    """Steady steps, launches in the order A B B A A B."""

    def compare() -> list[tuple[dict[str, float], dict[str, float]]]:
        pairs = []
        for turn in range(3):
            order = (PYTORCH, MINDSPORE) if turn % 2 == 0 else (MINDSPORE, PYTORCH)
            found = {framework: drive("step", framework, NETWORKS[network]) for framework in order}
            pairs.append((found[PYTORCH], found[MINDSPORE]))
        return pairs

    pairs = benchmark.pedantic(compare, rounds=1)
    for name in ("train_step_s", "infer_step_s"):
        benchmark.extra_info[name] = {
            "pytorch_s": median(pytorch[name] for pytorch, _ in pairs),
            "mindspore_s": median(mindspore[name] for _, mindspore in pairs),
            "mindspore_speed_over_pytorch": median(pytorch[name] / mindspore[name] for pytorch, mindspore in pairs),
        }
        assert benchmark.extra_info[name]["mindspore_speed_over_pytorch"] > SLOWEST[name]


@pytest.mark.parametrize("framework", [PYTORCH, MINDSPORE], ids=["pytorch", "mindspore"])
def test_overhead_of_the_runner(benchmark, framework):
    """A step inside the runner over the same step in a bare loop."""
    found = benchmark.pedantic(lambda: drive("overhead", framework, NETWORKS["tiny"]), rounds=1)
    benchmark.extra_info.update(found)
    assert found["step_ratio"] < 1.2
    assert found["loop_ratio"] < 1.5


@pytest.mark.parametrize("network", NETWORKS)
def test_transform_by_matrix_against_fft_in_pytorch(benchmark, network):
    """The baseline gets the faster transform too."""

    def compare() -> list[tuple[dict[str, float], dict[str, float]]]:
        settings = NETWORKS[network]
        return [
            (
                drive("step", PYTORCH, settings, "dft"),
                drive("step", PYTORCH, settings, "fft"),
            )
            for _ in range(3)
        ]

    pairs = benchmark.pedantic(compare, rounds=1)
    for name in ("train_step_s", "infer_step_s"):
        ratio = benchmark.extra_info[f"{name}_dft_over_fft"] = median(dft[name] / fft[name] for dft, fft in pairs)
        assert ratio < 2


def test_list_against_the_start_of_python_and_its_libraries(benchmark):
    """`crosscast list` over an interpreter that only imports what it needs."""
    command = [sys.executable, "-c", "import click, pydantic, yaml, rich.table"]
    run = {"check": True, "capture_output": True, "cwd": REPOSITORY}

    def seconds(command: list[str]) -> float:
        from time import perf_counter

        begun_s = perf_counter()
        subprocess.run(command, **run)
        return perf_counter() - begun_s

    ratios = [seconds([sys.executable, "-m", "harness", "list"]) / seconds(command) for _ in range(5)]
    benchmark.extra_info["list_over_imports"] = median(ratios)
    assert median(ratios) < 3
    benchmark.pedantic(lambda: subprocess.run([sys.executable, "-m", "harness", "list"], **run), rounds=5)
