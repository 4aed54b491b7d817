"""Real workers, started in an environment that overrules them or with a product in low precision."""

import json
import os

import pytest

from tests.launch.conftest import command, crosscast, records, write_suite  # noqa: F401

pytestmark = pytest.mark.slow

SPY = """
import json, os, sys
from pathlib import Path

if "harness.worker" in sys.orig_argv:
    launch = json.loads(Path(sys.orig_argv[-1], "launch.json").read_text())["launch"]
    Path(os.environ["TEST_FOLDER"], f"environment-{launch}.json").write_text(json.dumps(dict(os.environ)))
    if launch == 1:
        import torch

        multiply = torch.Tensor.__matmul__

        def rounded(values):
            fraction, exponent = torch.frexp(values)
            return torch.ldexp(torch.round(fraction * 2**11), exponent - 11)

        torch.Tensor.__matmul__ = lambda left, right: multiply(rounded(left), rounded(right))
"""
"""Run by every Python as it starts: a worker leaves its environment, and the second has a product like TF32's."""

OVERRULING = {"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1", "DNNL_DEFAULT_FPMATH_MODE": "BF16"}
SHORTFALL = "the matrix product kept 11 of the 24 bits that fp32 asks for"


def test_workers_are_not_overruled_and_measure_their_product(write_suite, crosscast, tmp_path, monkeypatch):  # noqa: F811
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(SPY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "spy"), prepend=os.pathsep)
    monkeypatch.setenv("TEST_FOLDER", str(tmp_path))
    for name, value in {**OVERRULING, "OMP_WAIT_POLICY": "passive"}.items():
        monkeypatch.setenv(name, value)
    done = crosscast("bench", "--suite", write_suite(), "--repeats", 2)
    assert done.returncode == 0, done.stderr

    made = records(tmp_path / "results")
    for record in made:
        inherited = json.loads((tmp_path / f"environment-{record['launch']}.json").read_text())
        assert inherited["OMP_WAIT_POLICY"] == "passive"
        assert not OVERRULING.keys() & inherited.keys()
        numerics = record["measurements"]["numerics"]
        assert numerics["dropped"] == OVERRULING
        assert (numerics["policy"], numerics["policy_bits"], numerics["unread"]) == ("ieee", 24, [])
        assert numerics["switches"]["float32_matmul_precision"] == "highest"
        assert record["environment"]["variables"]["OMP_WAIT_POLICY"] == "passive"
    assert [record["measurements"]["numerics"]["matmul_bits"] for record in made] == [24, 11]

    assert " ".join(done.stdout.split()).count(f"warning: {SHORTFALL}; see") == 1
    table = (tmp_path / "results" / "micro" / "tables" / "speed.md").read_text()
    assert f"{SHORTFALL}: this is not fp32 (launch 1)" in table
