"""What two cells must share to be compared in skill or energy, and which of several scores decides."""

import numpy as np
import pytest
from made_executions import add_cell, cells_of, group_of
from made_records import make_measurements, make_skill, make_window

from harness.analysis.comparison.ablation import studies
from harness.analysis.comparison.effects import result_of
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import for_energy, for_skill, rmse_deviation
from harness.analysis.comparison.scorecard import Entry
from harness.analysis.quantities.quantity import Quantity
from harness.analysis.quantities.skill import Better, scores_of
from harness.results.record import Energy, Phase, PhaseEnergy
from harness.scenario.execution import GRAPH

NOISE = (0.0, 0.001, -0.001, 0.0004)


def scored(rmse, **changes):
    """Launches with an RMSE by variable, a little more or less in each."""

    def of(launch):
        parts = [make_skill(value * (1 + NOISE[launch]), variable=name) for name, value in rmse.items()]
        skill = parts[0].model_copy(update={"scores": tuple(each for part in parts for each in part.scores)} | changes)
        return {"measurements": make_measurements(launch=launch, skill=skill)}

    return of


def pair(results, ours, theirs, launches=(range(4), range(4))):
    add_cell(results, "ours", execution=GRAPH, made=ours, launches=launches[0])
    add_cell(results, "theirs", made=theirs, launches=launches[1])
    cells = cells_of(results)
    return Comparison(cells["ours"], cells["theirs"], ())


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict", "where"),
    [
        ({"u": 1.01, "v": 0.7}, {"u": 1.0, "v": 1.0}, "not equivalent", "v"),
        ({"u": 1.3, "v": 1.0}, {"u": 1.0, "v": 1.0}, "not equivalent", "u"),
        ({"u": 1.01, "v": 1.0}, {"u": 1.0, "v": 1.0}, "equivalent", "u"),
        ({"u": 1.0, "v": 1.0}, {"u": 1.0}, "undecided", "u"),
        ({"u": 1.0}, {"u": 1.0, "v": 1.0}, "undecided", "u"),
    ],
)
def test_one_variable_that_is_not_the_same_decides_for_all(results, ours, theirs, verdict, where):
    pair(results, scored(ours), scored(theirs))
    (study,) = studies(group_of(dict(sorted(cells_of(results).items(), reverse=True))), ())
    skill = result_of(study.steps[0]).skill
    assert (skill.verdict, skill.where.variable) == (verdict, where)


def test_scores_are_compared_where_all_launches_define_them_alike(results):
    by_row = {"weights": "fourcastnet"}

    def last_otherwise(launch):
        return scored({"u": 1.0}, **(by_row if launch == 3 else {}))(launch)

    found = pair(results, scored({"u": 1.0}), last_otherwise, launches=(range(3), range(4)))
    assert for_skill(found).refusal == ("the skill is defined differently",)
    key = scores_of(found.cell).keys[0]
    assert rmse_deviation(found.cell, found.baseline, key).confidence == 0.9


def test_a_tie_with_a_reference_is_no_win_and_one_win_is_not_always(results):
    made = {0: 1.0, 1: 2.0, 2: 3.0}
    add_cell(
        results,
        "ours",
        made=lambda launch: {"measurements": make_measurements(launch=launch, skill=make_skill(made[launch]))},
    )
    scores = scores_of(cells_of(results)["ours"])
    assert scores.better_than("persistence", scores.keys[0]) == Better(1, 3)
    assert scores.always_better_than("persistence") == Better(0, 1)
    assert scores.better_than("climatology", scores.keys[0]) == Better(2, 3)


def test_an_interval_that_begins_at_0_is_not_significant():
    found = [Entry(None, Quantity(0.1, low, 0.2, verdict="undecided")) for low in (0.0, 1e-9, -1e-9)]
    assert [(each.significant, each.outcome) for each in found] == [
        (False, "undecided"),
        (True, "worse"),
        (False, "undecided"),
    ]


def test_a_baseline_without_energy_is_no_other_sensor(results):
    def measured(launch):
        phases = (Phase(name="inference", t0_ns=0, t1_ns=1, steps=4, samples=8),)
        entry = PhaseEnergy(phase="inference", window=make_window(100.0, 10.0), net_energy_j=None)
        return {
            "measurements": make_measurements(launch=launch, phases=phases),
            "energy": Energy(collector="nvml", reason=None, phases=(entry,)),
        }

    found = pair(results, measured, lambda launch: {})
    assert for_energy(found).refusal == ()
    assert np.isclose(found.cell.summaries[0].energy_uses[0].energy_j, 25.0)
