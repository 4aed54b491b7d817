"""Numbers that are infinite, NaN or not above 0: what the gate finds of them, and that they hide nothing else."""

import json

import pytest

from harness.history.gate import gate
from harness.history.statuses import NOTHING, REGRESSED
from tests.history.made_nights import make_night, texts, titles


def set_rmse(side, launches, rmse):
    """Write another RMSE of the model into the records of launches: a pattern of their numbers."""
    for path in side.rglob(f"{launches}-*/record.json"):
        content = json.loads(path.read_text())
        content["measurements"]["skill"]["scores"][0]["rmse"] = rmse
        path.write_text(json.dumps(content))


def rmse_pairs(result):
    """Of how many pairs the change of the RMSE is told; none where nothing is told."""
    return [each.launches for each in result.cells[0].changes if each.title == "RMSE of u at 6 h"]


def test_a_forecast_that_blew_up_is_a_regression_at_once(tmp_path):
    baseline, candidate = make_night(tmp_path)
    set_rmse(candidate, "03", "NaN")
    result = gate(baseline, candidate)
    assert result.exit_status == REGRESSED
    assert "infinite or NaN" in texts(result, "numbers")[0]


@pytest.mark.parametrize(("rmse", "said"), [("NaN", "infinite or NaN"), ("Infinity", "infinite or NaN"), (0, "not ab")])
@pytest.mark.parametrize("in_turn", [True, False])
def test_a_launch_that_the_baseline_spoilt_does_not_hide_a_worse_score_in_the_others(tmp_path, rmse, said, in_turn):
    baseline, candidate = make_night(tmp_path, rmse=2.0, in_turn=in_turn)
    set_rmse(baseline, "02", rmse)
    result = gate(baseline, candidate)
    assert result.exit_status == REGRESSED
    assert "RMSE of u at 6 h" in titles(result, "found")
    assert rmse_pairs(result) == [5]
    (remark,) = [each for each in result.cells[0].remarks if "RMSE" in each]
    assert remark.startswith(f"RMSE of u at 6 h: {said}")
    assert remark.endswith("in launch 2 of the baseline; left out on both sides")


def test_a_launch_that_the_baseline_spoilt_does_not_hide_that_all_of_the_candidate_blew_up(tmp_path):
    baseline, candidate = make_night(tmp_path)
    set_rmse(baseline, "02", "NaN")
    set_rmse(candidate, "*", "NaN")
    result = gate(baseline, candidate)
    assert result.exit_status == REGRESSED
    assert texts(result, "numbers") == [
        "RMSE of u at 6 h is infinite or NaN in launches 0, 1, 3, 4, 5; it is finite in the baseline"
    ]


@pytest.mark.parametrize("rmse", ["NaN", 0.0])
def test_what_is_wrong_in_the_same_launch_of_both_sides_is_no_finding(tmp_path, rmse):
    sides = make_night(tmp_path)
    for side in sides:
        set_rmse(side, "02", rmse)
    result = gate(*sides)
    assert (result.exit_status, texts(result, "numbers")) == (NOTHING, [])
    assert rmse_pairs(result) == [5]


def test_where_no_launch_of_the_baseline_is_right_a_remark_says_that_nothing_is_compared(tmp_path):
    baseline, candidate = make_night(tmp_path)
    set_rmse(baseline, "*", "NaN")
    result = gate(baseline, candidate)
    assert (result.exit_status, rmse_pairs(result)) == (NOTHING, [])
    assert "infinite or NaN in launches 0, 1, 2, 3, 4, 5 of the baseline" in result.cells[0].remarks[0]


def test_a_quantity_that_is_0_on_both_sides_is_not_remarked_on(tmp_path):
    sides = make_night(tmp_path)
    for side in sides:
        set_rmse(side, "*", 0.0)
    assert gate(*sides).cells[0].remarks == ()


def test_a_number_that_is_not_above_0_any_more_is_a_regression(tmp_path):
    baseline, candidate = make_night(tmp_path)
    set_rmse(candidate, "0[24]", 0.0)
    result = gate(baseline, candidate)
    assert result.exit_status == REGRESSED
    assert texts(result, "numbers") == ["RMSE of u at 6 h is not above 0 in launches 2, 4; it is in the baseline"]
