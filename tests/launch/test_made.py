"""A launch is made already exactly where the tables count it."""

import json
import shutil
from datetime import datetime, timedelta, timezone
from functools import partial

import pytest

from harness.analysis.cells import load_results
from harness.launch.made import MadeLaunches, is_made
from harness.launch.plan import LaunchPlan
from harness.machine import environment
from harness.machine import identity as machine
from harness.scenario import catalogue
from tests.analysis.made_records import ResultsFolder, make_environment, make_failure, make_record, make_scenario
from tests.launch.conftest import records
from tests.launch.stand_in import stand_in
from tests.made_machine import UUID, make_machine
from tests.shared import shared_path

HERE = make_environment(host="a" * 12)

CPU = catalogue.chip("cpu")


@pytest.fixture
def results(tmp_path):
    """An empty folder of results with methods that fill it."""
    return ResultsFolder(tmp_path / "results")


def plan(launch=0, **changes):
    return LaunchPlan(scenario=make_scenario(**changes), chip=CPU, launch=launch, order=0, bench="b", attempt="new")


def on(host, launch=0, **changes):
    return make_record("pytorch", launch, environment=make_environment(host=host, **changes))


@pytest.mark.parametrize(
    ("record", "made"),
    [
        (on("a" * 12), True),
        (on("a" * 12, cpu_name="the CPU before the upgrade"), True),
        (on("b" * 12), True),
        (on("b" * 12, cpu_count=64), False),
        (on("a" * 12, launch=1), False),
        (make_failure("pytorch"), False),
        (make_record(scenario=make_scenario(seed=5)), False),
        (make_record(scenario=make_scenario(suite="other")), False),
    ],
)
def test_a_launch_that_tables_of_this_host_count(results, record, made):
    results.add(record)
    assert (MadeLaunches(results.path, HERE).completed(plan()) is not None) == made
    assert is_made(plan(), results.path, HERE) == made


@pytest.mark.parametrize("now", [0, -1])
def test_a_launch_under_any_identity_of_this_machine(results, now, tmp_path):
    """What the program made when hosts were host names, and what one run as another user makes, are not made again."""
    known = [*machine.identities(make_machine(tmp_path / "machine", uuid=UUID), {})]
    results.add(on(known[now].digest, host_identity=known[now].kind))
    here = make_environment(host=known[0].digest, host_identity=known[0].kind)
    made = MadeLaunches(results.path, here)
    assert [made.completed(plan(launch)) is not None for launch in (0, 1)] == [True, False]
    results.add(make_record("pytorch", 1, environment=here))
    assert [[*cell.by_launch] for cell in load_results(results.path).cells] == [[0, 1]]


def test_whatever_the_folder_is_called(results):
    path = results.add(on("b" * 12))
    path.parent.parent.parent.rename(results.path / "copied from elsewhere")
    assert MadeLaunches(results.path, HERE).completed(plan())


def test_after_the_missing_ones_every_table_is_complete(results):
    """Launches nowhere, here or there in every way: with what is left made here, no cell lacks a launch."""
    for pattern in range(3**3):
        shutil.rmtree(results.path)
        results.path.mkdir()
        for launch in range(3):
            host = pattern // 3**launch % 3
            if host:
                results.add(on("ab"[host - 1] * 12, launch))
        made = MadeLaunches(results.path, HERE)
        for launch in range(3):
            if made.completed(plan(launch)) is None:
                results.add(on("a" * 12, launch))
        for cell in load_results(results.path).cells:
            assert [record.launch for record in cell.launches] == [0, 1, 2], pattern


class TestDamaged:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: text.replace('"duration_s": 10.0', '"duration_s": "long"'),
            lambda text: json.dumps({"status": "completed"}),
            lambda text: text.replace("2026-01-01T00:00:00+00:00", "yesterday"),
            lambda text: text.replace('"first_step_s": ', '"first_step_s": "x", "was": '),
        ],
    )
    def test_a_record_that_says_completed_does_not_count_and_is_named(self, results, damage):
        path = results.add(on("a" * 12))
        path.write_text(damage(path.read_text()))
        assert '"status": "completed"' in path.read_text()
        made = MadeLaunches(results.path, HERE)
        assert made.completed(plan()) is None
        (unusable,) = made.unusable(plan(), results.path)
        assert unusable.problem.startswith(f"{path}: damaged: ")
        kept = unusable.set_aside()
        assert (kept.name, path.exists()) == ("record.damaged.json", False)
        assert load_results(results.path).problems == ()

    def test_one_of_a_newer_version_stays(self, results):
        path = results.add(on("a" * 12))
        path.write_text(path.read_text().replace('"schema_version": 3', '"schema_version": 9'))
        (unusable,) = MadeLaunches(results.path, HERE).unusable(plan(), results.path)
        assert unusable.set_aside() is None
        assert path.exists()


class TestClock:
    @pytest.mark.parametrize("hours", [-1, 1])
    def test_a_record_from_the_future_is_named(self, results, hours):
        started = datetime.now(timezone(timedelta(hours=8))) + timedelta(hours=hours)
        path = results.add(make_record(started_at=started.isoformat(timespec="seconds")))
        problem = MadeLaunches(results.path, HERE).clock_problem(plan())
        assert (problem is not None) == (hours > 0)
        assert problem is None or f"{path} was made at {started.isoformat(timespec='seconds')}" in problem


def test_shared_cases_count_whole_on_their_kind_of_host():
    folder = shared_path("cases/records/one-cell-on-two-hosts")
    found = next(cell for cell in load_results(folder).cells)
    here = found.launches[0].environment.model_copy(update={"host": "c" * 12})
    made = MadeLaunches(folder, here)
    plans = [
        LaunchPlan(scenario=found.scenario, chip=CPU, launch=launch, order=0, bench="b", attempt="new")
        for launch in range(4)
    ]
    assert [made.completed(plan) is not None for plan in plans] == [True, True, True, False]


def test_a_bench_makes_damaged_launches_again_and_refuses_a_clock_that_is_behind(write_suite, crosscast, tmp_path):
    suite, crosscast = write_suite(), partial(crosscast, env=stand_in(tmp_path / "stand_in"))
    assert crosscast("bench", "--suite", suite).returncode == 0
    (damaged,) = (tmp_path / "results").glob("*/*/*/record.json")
    damaged.write_text(damaged.read_text().replace('"duration_s": ', '"duration_s": "long", "was": '))

    done = crosscast("bench", "--suite", suite)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert f"launch 0 of micro-model pytorch eager is made again: {damaged.relative_to(tmp_path)}: damaged: " in said
    assert "record.json is kept as record.damaged.json" in said
    (made,) = records(tmp_path / "results")
    assert (made["launch"], made["status"]) == (0, "completed")

    (path,) = (tmp_path / "results").glob("*/*/*/record.json")
    path.write_text(path.read_text().replace(environment.host_digest(), "f" * 12))
    again = crosscast("bench", "--suite", suite)
    assert "1 of 1 launches are done already" in again.stdout
    assert "1 of them on other hosts of the same kind" in again.stdout

    future = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat(timespec="seconds")
    path.write_text(path.read_text().replace(made["started_at"], future))
    refused = crosscast("bench", "--suite", suite, "--fresh")
    assert refused.returncode == 2
    assert f"{path.relative_to(tmp_path)} was made at {future}" in refused.stderr
    assert refused.stderr.endswith("set the clock right or remove that record; nothing was launched\n")
    assert len(records(tmp_path / "results")) == 1
