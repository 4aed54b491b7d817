import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.data.config import RossbyConfig, Splits
from harness.data.opening import open_source
from harness.data.windows import Windows
from harness.errors import UserError
from harness.runners import training
from harness.runners.reporter import Reporter
from harness.scenario.execution import Execution, Loading
from harness.scenario.schema import Stage, TrainingConfig
from tests.runners.traced import Traced
from tests.shared import REPOSITORY

SINK = Execution(loading=Loading(sink=True))


def train(framework):
    windows = Windows(open_source(RossbyConfig(kind="rossby", time_steps=20), grid=(4, 8)), Splits())
    config = TrainingConfig(batch_size=3, stages=(Stage(name="one", epochs=1, learning_rate=1e-3),))
    return training.train(framework, windows, config, lambda *_: (), 0, Reporter(), SINK)


def test_a_framework_without_a_sink_says_so():
    class Named(Traced):
        name = "pytorch"

        def describe(self):
            return self

    with pytest.raises(UserError, match=r"pytorch has no dataset sink: leave loading.sink out"):
        train(Named())


@pytest.mark.slow
def test_what_of_the_sink_runs_on_a_cpu():
    path = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests/models")))
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("drive_sink.py")],
        env={**os.environ, "PYTHONPATH": path, "GLOG_v": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(set(found["plain"])) == len(found["plain"]) > 10
    assert found["read"] == found["plain"]
    assert "ascend or gpu" in found["refused"]
    assert found["error"] == ["UserError", "all.nc: cannot be read"]
