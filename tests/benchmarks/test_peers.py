"""Training steps of ours beside those of published networks and of their own matrix products, in one process by turns.

Those of PhysicsNeMo are skipped where CROSSCAST_PEERS does not name the folder into which it was installed (peers.txt).
"""

import json
import os
import subprocess
import sys

import pytest

from harness.analysis.statistics import Ratio, ratio_of_medians
from tests.shared import REPOSITORY

PEERS = os.environ.get("CROSSCAST_PEERS")

SLOWEST = {
    ("physicsnemo", "graphcast", "small"): 1.0,
    ("physicsnemo", "graphcast", "large"): 0.75,
    ("physicsnemo", "fourcastnet", "small"): 1.0,
    ("physicsnemo", "fourcastnet", "large"): 1.0,
    ("published", "fourcastnet", "small"): 1.0,
    ("published", "fourcastnet", "large"): 1.1,
    ("published", "fourcastnet", "wide"): 1.0,
    ("published", "aigoms", "small"): 1.0,
    ("published", "aigoms", "large"): 1.0,
    ("published", "aigoms", "wide"): 1.0,
}
"""Ratios above which something has become slow."""

LEAST_OF_PRODUCTS = {("fourcastnet", "wide"): 0.75, ("aigoms", "wide"): 0.7}
"""Shares of dense products in a step below which something else has become slow."""


@pytest.mark.parametrize(("peer", "model", "size"), SLOWEST)
def test_training_steps_over_those_of_a_peer(benchmark, peer, model, size):
    if peer == "physicsnemo" and PEERS is None:
        pytest.skip("CROSSCAST_PEERS names no folder: see tests/benchmarks/peers.txt")
    found = benchmark.pedantic(lambda: seconds("peer_cost", peer, model, size), rounds=1)
    ratio = over(found["ours"], found["theirs"])
    benchmark.extra_info |= {**found, "ratio": ratio.ratio, "low": ratio.low, "high": ratio.high}
    assert ratio.ratio < SLOWEST[peer, model, size]


@pytest.mark.parametrize(("model", "size"), LEAST_OF_PRODUCTS)
def test_products_over_training_steps(benchmark, model, size):
    found = benchmark.pedantic(lambda: seconds("product_cost", model, size), rounds=1)
    share = over(found["dense"], found["step"])
    bound = over(found["dense"], found["published"])
    benchmark.extra_info |= {**found, "share": share.ratio, "low": share.low, "high": share.high, "bound": bound.ratio}
    assert share.ratio > LEAST_OF_PRODUCTS[model, size]


def seconds(measurement: str, *arguments: str) -> dict[str, list[float]]:
    """What a child process has measured, round by round."""
    command = [sys.executable, "-m", f"tests.benchmarks.{measurement}", *arguments]
    environment = {**os.environ, "PYTHONPATH": PEERS or ""}
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def over(costs: list[float], others: list[float]) -> Ratio:
    """Their ratio, of pairs of rounds that went forth and back."""
    ratio = ratio_of_medians(*(dict(enumerate(a + b for a, b in pairs(each))) for each in (costs, others)))
    assert ratio is not None
    return ratio


def pairs(rounds: list[float]) -> list[tuple[float, float]]:
    """The first and second, the third and fourth and so on."""
    return list(zip(rounds[::2], rounds[1::2], strict=True))
