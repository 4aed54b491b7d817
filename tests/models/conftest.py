import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from cases import LINEAR, PARITY, WRONG_WEIGHTS
from shared import REPOSITORY

ACHIEVED = pytest.StashKey[dict]()
CHILDREN = (("pytorch", "eager"), ("mindspore", "eager"), ("mindspore", "compiled"))
LIMIT_S = 400


@pytest.fixture(scope="session")
def answers(tmp_path_factory):
    """What every framework answers to every case: arrays by (framework, execution), case and name.

    Each framework runs in a child process of its own (drive.py).
    """
    folder = tmp_path_factory.mktemp("cases")
    cases = {**PARITY, **LINEAR, **WRONG_WEIGHTS}
    for name, case in cases.items():
        np.savez(folder / f"{name}.npz", **case.arrays)
        (folder / f"{name}.json").write_text(json.dumps({**asdict(case), "arrays": None}))
    children = {key: start(folder, *key) for key in CHILDREN}
    try:
        return {key: collect(child, folder / "-".join(key), cases) for key, child in children.items()}
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def start(folder, framework, execution):
    out = folder / f"{framework}-{execution}"
    out.mkdir()
    with (out / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, Path(__file__).with_name("drive.py"), framework, execution, folder, out],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "GLOG_v": "3"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def collect(child, out, cases):
    code = child.wait(LIMIT_S)
    log = (out / "log").read_text(errors="replace")
    assert code == 0, f"{out.name}: exit code {code}\n{log[-4000:]}"
    found = {}
    for name in cases:
        with np.load(out / f"{name}.npz") as arrays:
            found[name] = dict(arrays)
    return found


@pytest.fixture
def within(request):
    """within(tolerance, deviation, what): deviation <= tolerance, noted for the summary."""
    table = request.config.stash.setdefault(ACHIEVED, {})

    def check(tolerance, deviation, what):
        key = what, tolerance
        table[key] = max(deviation, table.get(key, 0.0))
        assert deviation <= tolerance

    return check


def pytest_terminal_summary(terminalreporter, config):
    table = config.stash.get(ACHIEVED, {})
    if table:
        terminalreporter.section("largest relative deviations")
    for (what, tolerance), value in sorted(table.items()):
        terminalreporter.write_line(f"{what:<60} {value:8.1e}  (tolerance {tolerance:.0e})")
