"""A launch that is lost at its very end, while the exchange of gradients is timed, has kept what it measured."""

import os

import pytest

from tests.launch.conftest import records

pytestmark = pytest.mark.slow

KILLED = """
import os
import sys

if "harness.worker" in sys.orig_argv:
    import signal

    from harness.runners import communication

    communication.communication = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_rank_that_is_lost_while_exchanges_are_timed_has_left_all_else(crosscast, write_suite, tmp_path):
    (tmp_path / "end").mkdir()
    (tmp_path / "end/sitecustomize.py").write_text(KILLED)
    crosscast("bench", "--suite", write_suite(idle_s=0), env={**os.environ, "PYTHONPATH": str(tmp_path / "end")})
    (record,) = records(tmp_path / "results")
    assert record["status"] in ("crashed", "out_of_memory")
    assert "SIGKILL" in record["reason"] or "out of memory" in record["reason"]
    assert record["measurements"]["memory"]["process_rss_bytes"] > 0
    assert record["measurements"]["skill"]["scores"]
