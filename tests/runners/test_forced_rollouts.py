"""Both runners with history, forcings, a static field and extras, in a world where the perfect forecast is known."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.results.forecast import Forecast
from tests.shared import REPOSITORY

pytestmark = pytest.mark.slow

SEED = 11


def drive(framework, gain, folder):
    path = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests/models")))
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("drive.py"), framework, str(gain), folder],
        env={**os.environ, "PYTHONPATH": path, "GLOG_v": "3"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("framework", ["pytorch", "mindspore"])
def test_forcings_of_the_right_time_make_every_lead_exact(framework, tmp_path):
    found = drive(framework, 1.0, tmp_path)
    assert max(map(max, found["losses"])) < 1e-10
    assert found["losses_ahead"] == found["losses"]
    assert max(found["validation"]) < 1e-10
    rmse = {(forecaster, lead_h): value for forecaster, lead_h, value in found["rmse"]}
    for lead in (1, 2, 5):
        assert rmse["model", 6.0 * lead] < 1e-5
    assert rmse["persistence", 6.0] == pytest.approx(0.1, rel=1e-5)

    kept = Forecast.load(tmp_path / "forecast.npz")
    assert (kept.channels, kept.units, kept.lead_h, kept.stride) == (("x",), ("1",), 30.0, 1)
    assert kept.forecast.dtype == kept.truth.dtype == np.float32
    assert np.abs(kept.forecast - kept.truth).max() < 1e-4

    steps = [len(losses) for losses in found["losses"]]
    epochs = [(0, 1), (0, 2), (1, 3)]
    lengths = [steps[0] // 2, steps[0] // 2, steps[1]]
    assert found["asked"] == [
        [epoch, np.random.default_rng((SEED, stage, epoch, step)).random()]
        for (stage, epoch), length in zip(epochs, lengths, strict=True)
        for step in range(length)
    ]


def test_extras_reach_the_network_in_training_and_nowhere_else(tmp_path):
    found = drive("pytorch", 0.5, tmp_path)
    assert min(map(min, found["losses"])) > 1e-3
    assert max(found["validation"]) < 1e-10
