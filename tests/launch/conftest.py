"""A bench small enough to be run whole in a test: one block, a few steps, real workers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

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


@pytest.fixture
def write_suite(tmp_path: Path) -> Callable[..., Path]:
    """Write a model and a suite of one cell into tmp_path; keywords change the suite or, with `preset`, the preset."""

    def write(name: str = "micro", *, preset: dict | None = None, **changes) -> Path:
        model = json.loads(json.dumps(MODEL))
        model["presets"]["micro"].update(preset or {})
        model_path = tmp_path / f"{name}-model.yaml"
        model_path.write_text(yaml.safe_dump(model))
        suite = {
            "models": [{"model": str(model_path), "preset": "micro"}],
            "frameworks": [{"framework": "pytorch"}],
            "launches": 1,
            "time_limit_s": 120,
            **changes,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(suite))
        return path

    return write


def command(*arguments: object) -> list[str]:
    """The crosscast command line in this Python."""
    return [sys.executable, "-m", "harness", *map(str, arguments)]


@pytest.fixture
def crosscast(tmp_path: Path) -> Run:
    """Run crosscast to its end, with results in tmp_path/results unless told otherwise."""

    def run(*arguments: object, prefix: tuple[str, ...] = (), **options) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*prefix, *command(*arguments)],
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=900,
            **options,
        )

    return run


def records(results: Path) -> list[dict]:
    """All records below a folder, by cell and launch."""
    found = [json.loads(path.read_text()) for path in results.glob("*/*/*/record.json")]
    return sorted(found, key=lambda record: (record["cell"], record["launch"], record["started_at"]))
