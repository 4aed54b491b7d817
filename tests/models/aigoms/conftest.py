import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from aigoms_cases import AIGOMS, MIXERS
from shared import REPOSITORY

CHILDREN = (("pytorch", "eager"), ("mindspore", "eager"), ("mindspore", "compiled"))
LIMIT_S = 400


@pytest.fixture(scope="session")
def solved(tmp_path_factory):
    """What every framework makes of every case and mixer: arrays by (framework, execution), case and name.

    Each framework runs in a child process of its own (aigoms_drive.py).
    """
    folder = tmp_path_factory.mktemp("aigoms")
    for name, case in AIGOMS.items():
        np.savez(folder / f"{name}.npz", **case.arrays)
        (folder / f"{name}.json").write_text(json.dumps({"network": case.network, "trained": case.trained}))
    for name, arrays in MIXERS.items():
        np.savez(folder / f"{name}.mixer.npz", **arrays)
    children = {key: start(folder, *key) for key in CHILDREN}
    try:
        return {key: collect(child, folder / "-".join(key)) for key, child in children.items()}
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def start(folder, framework, execution):
    out = folder / f"{framework}-{execution}"
    out.mkdir()
    with (out / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, Path(__file__).with_name("aigoms_drive.py"), framework, execution, folder, out],
            env={**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{Path(__file__).parents[1]}", "GLOG_v": "3"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def collect(child, out):
    code = child.wait(LIMIT_S)
    log = (out / "log").read_text(errors="replace")
    assert code == 0, f"{out.name}: exit code {code}\n{log[-4000:]}"
    found = {}
    for name in [*AIGOMS, *(f"{name}.mixer" for name in MIXERS)]:
        with np.load(out / f"{name}.npz") as arrays:
            found[name] = dict(arrays)
    return found
