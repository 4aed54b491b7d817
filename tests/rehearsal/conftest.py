"""Stages of chips, set once for all tests, and programs run on them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.rehearsal.stage import set_stage
from tests.shared import REPOSITORY


@pytest.fixture(scope="session")
def on_stage(tmp_path_factory):
    """on_stage(chip, program, *arguments): what a Python program prints last, as JSON, on the stage of a chip."""
    if shutil.which("g++") is None or shutil.which("gcc") is None:
        pytest.skip("no g++ and gcc to compile the stand-ins with")
    environments = {}

    def run(chip, *arguments, **changes):
        if chip not in environments:
            environments[chip] = set_stage(chip, tmp_path_factory.mktemp("rehearsed") / "stage")
        path = os.pathsep.join((environments[chip]["PYTHONPATH"], str(REPOSITORY)))
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**environments[chip], "PYTHONPATH": path, "GLOG_v": "3", **changes},
            capture_output=True,
            text=True,
            timeout=600,
            cwd=REPOSITORY,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="session", params=["ascend910b npu", "a100 cuda"])
def second_device(request, on_stage):
    """The name of a device of PyTorch, and what drive_device.py tells of it."""
    chip, name = request.param.split()
    return name, on_stage(chip, Path(__file__).with_name("drive_device.py"), name)
