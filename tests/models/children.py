"""The frameworks in child processes, each in its own: a folder of cases in, a folder of answers out.

Graphs take seconds each to compile, so that only some cases are given to a compiled MindSpore. The children run side by
side, each with one thread, since their pools would fight for the cores.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shared import REPOSITORY

CHILDREN = (("pytorch", "eager"), ("mindspore", "eager"), ("mindspore", "compiled"))
LIMIT_S = 1200


def runs(cases, frameworks=("pytorch", "mindspore")):
    """Parameters `name` and `key` of a test: every case with the (framework, execution) that answer it."""
    return pytest.mark.parametrize(
        ("name", "key"),
        [
            pytest.param(name, key, id="-".join((name, *key)))
            for name, case in cases.items()
            for key in CHILDREN
            if key[0] in frameworks and (key[1] == "eager" or case.compiled)
        ],
    )


def answers_of(script, cases, names, compiled=None):
    """Arrays by (framework, execution), case and name.

    `script FRAMEWORK EXECUTION CASES ANSWERS` writes ANSWERS/NAME.npz for every name, or, compiled, for those alone.
    """
    asked = {key: names if compiled is None or key[1] == "eager" else compiled for key in CHILDREN}
    children = {key: _start(script, cases, *key) for key in CHILDREN}
    try:
        return {key: _collect(child, cases / "-".join(key), asked[key]) for key, child in children.items()}
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def _start(script, cases, framework, execution):
    out = cases / f"{framework}-{execution}"
    out.mkdir()
    path = os.pathsep.join(map(str, (REPOSITORY, Path(__file__).parent)))
    with (out / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, script, framework, execution, cases, out],
            env={**os.environ, "PYTHONPATH": path, "GLOG_v": "3", "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _collect(child, out, names):
    code = child.wait(LIMIT_S)
    log = (out / "log").read_text(errors="replace")
    assert code == 0, f"{out.name}: exit code {code}\n{log[-4000:]}"
    found = {}
    for name in names:
        with np.load(out / f"{name}.npz") as arrays:
            found[name] = dict(arrays)
    return found
