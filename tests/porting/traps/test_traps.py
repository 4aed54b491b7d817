"""Traps are found in networks that have them, with the command, and none in those that have none."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import erf

from harness.porting.traps.facts import CallFacts, CellFacts, NetworkFacts
from harness.porting.traps.rules import findings

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
EXPECTED = {
    "gelu": ["gelu-tanh"],
    "layer_norm": ["layer-norm-epsilon"],
    "batch_norm": ["batch-norm-momentum"],
    "dropout": ["dropout-keep-prob"],
    "dropout_on": ["dropout-left-on"],
    "convolution": ["conv-padding", "conv-bias"],
    "convolutions": ["conv-padding", "conv-padding", "conv-bias", "conv-bias"],
    "pools": ["pool-stride", "pool-stride"],
    "leaky": ["leaky-slope"],
    "smooth_loss": ["loss-reduction"],
    "defaults": ["default"] * 9,
    "given": [],
    "embedding": ["embedding-init"],
    "uncorrected": ["adam-without-correction"],
    "coupled": ["coupled-decay"],
    "functions": ["dropout-left-on", "fourier-on-gpu", "operator", "operator"],
    "clean": [],
    "fourcastnet": [],
    "graphcast": [],
    "aigoms": [],
}
PATH = os.pathsep.join([str(HERE.parents[2]), str(HERE), str(HERE.parent / "parity")])


def run(*command):
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": PATH, "GLOG_v": "3"},
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="session")
def facts_of(server):
    """facts_of(factory): what the child with MindSpore says of a network, all in one."""
    return lambda factory: server("mindspore, traps").ask_child("harness.porting.traps.mindspore", factory)


@pytest.fixture(scope="module")
def found(facts_of):
    """The rules that find something in each network."""
    return {name: findings(NetworkFacts.model_validate(facts_of(f"trapped:{name}"))) for name in EXPECTED}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_there_is_found_and_nothing_else(found, name):
    assert sorted(finding.rule for finding in found[name]) == sorted(EXPECTED[name])


def test_a_finding_says_where(found):
    assert found["gelu"][0].place == "1"
    assert all("the network (trapped.py:" in finding.place for finding in found["functions"])
    assert found["batch_norm"][0].fix == "momentum=0.9"


def test_the_command_prints_the_fix_and_exits_with_2():
    done = run("-m", "harness", "traps", "trapped:gelu")
    assert done.returncode == 2
    assert "nn.GELU(approximate=False)" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("crosscast: trapped:gelu: 1 traps")


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("trapped:nothing", "give module[:name]"),
        ("nowhere:x", "No module named 'nowhere'"),
        ("trapped:no_cell", "must return a mindspore.nn.Cell"),
        ("trapped:failing", "no weights here"),
    ],
)
def test_mistakes_are_one_line(facts_of, factory, said):
    mistake = facts_of(factory)["mistake"]
    assert said in mistake
    assert len(mistake.splitlines()) == 1


def test_a_mistake_ends_the_command_with_2_and_one_line():
    done = run("-m", "harness", "traps", "nowhere:x")
    assert done.returncode == 2
    assert "No module named 'nowhere'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_gelu_by_tanh_is_off_by_what_the_finding_says():
    x = np.linspace(-8, 8, 200_001)
    by_tanh = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    largest = np.abs(by_tanh - 0.5 * x * (1 + erf(x / math.sqrt(2)))).max()
    cell = CellFacts(path="a", kinds=("GELU",), attributes={"approximate": "tanh"})
    (finding,) = findings(NetworkFacts(version="2", cells=(cell,), calls=(), optimiser=None))
    assert f"{largest:.1e}".replace("e-0", "e-") in finding.here


def test_a_call_is_judged_by_its_keywords():
    def rules(**keywords):
        call = CallFacts(place="a", name="ops.dropout", keywords=keywords)
        return [f.rule for f in findings(NetworkFacts(version="2", cells=(), calls=(call,), optimiser=None))]

    assert rules() == rules(training=True) == ["dropout-left-on"]
    assert rules(training=False) == []
