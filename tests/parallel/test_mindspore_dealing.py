"""What ranks of MindSpore send together and update apart, and what they are not offered."""

import math

import numpy as np
import pytest

from harness.frameworks.mindspore.dealing import BUCKET_BYTES, buckets, dealt
from harness.frameworks.support import cannot_execute
from harness.scenario.execution import GRAPH, Compilation, Execution, Loading, World

SIZES = [tuple(map(int, np.random.default_rng(seed).integers(1, 10**4, 1 + 7 * seed))) for seed in range(6)]
TWO = {"devices": 2}


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("most_bytes", [1, 4 * 10**3, 4 * 10**5])
def test_buckets_hold_every_gradient_once_from_the_last(sizes, most_bytes):
    found = buckets(sizes, most_bytes)
    assert [index for first, last in reversed(found) for index in range(first, last)] == list(range(len(sizes)))
    for first, last in found:
        assert sum(sizes[first + 1 : last]) * 4 < most_bytes
        assert first == 0 or sum(sizes[first:last]) * 4 >= most_bytes


def test_buckets_by_hand():
    assert buckets([5, 1, 2, 3], most_bytes=16) == ((2, 4), (0, 2))
    assert buckets([5, 1, 2, 3]) == ((0, 4),)
    assert buckets([]) == ()
    assert len(buckets([BUCKET_BYTES // 4] * 3)) == 3


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_every_parameter_has_one_owner(sizes, ranks):
    order, bounds = dealt(sizes, ranks)
    assert sorted(order) == list(range(len(sizes)))
    assert [bounds[0][0], *(last for _, last in bounds)] == [*(first for first, _ in bounds), len(sizes)]
    held = [sum(sizes[index] for index in order[first:last]) for first, last in bounds]
    assert max(held) <= math.ceil(sum(sizes) / ranks) + max(sizes)


def test_shares_by_hand():
    assert dealt([1, 5, 2, 4], 2) == ((0, 1, 2, 3), ((0, 2), (2, 4)))
    assert dealt([4, 1, 1, 1, 1], 2) == ((0, 1, 2, 3, 4), ((0, 1), (1, 5)))
    assert dealt([1, 9, 1], 2) == ((1, 0, 2), ((0, 1), (1, 3)))
    assert dealt([7], 3) == ((0,), ((0, 1), (1, 1), (1, 1)))


@pytest.mark.parametrize(
    ("execution", "why"),
    [
        (Execution(world=World(**TWO)), None),
        (Execution(world=World(**TWO, parallel="sharded_optimiser"), compilation=GRAPH.compilation), None),
        (Execution(world=World(**TWO, parallel="sharded")), "world.parallel: sharded"),
        (Execution(world=World(**TWO), compilation=Compilation(mode="graph", level="O1")), "compilation.level: O1"),
        (Execution(compilation=Compilation(mode="graph", level="O1")), None),
        (
            Execution(world=World(**TWO), compilation=GRAPH.compilation, loading=Loading(sink=True)),
            "loading.sink: the sink was never run with several devices",
        ),
    ],
)
def test_what_was_never_run_is_refused_by_name(execution, why):
    reason = cannot_execute("mindspore", "CPU", execution)
    assert reason is None if why is None else why in reason
