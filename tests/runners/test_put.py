"""A copy to the device belongs to `put` in both frameworks, never to the step that follows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import REPOSITORY

pytestmark = pytest.mark.slow


def drive(framework):
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("drive_put.py"), framework],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "GLOG_v": "3"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_pytorch_copies_when_it_is_told_to():
    found = drive("pytorch")
    assert found == {"cpu": [[0, 1, 2], [3, 4, 5]], "elsewhere": "meta", "built for": "meta"}


def test_mindspore_copies_when_it_is_told_to():
    """Asked for an Ascend that is not there, MindSpore says so in `put`, and not later."""
    found = drive("mindspore")
    assert found["cpu"] == [[0, 1, 2], [3, 4, 5]]
    assert found["elsewhere"] == "copied to Ascend"
    assert found["by move_to"] == "copied to Ascend"
    assert found["stays"]
    assert "target device" in found["error"]
