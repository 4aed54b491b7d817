"""The network in pieces against the same at once, which is another way through the code, in every framework."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from cases import CLIPPED, GRAPHCAST, Stage
from children import CHILDREN, answers_of
from shared import REPOSITORY

from harness.models.graphcast.geometry import build

ROUNDING = {"prediction": 2e-6, "gradient": 1e-5, "loss": 2e-6}
"""Largest deviation over the largest value of a prediction or of one parameter's gradient; relative for a loss."""

CASES = {
    "graphcast-poles": (2, Stage(CLIPPED, rollout_steps=2, steps=2)),
    "graphcast-two-layers": (7, Stage(CLIPPED, steps=3)),
}
"""Pieces and what is trained."""


def in_pieces(name, pieces):
    case = GRAPHCAST[name]
    ranges = {"recompute": {"unit": "ranges", "ranges": pieces}} if pieces > 1 else {}
    return replace(case, execution=ranges, stages=CASES[name][1:])


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    cases = {f"{name}-{pieces}": in_pieces(name, pieces) for name, case in CASES.items() for pieces in (1, case[0])}
    for name, case in cases.items():
        np.savez(folder / f"{name}.npz", **case.arrays)
        (folder / f"{name}.json").write_text(json.dumps({**asdict(case), "arrays": None}))
    return answers_of(Path(__file__).parents[1] / "drive.py", folder, cases)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("key", CHILDREN, ids="-".join)
def test_pieces_predict_lose_and_learn_as_the_whole(answers, within, key, name):
    found, expected = answers[key][f"{name}-{CASES[name][0]}"], answers[key][f"{name}-1"]
    assert found.keys() == expected.keys()
    for quantity in expected:
        if quantity in ("loss", "losses"):
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
