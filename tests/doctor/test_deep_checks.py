"""What the deep doctor finds of operators, products and networks, right ones and ones with planted faults.

One child for each framework, whose checks all tests read, and one for the clock, beside which nothing else may run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import REPOSITORY

pytestmark = pytest.mark.slow

DRIVE = Path(__file__).with_name("drive_deep.py")
OPERATORS = ("GELU", "soft shrinkage", "LayerNorm", "dense layer", "segment sum", "Fourier transform", "Adam", "AdamW")
WRONG = {
    "tanh GELU": "GELU",
    "hard shrinkage": "soft shrinkage",
    "epsilon": "LayerNorm",
    "lossy sum": "segment sum",
    "coupled decay": "AdamW",
    "raises": "soft shrinkage",
}


def asked(*names):
    """By name, the checks that a child tells; the children run side by side."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "GLOG_v": "4", "OMP_NUM_THREADS": "1"}
    children = {
        name: subprocess.Popen(
            [sys.executable, DRIVE, name],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    }
    answers = {}
    for name, child in children.items():
        stdout, stderr = child.communicate(timeout=600)
        assert child.returncode == 0, stderr[-4000:]
        answers[name] = json.loads(stdout.splitlines()[-1])
    return answers


@pytest.fixture(scope="module")
def found():
    return asked("pytorch", "mindspore")


@pytest.fixture(scope="module")
def timed():
    return asked("clock")["clock"]


def verdicts(checks):
    return {check["name"]: check["verdict"] for check in checks}


@pytest.mark.parametrize(
    ("framework", "plant"),
    [
        ("pytorch", "none"),
        ("pytorch", "composed"),
        ("pytorch", "AdamW's kernel alone"),
        ("pytorch", "no fused kernel"),
        ("mindspore", "none"),
        ("mindspore", "composed"),
        ("mindspore", "of Ascend"),
    ],
)
def test_right_operators_are_right_in_value_and_gradient(found, framework, plant):
    (check,) = found[framework][plant]
    assert (check["name"], check["verdict"]) == ("operators", "ok")
    for name in OPERATORS:
        assert name in check["found"]
    measured = {each["what"]: each["value"] for each in check["measured"]}
    assert max(measured.values()) < 1e-6
    assert sum("gradient" in what for what in measured) == 10


@pytest.mark.parametrize("plant", WRONG)
def test_a_wrong_operator_is_named_and_the_others_are_right(found, plant):
    said = verdicts(found["pytorch"][plant])
    assert said == {WRONG[plant]: "failed", "operators": "ok"}
    check = found["pytorch"][plant][0]
    assert "harness/models/operators/choices.py" in check["advice"]


def test_a_gelu_by_tanh_is_off_by_what_is_known_of_it(found):
    for framework in ("pytorch", "mindspore"):
        check = next(check for check in found[framework]["tanh GELU"] if check["verdict"] == "failed")
        assert check["name"] == "GELU"
        off = {each["what"]: each["value"] for each in check["measured"]}
        assert all(5e-5 < value < 1e-3 for value in off.values())
        assert len(off) == 2


def test_what_an_operator_says_when_it_does_not_run_is_told(found):
    check = found["pytorch"]["raises"][0]
    assert "does not run: RuntimeError: DEVICE_ERROR: no such kernel" in check["found"]


def test_adam_falls_back_where_its_kernel_raises_and_the_check_says_so(found):
    assert "Adam foreach, AdamW foreach" in found["pytorch"]["no fused kernel"][0]["found"]
    assert "Adam fused, AdamW fused" in found["pytorch"]["AdamW's kernel alone"][0]["found"]
    assert "Adam fused, AdamW fused" in found["pytorch"]["none"][0]["found"]


def test_a_product_of_low_precision_is_found(found):
    assert verdicts(found["pytorch"]["precision"]) == {"precision of products": "ok"}
    (check,) = found["pytorch"]["11 bits"]
    assert (check["verdict"], check["found"]) == ("failed", "11 of 24 bits kept")


@pytest.mark.alone
def test_a_clock_that_does_not_wait_is_found(timed):
    assert verdicts(timed["clock"])["synchronise"] != "failed"
    check = timed["never waits"][0]
    assert (check["name"], check["verdict"]) == ("synchronise", "failed")
    assert "the clock stops before the device has finished" in check["advice"]


@pytest.mark.alone
def test_a_rate_above_the_peak_is_found(timed):
    assert verdicts(timed["slower than the peak"])["rate"] == "ok"
    assert verdicts(timed["faster than the peak"])["rate"] == "failed"


def test_networks_are_compared_with_float64(found):
    for plant in ("none", "composed"):
        assert verdicts(found["pytorch"][f"network, {plant}"]) == {"fourcastnet": "ok"}
    assert verdicts(found["mindspore"]["network, of Ascend"]) == {"fourcastnet": "ok"}
    (check,) = found["pytorch"]["network, tanh GELU"]
    assert check["verdict"] == "failed"
    assert "gradient by" in check["found"]
    assert "crosscast parity fourcastnet" in check["advice"]
