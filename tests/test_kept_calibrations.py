"""Calibrations are found again by every identity that a host has."""

import json

import pytest

from harness.calibration.store import FOLDER, Calibration, load, save
from harness.machine import identity as machine


def make_calibration(host, made_at="2026-01-01T00:00:00+00:00"):
    return Calibration(
        chip="a100",
        collector="nvml",
        host=host,
        device_name="A100",
        framework="pytorch",
        made_at=made_at,
        half_period_s=4.0,
        sensors=(),
    )


@pytest.fixture
def known(monkeypatch):
    """Two identities of this machine: one by hand, and its host name, by which older calibrations are called."""
    monkeypatch.setenv(machine.HOST_VARIABLE, "node7")
    monkeypatch.setattr("socket.gethostname", lambda: "0f3a9c")
    first, *_, last = machine.identities()
    assert (first.kind, last) == ("name given in CROSSCAST_HOST", ("host name", "8f01a23ceeea"))
    return first, last


@pytest.mark.parametrize("position", [0, 1])
def test_of_either_identity(known, position, tmp_path):
    kept = make_calibration(known[position].digest)
    save(kept, tmp_path)
    assert load(tmp_path, "a100", "nvml") == kept
    assert load(tmp_path, "a100", "dcmi") is None


@pytest.mark.parametrize("newer", [0, 1])
def test_the_newest_counts_and_a_damaged_one_does_not(known, newer, tmp_path):
    old, new = make_calibration(known[1 - newer].digest), make_calibration(known[newer].digest, "2026-02-01T00:00:00")
    save(old, tmp_path)
    path = save(new, tmp_path)
    assert load(tmp_path, "a100", "nvml") == new
    path.write_text(json.dumps(json.loads(path.read_text()) | {"half_period_s": "long"}))
    assert load(tmp_path, "a100", "nvml") == old


def test_never_of_another_host(known, tmp_path):
    save(make_calibration("ffffffffffff"), tmp_path)
    assert list((tmp_path / FOLDER).iterdir())
    assert load(tmp_path, "a100", "nvml") is None
