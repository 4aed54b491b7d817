"""Ranks that are timed as they add up arrays do add them up."""

import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from harness.projection import exchange
from harness.projection.exchange import Ring


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_every_rank_has_the_sum(ranks):
    """Whole numbers, so that no order of the sum rounds; more than a socket holds at once."""
    pairs = [socket.socketpair() for _ in range(ranks)]
    given = np.random.default_rng(0).integers(-9, 9, (ranks, ranks, 2**18)).astype(np.float32)
    rings = [Ring(rank, ranks, pairs[rank - 1][1], pairs[rank][0]) for rank in range(ranks)]
    found = given.copy()
    with ThreadPoolExecutor(ranks) as pool:
        for _ in pool.map(lambda rank: rings[rank].add_up(found[rank], np.empty(2**18, np.float32)), range(ranks)):
            pass
    for ring in rings:
        ring.close()
    for each in (end for pair in pairs for end in pair):
        each.close()
    assert np.array_equal(found, np.broadcast_to(given.sum(axis=0), given.shape))


def test_bandwidth_and_latency_follow_from_the_two_sizes(monkeypatch):
    """Of four ranks an array passes in 6 messages of a quarter of it each."""
    monkeypatch.setattr("harness.launch.room.cores", lambda: 4)
    monkeypatch.setattr(exchange, "_medians", lambda ranks: (0.006, 0.030))
    found = exchange.measure(4)
    assert found.latency_s == pytest.approx(0.001)
    assert found.bandwidth == pytest.approx(6 * (2**23 - 2**10) / 4 / 0.024)
