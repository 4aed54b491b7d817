"""Launches of two ranks on this machine's CPU, each with real processes: how they work together, and how they fail."""

import os
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from harness.launch import worker_process
from harness.launch.launchers import free_port
from harness.launch.plan import LaunchPlan, interleave
from harness.launch.supervisor import launch
from harness.launch.survey import matrix_of
from harness.results import steps
from harness.results.error_maps import ErrorMaps
from harness.results.record import Record
from harness.results.record import load as read
from harness.results.spectra import Spectra
from harness.scenario import catalogue
from harness.scenario.scenario import Selection
from tests.analysis.made_records import make_environment
from tests.launch.conftest import Made, run_in, write_micro
from tests.launch.processes import is_gone, pid_in, wait_until

pytestmark = pytest.mark.slow

if len(os.sched_getaffinity(0)) < 2:
    pytest.skip("two ranks need two cores", allow_module_level=True)

IN_RANKS = """
import os
import sys

if sys.orig_argv[3:4] == ["harness.worker"] and os.environ.get("MS_ROLE") != "MS_SCHED":
    import time
    from pathlib import Path

    here, rank = Path(__file__).parent, int(os.environ.get("RANK") or os.environ.get("RANK_ID", 0))
    (here / f"pid-{rank}").write_text(str(os.getpid()))
    exec((here / "behaviour.py").read_text())
"""
IN_A_STEP = """
from harness.frameworks.pytorch.trainer import PyTorch

plain, steps = PyTorch.train_step, []

def train_step(self, *inputs):
    loss = plain(self, *inputs)
    steps.append(1)
    after(len(steps))
    return loss

PyTorch.train_step = train_step
"""
IN_A_STEP_OF_MINDSPORE = IN_A_STEP.replace("pytorch", "mindspore").replace("PyTorch", "MindSpore")
KILL = """
import signal

after = lambda step: os.kill(os.getpid(), signal.SIGKILL) if (rank, step) == (1, 2) else None
"""
KILL_BEHIND_ITS_BACK = """
import signal
import subprocess

def after(step):
    if (rank, step) == (1, 2):
        launcher = os.getppid()
        subprocess.Popen(["sh", "-c", f"sleep 3; kill -CONT {launcher}"], start_new_session=True)
        os.kill(launcher, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGKILL)
"""
OTHER_SEED = """
from harness.launch.plan import LaunchPlan

LaunchPlan.seed = property(lambda plan: plan.scenario.seed + plan.launch + rank)
"""
PRESET = {
    "training": {"batch_size": 8, "stages": [{"name": "pretrain", "epochs": 1, "learning_rate": 1e-3}]},
    "inference": {"min_steps": 2, "max_steps": 3, "lead_steps": [1]},
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(behaviour): the record of a launch of two ranks, its plan and the folder of what its ranks left."""
    chip = catalogue.chip("cpu").model_copy(update={"power_collectors": ("null",)})

    def run_one(behaviour: str = "", framework: str = "pytorch", **changes) -> tuple[Record, LaunchPlan, Path]:
        content = {"frameworks": [{"framework": framework}], "bounds": {"max_steps_per_epoch": 4}, "idle_s": 0}
        suite = write_micro(tmp_path, preset=PRESET, **content, **changes)
        matrix = matrix_of(Selection(suite=str(suite), devices=(2,)))
        (plan,) = interleave(matrix.cells, chip, 1, "bench")
        (tmp_path / "sitecustomize.py").write_text(IN_RANKS)
        (tmp_path / "behaviour.py").write_text(behaviour)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        record = launch(plan, tmp_path / "results", make_environment(), lambda text, fraction: None)
        return record, plan, tmp_path

    return run_one


@pytest.fixture(scope="module")
def on_one_and_two(tmp_path_factory) -> Made:
    """A bench on one device and on two, of which the second is late in one step, with the batch of both together."""
    folder = tmp_path_factory.mktemp("one-and-two")
    suite = write_micro(
        folder, preset=PRESET, bounds={"max_steps_per_epoch": 4}, idle_s=0, scaling=["strong"], data="rossby"
    )
    chip = yaml.safe_load(catalogue.path_of("chips", "cpu").read_text()) | {"power_collectors": ["null"]}
    (folder / "own.yaml").write_text(yaml.safe_dump(chip))
    (folder / "sitecustomize.py").write_text(IN_RANKS)
    sleep = "after = lambda step: time.sleep(0.5) if rank == 1 and step == 3 else None"
    (folder / "behaviour.py").write_text(sleep + IN_A_STEP)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    words = ("bench", "--suite", suite, "--chip", "own.yaml", "--devices", "1,2")
    return Made(folder, suite, run_in(folder, *words, env=environment))


def test_a_straggler_makes_the_steps_of_the_launch_as_long_as_its_own(on_one_and_two):
    path = path_of(on_one_and_two.results, 2)
    record, folder = read(path), path.parent
    assert (record.status, record.reason) == ("completed", None)
    table = steps.load(folder, record.steps)
    own = table[table.part == "training"].pivot(index="step", columns="rank", values="step_s")
    assert own.shape == (4, 2)
    assert own.loc[2, 1] > 0.5
    (stage,) = record.measurements.training
    assert stage.epochs[0].step_total_s == pytest.approx(own.max(axis=1).sum())
    assert stage.samples_per_epoch == 4 * 8
    first, second = record.ranks
    assert (first.rank, second.rank) == (0, 1)
    assert [rank.times.step_total_s for rank in record.ranks] == pytest.approx(list(own.sum()))
    assert min(rank.memory.process_rss_bytes for rank in record.ranks) > 0
    assert record.measurements.memory.process_rss_bytes == max(rank.memory.process_rss_bytes for rank in record.ranks)
    losses = table[table.part == "training"].pivot(index="step", columns="rank", values="loss")
    assert np.isfinite(losses[0]).all()
    assert list(losses[0]) == list(losses[1])
    exchange = record.measurements.communication
    assert exchange.reason is None
    assert len(exchange.step_s) == len(exchange.without_exchange_s) > 0
    assert len(exchange.of_each_s) == 2
    assert max(exchange.of_each_s) <= max(exchange.without_exchange_s)
    assert sorted(path.name for path in folder.iterdir()) == [
        "error-maps.npz",
        "forecast.npz",
        "log.txt",
        "record.json",
        "spectra-by-degree.npz",
        "spectra.npz",
        "steps.parquet",
    ]


def test_ranks_add_up_the_errors_and_spectra_of_all_starts(on_one_and_two):
    one, two = (path_of(on_one_and_two.results, devices).parent for devices in (1, 2))
    errors = [ErrorMaps.load(folder / "error-maps.npz") for folder in (one, two)]
    assert list(errors[0].samples) == list(errors[1].samples)
    for name, rtol in (("spectra.npz", 1e-6), ("spectra-by-degree.npz", 1e-5)):
        spectra = [Spectra.load(folder / name) for folder in (one, two)]
        assert list(spectra[0].samples) == list(spectra[1].samples) == list(errors[0].samples)
        floor = 1e-12 * spectra[0].truth.sum(axis=2, keepdims=True)
        np.testing.assert_allclose(spectra[0].truth + floor, spectra[1].truth + floor, rtol=rtol)
        np.testing.assert_allclose(spectra[0].forecast.sum(axis=2), spectra[1].forecast.sum(axis=2), rtol=1e-2)
    np.testing.assert_allclose(errors[0].squared_error, errors[1].squared_error, rtol=0.1)


def test_a_rank_that_is_killed_ends_the_launch_with_its_reason(run):
    record, _, folder = run(KILL + IN_A_STEP)
    assert (record.status, record.reason) == ("crashed", "rank 1: killed by SIGKILL")
    for rank in (0, 1):
        wait_until(lambda: is_gone(pid_in(folder / f"pid-{rank}")), patience_s=5)  # noqa: B023


def test_who_was_killed_is_known_though_torchrun_looks_when_all_are_gone(run):
    """On a busy machine it may see at one look that one rank was killed and the other has lost it."""
    record, _, _ = run(KILL_BEHIND_ITS_BACK + IN_A_STEP)
    assert (record.status, record.reason) == ("crashed", "rank 1: killed by SIGKILL")


def test_a_launcher_that_is_killed_is_the_cause_and_not_the_ranks_that_end_with_it(run):
    kill = """
import signal

def after(step):
    if (rank, step) == (1, 2):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
"""
    record, _, _ = run(kill + IN_A_STEP)
    assert record.status == "crashed"
    assert record.reason == "before all ranks were done, their launcher killed by SIGKILL; see log.txt"


def test_a_rank_that_fails_says_why_though_the_other_waits_for_it(run):
    fail = """
from harness.errors import UserError

def after(step):
    if (rank, step) == (1, 2):
        raise UserError("this disk is broken")
"""
    record, _, folder = run(fail + IN_A_STEP)
    assert (record.status, record.reason) == ("failed", "rank 1: this disk is broken")
    assert is_gone(pid_in(folder / "pid-0"))


def test_ranks_that_are_ended_at_the_time_limit_are_not_called_gone(run):
    """One hangs and the other waits for it; whichever is ended first, neither is the cause."""
    hang = "after = lambda step: time.sleep(600) if rank == 1 else None"
    record, _, _ = run(hang + IN_A_STEP, time_limit_s=15)
    assert (record.status, record.reason) == ("timed_out", "not done after the time limit of 15 s")


def test_a_taken_port_is_left_for_a_free_one_and_ranks_with_different_samples_are_refused(run, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = [other.getsockname()[1]]
        monkeypatch.setattr(worker_process, "free_port", lambda *_: ports.pop() if ports else free_port())
        record, _, _ = run(OTHER_SEED)
    assert not ports
    assert record.status == "failed"
    assert "rank 1 differs from rank 0 in initial weights and order of samples" in record.reason
    assert record.measurements.training == ()


def test_a_bench_on_one_device_and_on_two_trains_and_scores_the_same_network(on_one_and_two):
    """With the batch of all together the same: losses and scores agree to rounding, and one table holds both."""
    done, results = on_one_and_two.done, on_one_and_two.results
    assert done.returncode == 0, done.stderr
    one, two = (read(path_of(results, devices)) for devices in (1, 2))
    assert [record.scenario.training.batch_size for record in (one, two)] == [8, 4]
    assert one.measurements.fingerprints == two.measurements.fingerprints
    for name in ("mean_loss", "last_loss", "validation_loss"):
        mine, theirs = (getattr(record.measurements.training[0].epochs[0], name) for record in (one, two))
        assert mine == pytest.approx(theirs, rel=1e-5)
    for alone, together in zip(one.measurements.skill.scores, two.measurements.skill.scores, strict=True):
        assert (alone.forecaster, alone.variable, alone.lead_h) == (
            together.forecaster,
            together.variable,
            together.lead_h,
        )
        assert alone.samples == together.samples
        tolerance = 1e-3 if alone.forecaster == "model" else 1e-12
        assert alone.rmse == pytest.approx(together.rmse, rel=tolerance)
    table = pd.read_csv(next(results.glob("*/tables/scaling.csv")))
    assert list(table.devices) == [1, 2]
    assert table.refusal.isna().all()


def path_of(results: Path, devices: int) -> Path:
    """The record of the launch on so many devices."""
    found = results.glob("*/*/*/record.json")
    return next(path for path in found if read(path).scenario.execution.world.devices == devices)


def test_a_killed_rank_of_msrun_ends_the_launch_too(run):
    record, _, folder = run(KILL + IN_A_STEP_OF_MINDSPORE, "mindspore")
    assert (record.status, record.reason) == ("crashed", "rank 1: killed by SIGKILL")
    for rank in (0, 1):
        wait_until(lambda: is_gone(pid_in(folder / f"pid-{rank}")), patience_s=5)  # noqa: B023
