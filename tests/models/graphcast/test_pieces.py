"""The network in pieces against the same at once, which is another way through the code, in every framework."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import IN_PIECES
from children import runs
from shared import REPOSITORY

from harness.models.graphcast.geometry import build

ROUNDING = {"prediction": 2e-6, "gradient": 1e-5, "loss": 2e-6}
"""Largest deviation over the largest value of a prediction or of one parameter's gradient; relative for a loss."""


@pytest.mark.slow
@runs(IN_PIECES)
def test_pieces_predict_lose_and_learn_as_the_whole(answers, within, key, name):
    """The loss of a second step tells of the first update, which has the same learning rate in both."""
    found, expected = answers[key][name], answers[key][name.removesuffix("-pieces")]
    assert found.keys() == expected.keys()
    steps = len(found["losses"])
    assert steps == sum(stage.steps for stage in IN_PIECES[name].stages)
    for quantity in expected:
        if quantity == "losses" and steps:
            within(ROUNDING["loss"], np.abs(found[quantity] / expected[quantity][:steps] - 1).max(), "loss")
        elif quantity == "loss":
            within(ROUNDING["loss"], np.abs(found[quantity] / expected[quantity] - 1).max(), "loss in pieces")
        elif quantity == "prediction" or quantity.startswith("gradients/"):
            kind = quantity.split("/")[0].removesuffix("s")
            deviation = np.abs(found[quantity] - expected[quantity]).max() / np.abs(expected[quantity]).max()
            within(ROUNDING[kind], deviation, f"{kind} in pieces")


@pytest.mark.slow
def test_a_training_step_in_pieces_keeps_a_fraction():
    """What autograd keeps beside inputs and weights, at once and in 8 pieces, of a network with one message step."""
    path = os.pathsep.join(map(str, (REPOSITORY, Path(__file__).parents[1])))
    found = subprocess.run(
        [sys.executable, Path(__file__).with_name("drive_kept.py"), "1", "8"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=120,
    )
    whole, pieces = map(int, found.stdout.split())
    assert pieces < whole / 5


def rows(graph, senders=0, receivers=0):
    """Sender, receiver and features of every edge, with the ends counted from these numbers on."""
    return np.column_stack([graph.senders + senders, graph.receivers + receivers, graph.features]).tolist()


@pytest.mark.parametrize("count", [1, 2, 5, 9 * 16])
def test_the_edges_of_all_pieces_are_those_of_the_whole(count):
    whole = build(np.linspace(90, -90, 9), np.arange(16) * 22.5, 1, 0.6)
    first, sent, received = 0, [], []
    for piece in whole.pieces(count):
        points = len(piece.grid_nodes)
        assert abs(points - 144 / count) < 1
        for edges in (piece.grid_to_mesh, piece.mesh_to_grid):
            assert (np.diff(edges.receivers) >= 0).all()
            assert edges.senders.dtype == edges.receivers.dtype == np.int32
        sent += rows(piece.grid_to_mesh, senders=first)
        received += rows(piece.mesh_to_grid, receivers=first)
        assert set(piece.grid_to_mesh.senders.tolist()) == set(range(points))
        first += points
    assert sorted(sent) == sorted(rows(whole.grid_to_mesh))
    assert sorted(received) == sorted(rows(whole.mesh_to_grid))
