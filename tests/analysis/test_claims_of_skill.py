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


def add_two(results, framework, further, *, acc=0.9):
    """Three launches with scores of u and, where there is any, of a further variable: RMSE and that of persistence."""
    for launch, noise in enumerate(NOISE):
        skill = make_skill(1 + noise, acc=0.9)
        if further:
            rmse, persistence = further
            more = make_skill(rmse * (1 + noise), persistence=persistence, variable="mask", acc=acc)
            skill = skill.model_copy(update={"scores": skill.scores + more.scores})
        measured = make_measurements(launch=launch, skill=skill)
        results.add(make_record(framework, launch, scenario=make_scenario(framework, "eager"), measurements=measured))


OF_A_PORT = {"cells": ["cpu/mindspore"], "baseline": "cpu/pytorch"}


@pytest.mark.parametrize(
    ("persistence", "said"),
    [
        (0.0, "no ratio, an RMSE of persistence is 0: mask at 6 h"),
        (float("nan"), "RMSE of mask at 6 h of persistence is NaN in launches 0, 1, 2"),
    ],
)
def test_a_variable_without_a_ratio_leaves_the_claim_undecided(results, tmp_path, persistence, said):
    add_two(results, "mindspore", (0.5, persistence))
    rows, _ = judge(results, tmp_path, **ONE_CELL, expect={"at_most": 1.0})
    assert list(rows["of"].dropna()) == ["u at 6 h"]
    assert set(rows["outcome"]) == {"undecided"}
    assert said in " ".join(rows["missing"].dropna())


@pytest.mark.parametrize(
    ("quantity", "of_port", "of_base", "said"),
    [
        ("rmse", (0.5, 1.0), None, "no RMSE of cpu/pytorch eager: mask at 6 h"),
        ("rmse", (0.5, 1.0), (0.0, 1.0), "no ratio, an RMSE of cpu/pytorch eager is 0: mask at 6 h"),
        ("acc", (0.5, 1.0), None, "no ACC of cpu/pytorch eager: mask at 6 h"),
    ],
)
def test_what_the_baseline_lacks_is_named(results, tmp_path, quantity, of_port, of_base, said):
    add_two(results, "mindspore", of_port)
    add_two(results, "pytorch", of_base)
    expect = {"at_least": 0.9} if quantity == "rmse" else {"at_least": -0.1}
    rows, _ = judge(results, tmp_path, **OF_A_PORT | {"quantity": quantity, "expect": expect})
    assert set(rows["outcome"]) == {"undecided"}
    assert said in " ".join(rows["missing"].dropna())


def test_an_acc_that_is_not_defined_is_named(results, tmp_path):
    add_two(results, "mindspore", (0.5, 1.0), acc=None)
    rows, _ = judge(results, tmp_path, **ONE_CELL | {"quantity": "acc", "expect": {"at_least": 0.1}})
    assert set(rows["outcome"]) == {"undecided"}
    assert "no ACC of cpu/mindspore eager: mask at 6 h" in " ".join(rows["missing"].dropna())


def test_what_the_baseline_alone_was_scored_for_is_no_part_of_the_claim(results, tmp_path):
    add_two(results, "mindspore", None)
    add_two(results, "pytorch", (0.5, 1.0))
    rows, _ = judge(results, tmp_path, **OF_A_PORT | {"quantity": "rmse", "expect": {"at_least": 0.9}})
    assert list(rows["outcome"]) == ["confirmed"]


def add_leads(results):
    """RMSE over persistence: u 0.5 at 6 h and 1.5 at 24 h, v 0.8 and 1.2."""
    for launch, noise in enumerate(NOISE):
        scores = tuple(
            score
            for variable, lead_h, ratio in (("u", 6.0, 0.5), ("u", 24.0, 1.5), ("v", 6.0, 0.8), ("v", 24.0, 1.2))
            for score in make_skill(2.0 * ratio * (1 + noise), lead_h=lead_h, variable=variable).scores
        )
        measured = make_measurements(launch=launch, skill=make_skill(1.0).model_copy(update={"scores": scores}))
        scenario = make_scenario("mindspore", "eager")
        results.add(make_record("mindspore", launch, scenario=scenario, measurements=measured))


@pytest.mark.parametrize(
    ("named", "ratios", "outcome"),
    [
        ({}, [0.5, 1.5, 0.8, 1.2], "refuted"),
        ({"lead_hours": [6]}, [0.5, 0.8], "confirmed"),
        ({"lead_hours": [24]}, [1.5, 1.2], "refuted"),
        ({"variables": ["v"]}, [0.8, 1.2], "refuted"),
        ({"variables": ["v"], "lead_hours": [6]}, [0.8], "confirmed"),
    ],
)
def test_a_claim_may_speak_of_some_variables_and_lead_times(results, tmp_path, named, ratios, outcome):
    add_leads(results)
    rows, _ = judge(results, tmp_path, **ONE_CELL, **named, expect={"at_most": 0.9})
    assert sorted(rows["ratio"]) == pytest.approx(sorted(ratios), rel=1e-2)
    assert set(rows["outcome"]) == {outcome}


@pytest.mark.parametrize(
    ("named", "outcome", "said"),
    [
        ({"variables": ["u", "w"], "lead_hours": [6]}, "undecided", "no scores of 'w'; choose from: u, v"),
        ({"lead_hours": [6, 72]}, "undecided", "no scores at 72 h, only at 6, 24 h"),
        ({"variables": ["w"]}, "not measured", "no scores of 'w'; choose from: u, v"),
    ],
)
def test_what_a_claim_names_and_nobody_scored_leaves_it_open(results, tmp_path, named, outcome, said):
    add_leads(results)
    rows, _ = judge(results, tmp_path, **ONE_CELL, **named, expect={"at_most": 0.9})
    assert set(rows["outcome"]) == {outcome}
    assert said in " ".join(rows["missing"].dropna())


def test_variables_go_with_scores_alone(results, tmp_path):
    add_leads(results)
    with pytest.raises(UserError, match="variables and lead_hours go only with rmse and acc"):
        judge(
            results,
            tmp_path,
            cells=["cpu/mindspore"],
            baseline="cpu/pytorch",
            quantity="epoch_s",
            expect={"at_most": 1},
            variables=["u"],
        )
