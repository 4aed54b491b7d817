"""Claims that speak of forecasts that need no model, and of ACC."""

import pytest
from ledgers import judge
from made_records import make_measurements, make_record, make_scenario, make_skill

from harness.errors import UserError

NOISE = (0.0, 0.004, -0.004)
ONE_CELL = {"cells": ["cpu/mindspore"], "baseline": "persistence", "quantity": "rmse"}


def add(results, framework, *, rmse=1.0, acc=0.9):
    """Three launches; persistence has an RMSE of 2 and an ACC of 0.7."""
    for launch, noise in enumerate(NOISE):
        skill = make_skill(rmse * (1 + noise), acc=acc * (1 + noise))
        scenario = make_scenario(framework, "eager")
        measured = make_measurements(launch=launch, skill=skill)
        results.add(make_record(framework, launch, scenario=scenario, measurements=measured))


@pytest.mark.parametrize(("rmse", "outcome"), [(1.0, "confirmed"), (2.0, "undecided"), (3.0, "refuted")])
def test_below_persistence(results, tmp_path, rmse, outcome):
    add(results, "mindspore", rmse=rmse)
    rows, output = judge(results, tmp_path, **ONE_CELL, expect={"at_most": 1.0})
    assert list(rows["outcome"]) == [outcome]
    assert rows["ratio"][0] == pytest.approx(rmse / 2.0, rel=1e-3)
    assert (rows["baseline"][0], rows["pairs"][0]) == ("persistence", 3)
    assert "cpu/mindspore-eager" in output


def test_above_climatology(results, tmp_path):
    add(results, "mindspore", rmse=1.0)
    rows, _ = judge(results, tmp_path, **ONE_CELL | {"baseline": "climatology"}, expect={"at_most": 1.0})
    assert rows["ratio"][0] == pytest.approx(1.0 / 3.0, rel=1e-3)


def test_acc_against_persistence_is_a_difference(results, tmp_path):
    add(results, "mindspore", acc=0.9)
    changes = ONE_CELL | {"quantity": "acc", "expect": {"at_least": 0.1}}
    rows, output = judge(results, tmp_path, **changes)
    assert rows["ratio"][0] == pytest.approx(0.9 - 0.7, rel=1e-3)
    assert list(rows["outcome"]) == ["confirmed"]
    assert "difference of ACC, u at 6 h" in output


@pytest.mark.parametrize(("acc", "outcome"), [(0.9, "confirmed"), (0.8, "refuted")])
def test_acc_of_a_port_may_fall_by_so_much(results, tmp_path, acc, outcome):
    add(results, "pytorch", acc=0.9)
    add(results, "mindspore", acc=acc)
    changes = {"cells": ["cpu/mindspore"], "baseline": "cpu/pytorch", "quantity": "acc"}
    rows, _ = judge(results, tmp_path, **changes, expect={"at_least": -0.01})
    assert rows["ratio"][0] == pytest.approx(acc - 0.9, abs=1e-3)
    assert list(rows["outcome"]) == [outcome]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"quantity": "epoch_s"}, "persistence is a baseline of rmse and acc only"),
        ({"baseline": "climatology", "quantity": "acc"}, "climatology has no acc"),
        ({"expect": {"at_least": -0.1}}, "the bounds of a ratio must be greater than 0"),
        ({"baseline": "persistance"}, "must be chip/framework"),
    ],
)
def test_what_makes_no_claim_is_refused(results, tmp_path, changes, complaint):
    add(results, "mindspore")
    with pytest.raises(UserError, match=complaint):
        judge(results, tmp_path, **{**ONE_CELL, "expect": {"at_most": 1.0}, **changes})


def test_what_was_not_scored_is_not_measured(results, tmp_path):
    measured = make_measurements(skill=None)
    results.add(make_record("mindspore", scenario=make_scenario("mindspore", "eager"), measurements=measured))
    rows, _ = judge(results, tmp_path, **ONE_CELL, expect={"at_most": 1.0})
    assert list(rows["outcome"]) == ["not measured"]
