"""A step of message passing on four nodes, by hand.

Swish leaves numbers above 20 as they are to seven digits and makes those below -20 zero, and the LayerNorm of two far
numbers is -1 for the smaller and 1 for the larger, so that everything can be done in the head. Node 1 hears from 0, 2
and 3; node 3 from 1.

    edge    edge + ends, times 20           times 5, bias (0, -50)  norm       times (2, 3), plus (1, 0)
    0 -> 1  (20 (1 + 1), 20 (0 + 1))        (200,  50)              ( 1, -1)   ( 3, -3)
    2 -> 1  (20 (0 + 2), 20 (1 + 1))        (200, 150)              ( 1, -1)   ( 3, -3)
    3 -> 1  (20 (0 + 0), 20 (0 + 1))        (  0,  50)              (-1,  1)   (-1,  3)
    1 -> 3  (20 (1 + 0), 20 (1 + 5))        (100, 550)              (-1,  1)   (-1,  3)

    node  receives   20 (node + received crosswise)   swish      times 5      norm       times (1, 4), plus (0, 10)
    0     ( 0,  0)   (20, 0)                          the same   (100, 0)     ( 1, -1)   ( 1,  6)
    1     ( 5, -3)   (20 (0 - 3), 20 (1 + 5))         (0, 120)   (  0, 600)   (-1,  1)   (-1, 14)
    2     ( 0,  0)   (40, 0)                          the same   (200, 0)     ( 1, -1)   ( 1,  6)
    3     (-1,  3)   (20 (0 + 3), 20 (5 - 1))         the same   (300, 400)   (-1,  1)   (-1, 14)
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shared import REPOSITORY

pytestmark = pytest.mark.slow

IDENTITY = np.eye(2)
CASE = {
    "senders": np.array([0, 2, 3, 1], np.int32),
    "receivers": np.array([1, 1, 1, 3], np.int32),
    "edges": np.array([[1, 0], [0, 1], [0, 0], [1, 1]]),
    "nodes": np.array([[1, 0], [0, 1], [2, 0], [0, 5]]),
    "weights/edge_update.layers.0.weight": 20 * np.array([[1, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 1]]),
    "weights/edge_update.layers.0.bias": np.zeros(2),
    "weights/edge_update.layers.1.weight": 5 * IDENTITY,
    "weights/edge_update.layers.1.bias": np.array([0, -50]),
    "weights/edge_update.norm.weight": np.array([2, 3]),
    "weights/edge_update.norm.bias": np.array([1, 0]),
    "weights/node_update.layers.0.weight": 20 * np.array([[1, 0, 0, 1], [0, 1, 1, 0]]),
    "weights/node_update.layers.0.bias": np.zeros(2),
    "weights/node_update.layers.1.weight": 5 * IDENTITY,
    "weights/node_update.layers.1.bias": np.zeros(2),
    "weights/node_update.norm.weight": np.array([1, 4]),
    "weights/node_update.norm.bias": np.array([0, 10]),
}
MESSAGES = [[3, -3], [3, -3], [-1, 3], [-1, 3]]
CHANGE = [[1, 6], [-1, 14], [1, 6], [-1, 14]]


@pytest.mark.parametrize("framework", ["pytorch", "mindspore"])
def test_a_step_on_four_nodes_is_that_done_by_hand(framework, tmp_path):
    case = {name: values if values.dtype == np.int32 else values.astype(np.float32) for name, values in CASE.items()}
    np.savez(tmp_path / "case.npz", **case)
    command = [sys.executable, Path(__file__).with_name("drive_step.py"), framework]
    subprocess.run(
        [*command, tmp_path / "case.npz", tmp_path / "answer.npz"],
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "GLOG_v": "3"},
        timeout=120,
    )
    with np.load(tmp_path / "answer.npz") as answer:
        np.testing.assert_allclose(answer["messages"], MESSAGES, atol=1e-5)
        np.testing.assert_allclose(answer["change"], CHANGE, atol=1e-5)
