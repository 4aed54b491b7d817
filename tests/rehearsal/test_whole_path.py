"""The first hour on an Ascend, from the doctor to claims, with stand-ins: each command as a user types it."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from harness.analysis.cells import load_results
from harness.machine import rehearsal
from harness.rehearsal.rehearse import Programme
from tests.launch.conftest import records, write_micro

SUITE = {
    "frameworks": [
        {"framework": "pytorch"},
        {"framework": "mindspore", "execution": {"compilation": {"mode": "graph"}}},
    ],
    "bounds": {"epochs": 1, "lead_steps": 1},
    "idle_s": 1,
}
REHEARSE = ("rehearse", "--chip", "ascend910b", "--no-deep", "--folder", "here")
PRESET = {"inference": {"min_steps": 5, "max_steps": 10, "lead_steps": [1]}}


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    """A rehearsal's folder, and what its commands printed."""
    if shutil.which("g++") is None or shutil.which("gcc") is None:
        pytest.skip("no g++ and gcc to compile the stand-ins with")
    folder = tmp_path_factory.mktemp("whole")
    suite = write_micro(folder, preset=PRESET, **SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "harness", *REHEARSE, "--suite", suite],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "here", done.stdout


@pytest.fixture(scope="module")
def made(rehearsed):
    """The records by framework."""
    return {record["measurements"]["framework"]["name"]: record for record in records(rehearsed[0] / "results")}


def test_every_command_of_the_first_hour_is_typed_and_succeeds(rehearsed):
    folder, printed = rehearsed
    typed = [line.split()[2] for line in printed.splitlines() if line.startswith("$ crosscast ")]
    short, whole = (set(Programme(deep=deep).commands("ascend910b", folder)) for deep in (False, True))
    assert typed == [command[0] for command in Programme(deep=False).commands("ascend910b", folder)]
    assert typed == ["doctor", "bench", "figures", "report", "claims"]
    assert whole - short == {("doctor", "--chip", "ascend910b", "--deep", "--results", str(folder))}
    assert "ascend910b can be benched with pytorch and mindspore" in printed


def test_both_frameworks_run_under_the_names_of_the_chip(made):
    assert {(name, record["status"]) for name, record in made.items()} == {
        ("pytorch", "completed"),
        ("mindspore", "completed"),
    }
    for name, device in {"pytorch": "npu", "mindspore": "Ascend"}.items():
        framework = made[name]["measurements"]["framework"]
        assert (framework["device"], framework["device_name"]) == (device, "Ascend910B3")
        assert made[name]["measurements"]["numerics"]["matmul_bits"] == 24


def test_their_losses_agree_although_they_ran_on_other_devices(made):
    losses = [record["measurements"]["training"][0]["epochs"][-1]["mean_loss"] for record in made.values()]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_records_say_that_they_are_of_a_rehearsal(rehearsed, made, monkeypatch):
    assert {record["purpose"] for record in made.values()} == {"rehearsal"}
    monkeypatch.delenv(rehearsal.VARIABLE, raising=False)
    assert load_results(rehearsed[0] / "results").cells == ()


def test_the_vendors_software_is_in_the_records(made):
    for record in made.values():
        accelerator = record["environment"]["accelerator"]
        assert (accelerator["driver"], accelerator["toolkit"], accelerator["missing"]) == ("25.5.1", "CANN 8.3.RC1", [])
        assert accelerator["devices"][0]["memory_bytes"] == 64 << 30
        assert (record["load"]["devices"]["tool"], record["load"]["devices"]["others"]) == ("npu-smi", [])
        assert record["load"]["devices"]["reason"] is None


def test_energy_has_a_verdict_in_every_phase(made):
    for record in made.values():
        energy = record["energy"]
        assert (energy["collector"], energy["reason"]) == ("dcmi", None)
        phases = {phase["phase"]: phase["window"] for phase in energy["phases"]}
        assert {"idle before", "inference", "idle after"} <= phases.keys()
        assert all(window["valid"] or window["reasons"] for window in phases.values())
        powers = [window["mean_power_w"] for window in phases.values() if window["mean_power_w"] is not None]
        assert all(92 < power < 125 for power in powers)


def test_memory_is_counted_or_unknown_and_never_0(made):
    memory = made["pytorch"]["measurements"]["memory"]
    assert 0 < memory["device_bytes"] <= memory["device_reserved_bytes"]
    assert made["mindspore"]["measurements"]["memory"]["device_bytes"] is None
    for record in made.values():
        (use,) = record["energy"]["device_uses"]
        assert (use["device"], use["memory_bytes"], use["memory_fraction"]) == (0, 3390 << 20, None)


def test_all_that_is_made_of_the_records_is_named_a_rehearsal(rehearsed):
    results = rehearsed[0] / "results"
    made = [path for path in results.rglob("*") if path.parent.name in ("tables", "figures", "claims")]
    assert {path.suffix for path in made} == {".md", ".csv", ".tex", ".html", ".pdf", ".png"}
    assert {path.name.partition("-")[0] for path in made} == {"rehearsal"}
    page = (results / "report.html").read_text()
    assert re.search(f"<title>{rehearsal.NOTICE}", page)
    assert "Ascend910B3" in page
