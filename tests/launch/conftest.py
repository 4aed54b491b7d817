"""A bench small enough to be run whole in a test: one block, a few steps, real workers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests import started

Run = Callable[..., "subprocess.CompletedProcess[str]"]

MODEL = {
    "title": "FourCastNet, as small as it gets",
    "architecture": "fourcastnet",
    "source": "test",
    "presets": {
        "micro": {
            "grid": [8, 16],
            "network": {"patch_size": 2, "embed_dim": 16, "depth": 1, "num_blocks": 2},
            "training": {"batch_size": 8, "stages": [{"name": "pretrain", "epochs": 2, "learning_rate": 1e-3}]},
            "inference": {"min_steps": 5, "max_steps": 30, "lead_steps": [1, 2]},
        }
    },
}


@dataclass(frozen=True)
class Made:
    """A bench that several tests read: its folder, suite and ending."""

    folder: Path
    suite: Path
    done: "subprocess.CompletedProcess[str]"

    @property
    def results(self) -> Path:
        """The folder of its records."""
        return self.folder / "results"


def write_micro(folder: Path, name: str = "micro", *, preset: dict | None = None, **changes) -> Path:
    """Write a model and a suite of one cell into a folder; keywords change the suite or, with `preset`, the preset."""
    model = json.loads(json.dumps(MODEL))
    model["presets"]["micro"].update(preset or {})
    model_path = folder / f"{name}-model.yaml"
    model_path.write_text(yaml.safe_dump(model))
    suite = {
        "models": [{"model": str(model_path), "preset": "micro"}],
        "frameworks": [{"framework": "pytorch"}],
        "launches": 1,
        "time_limit_s": 600,
        **changes,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(suite))
    return path


@pytest.fixture
def write_suite(tmp_path: Path) -> Callable[..., Path]:
    """`write_micro` into tmp_path."""
    return partial(write_micro, tmp_path)


def command(*arguments: object) -> list[str]:
    """The crosscast command line in this Python."""
    return [sys.executable, "-m", "harness", *map(str, arguments)]


def run_in(
    folder: Path, *arguments: object, prefix: tuple[str, ...] = (), env: Mapping[str, str] | None = None, **options
) -> "subprocess.CompletedProcess[str]":
    """Run crosscast in a folder to its end, by default in the environment of the tests.

    A `prefix` before the command, and options of `subprocess.run`, make it a program of its own.
    """
    environment = {**(os.environ if env is None else env), "TMPDIR": str(folder)}
    if not (prefix or options):
        return started.run(folder, arguments, environment)
    return subprocess.run(
        [*prefix, *command(*arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        **options,
    )


@pytest.fixture
def crosscast(tmp_path: Path) -> Run:
    """Run crosscast to its end, with results in tmp_path/results unless told otherwise."""
    return partial(run_in, tmp_path)


def records(results: Path) -> list[dict]:
    """All records below a folder, by cell and launch."""
    found = [json.loads(path.read_text()) for path in results.glob("*/*/*/record.json")]
    return sorted(found, key=lambda record: (record["cell"], record["launch"], record["started_at"]))
