import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

HERE = Path(__file__).parent
SMALL = str(HERE.parent / "parity" / "fourcastnet.yaml")
OF_MODEL = ("--model", SMALL, "--preset", "small", "--data", "rossby")


def child(*command):
    """Run Python with the repository and the small models on its path."""
    path = os.pathsep.join(map(str, (HERE.parents[2], HERE, HERE.parent / "parity")))
    environment = {**os.environ, "PYTHONPATH": path, "GLOG_v": "3"}
    return subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A checkpoint of each framework, trained for three steps, by framework: the folder it is in."""
    folders = {}
    for framework in ("pytorch", "mindspore"):
        folders[framework] = tmp_path_factory.mktemp(framework)
        done = child(HERE / "checkpoints.py", framework, "make", folders[framework])
        assert done.returncode == 0, done.stderr
    return folders


@pytest.fixture
def convert():
    """convert(...): the finished command."""
    return lambda *arguments: child("-m", "harness", "convert", *arguments)


@pytest.fixture
def neutral(tmp_path):
    """A small framework-free file, written by the library itself."""
    path = tmp_path / "small.safetensors"
    random = np.random.default_rng(0)
    arrays = {
        "norm.weight": random.standard_normal(4).astype(np.float32),
        "norm.bias": random.standard_normal(4).astype(np.float16),
        "count": np.arange(3, dtype=np.int64),
        "dense.weight": random.standard_normal((4, 3)),
    }
    save_file(arrays, path)
    return path
