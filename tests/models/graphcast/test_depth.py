import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shared import REPOSITORY


def losses(framework):
    path = os.pathsep.join(map(str, (REPOSITORY, Path(__file__).parents[1])))
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("drive_depth.py"), framework],
        env={**os.environ, "PYTHONPATH": path, "GLOG_v": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_network_as_deep_as_the_published_one_trains_as_a_compiled_graph():
    """Graphs stop at a depth of calls that loops over 256 parameters exceed."""
    expected = losses("pytorch")
    assert expected[2] < expected[0]
    assert losses("mindspore") == pytest.approx(expected, rel=1e-5)
