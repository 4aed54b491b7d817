"""Faults of the path on site that a rehearsal found."""

import subprocess
import sys

import pytest

from harness.errors import UserError
from harness.frameworks.pytorch.compilation import prepare
from harness.scenario.execution import Compilation
from tests.shared import REPOSITORY

FIRST_CALL = """
import sys
import torch
from harness.frameworks.pytorch.recompute import prepare
from harness.models.layers.pytorch import recomputed
from harness.scenario.execution import Recompute
prepare(Recompute(unit="blocks"))
before = set(sys.modules)
recomputed(torch.sin, torch.ones(3, requires_grad=True)).sum().backward()
print(len([name for name in set(sys.modules) - before if name.startswith("torch._")]))
"""


def test_recomputing_imports_nothing_in_a_timed_step():
    """torch._dynamo took 11 of the 14 seconds of an epoch."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALL], capture_output=True, text=True, cwd=REPOSITORY, timeout=300, check=True
    )
    assert int(done.stdout) == 0


@pytest.mark.parametrize(
    ("device", "variables", "said"),
    [
        ("npu", {}, "for npu with the Python package triton, which is not installed: install triton-ascend"),
        (
            "npu",
            {"TORCHINDUCTOR_NPU_BACKEND": "mlir"},
            "torch_mlir, which is not installed: install torch-mlir,",
        ),
        ("cuda", {}, "for cuda with the Python package triton, which is not installed: install triton,"),
    ],
)
def test_a_graph_without_its_code_generator_is_one_line(device, variables, said, monkeypatch, tmp_path):
    monkeypatch.setattr("harness.frameworks.pytorch.compilation.find_spec", lambda package: None)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=said):
        prepare(Compilation(mode="graph"), device)
    prepare(Compilation(), device)
