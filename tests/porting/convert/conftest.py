import numpy as np
import pytest
from converting import HERE, child
from safetensors.numpy import save_file


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
