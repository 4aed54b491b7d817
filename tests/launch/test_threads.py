"""Both frameworks take the threads that a launch gives them, so that their ranks can be compared."""

import os
import subprocess
import sys

import pytest

DEVICES = {"pytorch": "cpu", "mindspore": "CPU"}
TELL = "from harness.frameworks import open_framework; print(open_framework({!r}, {!r}).describe().threads)"


@pytest.mark.slow
@pytest.mark.parametrize("framework", DEVICES)
def test_a_share_of_one_core_is_one_thread(framework):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOG_v": "4"}
    words = [sys.executable, "-c", TELL.format(framework, DEVICES[framework])]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "1"
