import numpy as np
import pytest
from converting import child, command
from safetensors.numpy import save_file

from harness.porting.convert import running


@pytest.fixture(scope="session")
def made(server, tmp_path_factory):
    """A checkpoint of each framework, trained for three steps, by framework: the folder it is in."""
    folders = {framework: tmp_path_factory.mktemp(framework) for framework in ("pytorch", "mindspore")}
    for framework, folder in folders.items():
        assert server(framework).ask_child("checkpoints", framework, "make", folder) == {}
    return folders


@pytest.fixture
def convert(server, monkeypatch):
    """convert(...): the finished command, run here; one child converts what needs PyTorch for all of them."""

    monkeypatch.setattr(running, "ask_child", server("pytorch").ask_child)
    return lambda *arguments: command("convert", *arguments)


@pytest.fixture
def convert_apart():
    """convert_apart(...): the finished command in a process of its own, with a child of its own."""
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
