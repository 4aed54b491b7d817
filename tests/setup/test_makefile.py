"""What `make` offers and hands on."""

import os
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def make(*arguments, folder=REPOSITORY, **variables):
    """Run as from a shell of its own: variables of a make around the tests change what make prints."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), **variables}
    command = ["make", "-f", str(REPOSITORY / "Makefile"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def recipe(*arguments, **how):
    return make("--dry-run", *arguments, **how).stdout.splitlines()


def test_help_is_the_default_and_lists_every_target():
    phony = re.search(r"^\.PHONY: (.*)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)[1]
    targets = {name for name in phony.split() if "$" not in name}
    listed = set(re.findall(r"^  make (\w+) +\w", make().stdout, re.MULTILINE))
    assert listed == targets
    assert {"venv", "bench", "tables", "list", "test", "lint", "schemas", "benchmarks", "clean"} < targets


def test_bench_hands_on_only_what_is_set():
    assert recipe("bench") == ["'python3' harness/setup_venv.py --any-python .venv", ".venv/bin/crosscast bench"]
    assert recipe("bench", "PYTHON=python3.12")[0] == "'python3.12' harness/setup_venv.py .venv"
    assert recipe("bench", PYTHON="python3.12")[0] == "'python3.12' harness/setup_venv.py .venv"
    assert recipe(
        "bench",
        "SUITE=smoke",
        "MODEL=fourcastnet",
        "FRAMEWORK=pytorch",
        "PRESET=tiny",
        "DATA=/my data,old/x.nc",
        "MAPPING=storm",
        "WEIGHTS=back bone.ckpt",
        "REPEATS=3",
        "RESULTS=out",
        "FRESH=1",
    )[-1] == (
        ".venv/bin/crosscast bench --model 'fourcastnet' --framework 'pytorch' --preset 'tiny' "
        "--data '/my data,old/x.nc' --mapping 'storm' --weights 'back bone.ckpt' --repeats '3' --suite 'smoke' "
        "--results 'out' --fresh"
    )


ODD = "/my 'odd' data, $HOME/`x`/$(y)/\"z\"\\"


@pytest.mark.parametrize(
    ("target", "variable", "before"),
    [
        *(("bench", name, f"--{name.lower()}") for name in ("CHIP", "MODEL", "PRESET", "DATA", "MAPPING", "SUITE")),
        ("tables", "RESULTS", "--results"),
        ("claims", "LEDGER", "--ledger"),
        ("parity", "MODEL", "parity"),
        ("bench", "PYTHON", None),
    ],
)
@pytest.mark.parametrize("by_environment", [False, True])
def test_whatever_is_in_a_variable_is_one_word_of_the_shell(target, variable, before, by_environment):
    """Python's reading of a shell's words is the oracle; make itself reads $$ as a dollar on its command line."""
    given = {variable: ODD} if by_environment else {}
    arguments = [] if by_environment else [f"{variable}={ODD}"]
    lines = [shlex.split(line) for line in recipe(target, *arguments, **given)]
    if before is None:
        assert lines[0][0] == ODD
    else:
        assert lines[-1][lines[-1].index(before) + 1] == ODD


@pytest.mark.parametrize(
    ("chip", "folder"),
    [
        ("cpu", ".venv"),
        ("lab/cpu.yaml", ".venv"),
        ("a100", ".venv-accelerator"),
        ("lab/a100.yaml", ".venv-accelerator"),
    ],
)
def test_chip_chooses_the_environment(chip, folder):
    assert recipe("bench", f"CHIP={chip}")[-1] == f"{folder}/bin/crosscast bench --chip '{chip}'"


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ((), ".venv-accelerator"),
        ((".venv",), ".venv"),
        ((".venv-accelerator",), ".venv-accelerator"),
        ((".venv", ".venv-accelerator"), ".venv-accelerator"),
    ],
)
def test_what_needs_no_framework_takes_the_environment_that_is_there(tmp_path, there, taken):
    """A chip that is not here is projected onto from the records of a bench on the CPU, whose environment will do."""
    for name in there:
        (tmp_path / name).mkdir()
    assert recipe("project", "CHIP=a100", folder=tmp_path)[-1] == f"{taken}/bin/crosscast project --chip 'a100'"


def test_wheelhouse_hands_on_the_machine_and_the_image():
    assert recipe("wheelhouse", "PY=3.11", "ARCH=aarch64", "IMAGE=my freeze.txt")[-1] == (
        ".venv/bin/python -m harness.wheelhouse 'wheelhouse' --python '3.11' --arch 'aarch64' --image 'my freeze.txt'"
    )


def test_tests_always_run_in_the_pinned_environment():
    beside, alone = recipe("test", "CHIP=a100")[-2:]
    at_once = min(len(os.sched_getaffinity(0)) + 1, 4)
    assert beside.startswith(f".venv/bin/pytest -m 'not alone' -n {at_once} ")
    assert alone == ".venv/bin/pytest -m alone"


def test_unknown_chip_is_the_bench_s_own_error():
    bench = make("bench", "CHIP=nonsense", "PYTHON=true", f"VENV_ACCELERATOR={sys.prefix}")
    assert bench.returncode != 0
    assert re.match(r"crosscast: .*nonsense", bench.stderr)


def test_every_requirement_is_pinned():
    pinned = {name(line) for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if "==" in line}
    assert {name(line) for line in [*metadata.requires("crosscast"), "hatchling"]} <= pinned


def name(requirement):
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()
