"""`crosscast parity` as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.models.ports import load_port

HERE = Path(__file__).parent
SMALL = ("--preset", "small", "--execution", "eager", "--steps", "2", "--no-operators")


def run(tmp_path, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "harness", "parity", *arguments, "--results", tmp_path / "results"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[2]), str(HERE)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_a_right_port_gets_a_certificate(tmp_path):
    done = run(tmp_path, HERE / "fourcastnet.yaml", *SMALL)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "results" / "parity").glob("*.json")
    written = json.loads(path.read_text())
    assert [level["verdict"] for level in written["levels"]] == ["not run", "passed", "passed", "passed"]
    assert written["diagnosis"] is None
    assert "layers" in path.with_suffix(".md").read_text()
    assert "layers" in done.stdout


@pytest.mark.slow
def test_a_wrong_port_is_one_line_and_status_2_and_its_certificate_says_so(tmp_path):
    done = run(tmp_path, HERE / "fourcastnet.yaml", *SMALL, "--port", "faulty_ports:tanh_gelu")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("crosscast: fourcastnet in mindspore eager departs: blocks.0.mlp")
    assert "Traceback" not in done.stderr
    (path,) = (tmp_path / "results" / "parity").glob("*.json")
    assert json.loads(path.read_text())["diagnosis"]["layer"] == "blocks.0.mlp"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fourcastnt",), "did you mean 'fourcastnet'?"),
        (("fourcastnet", "--preset", "huge"), "no preset 'huge'"),
        (("fourcastnet", "--chip", "dcu-z100l"), "mindspore on dcu-z100l: "),
        (("fourcastnet", "--framework", "jax"), "framework 'jax' is not in suite"),
        (
            ("fourcastnet", "--autocast", "bf16", "--execution", "eager"),
            "mindspore eager, bf16 on cpu: precision.autocast",
        ),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, said):
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_module_that_is_no_port_lacks_what_one_has():
    with pytest.raises(UserError, match=r"^port 'json': has no build and no loss; see harness/models/__init__\.py$"):
        load_port("json")


@pytest.mark.slow
def test_a_port_that_is_not_there_is_one_line(tmp_path):
    done = run(tmp_path, HERE / "fourcastnet.yaml", *SMALL, "--port", "nowhere.at_all")
    assert done.returncode == 2
    assert "No module named 'nowhere'" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_an_execution_that_cannot_run_costs_no_other_certificate(tmp_path):
    """MindSpore's own list runs op by op alone."""
    small = ("--preset", "small", "--steps", "2", "--no-operators", "--autocast", "native-fp16")
    done = run(tmp_path, HERE / "fourcastnet.yaml", *small)
    assert done.returncode == 2
    assert "fourcastnet in mindspore graph, native fp16 on cpu: " in done.stderr.splitlines()[-1]
    (path,) = (tmp_path / "results" / "parity").glob("*.json")
    assert json.loads(path.read_text())["execution"]["precision"]["autocast"] == "native-fp16"
