"""The equivalence gate and the launches that decide it, on simulated studies whose truth is known."""

import numpy as np
import pytest
from made_records import make_measurements, make_record
from reports import read, run

from harness.analysis.sample_size import MOST, chance_of_decision, further_launches, launches_to_decide
from harness.analysis.statistics import MARGIN, Deviation, equivalence, relative_deviation

STUDIES = 2000
ERROR = 3 * np.sqrt(0.25 / STUDIES)
"""Three standard errors of a simulated share."""


def verdicts(mean, spread, launches, seed=0):
    """What the gate says of studies with normal deviations, each from the numbers of its launches alone."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(STUDIES):
        ours = 1 + random.normal(mean, spread, launches)
        deviation = relative_deviation(dict(enumerate(ours)), dict.fromkeys(range(launches), 1.0))
        found.append(equivalence(deviation))
    return np.array(found)


@pytest.mark.parametrize(
    ("mean", "spread", "decided"),
    [
        (0.0, 0.05, "equivalent"),
        (0.02, 0.03, "equivalent"),
        (-0.03, 0.02, "equivalent"),
        (0.08, 0.04, "not equivalent"),
        (-0.06, 0.01, "not equivalent"),
    ],
)
def test_with_the_launches_asked_for_the_verdict_is_reached_as_often_as_promised(mean, spread, decided):
    launches = launches_to_decide(mean, spread)
    assert (verdicts(mean, spread, launches) == decided).mean() > 0.8 - ERROR
    assert (verdicts(mean, spread, launches - 1) == decided).mean() < 0.8 + 0.05 + ERROR


@pytest.mark.parametrize("mean", [MARGIN, -MARGIN])
@pytest.mark.parametrize("launches", [3, 5, 20])
def test_a_deviation_of_exactly_the_margin_is_called_equivalent_in_five_percent_at_most(mean, launches):
    assert (verdicts(mean, 0.01, launches) == "equivalent").mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / STUDIES)


def test_the_chance_is_that_of_simulated_studies():
    for mean, spread, launches in ((0.0, 0.02, 4), (0.03, 0.02, 6), (0.07, 0.02, 5)):
        simulated = (verdicts(mean, spread, launches) != "undecided").mean()
        assert chance_of_decision(mean, spread, launches) == pytest.approx(simulated, abs=0.02 + ERROR)


def test_no_more_is_promised_than_happens_where_both_bounds_are_near():
    """Each test alone rejects in 60 %: the two together seldom do, and their product would promise 35 %."""
    simulated = (verdicts(0.0, 0.1, 16, seed=1) == "equivalent").mean()
    assert chance_of_decision(0.0, 0.1, 16) < simulated + ERROR


def test_three_launches_are_enough_where_nothing_scatters():
    assert launches_to_decide(0.0, 1e-4) == 3


def test_more_launches_never_decide_less():
    chances = [chance_of_decision(0.02, 0.05, launches) for launches in range(3, 60)]
    assert chances == sorted(chances)


def test_nothing_is_asked_for_where_the_verdict_stands():
    assert further_launches(Deviation(0.01, 0.0, 0.02, 5)) == 0
    assert further_launches(Deviation(0.09, 0.06, 0.12, 5)) == 0


def test_three_launches_are_asked_for_first():
    assert further_launches(Deviation(0.01, None, None, 1)) == 2


def test_a_mean_too_near_the_margin_is_never_decided():
    assert further_launches(Deviation(0.0499, 0.03, 0.0698, 5)) is None
    assert launches_to_decide(0.0499, 0.02) is None


def test_asking_and_adding_lead_to_the_total():
    ours = {0: 1.06, 1: 0.95, 2: 1.01, 3: 0.99}
    deviation = relative_deviation(ours, dict.fromkeys(ours, 1.0))
    total = launches_to_decide(deviation.mean, float(np.std(list(ours.values()), ddof=1)))
    assert equivalence(deviation) == "undecided"
    assert further_launches(deviation) == total - 4
    assert total < MOST


def test_the_tables_say_how_many(results):
    for launch, rmse in enumerate((1.02, 0.90, 1.09)):
        results.add(
            make_record("pytorch", launch),
            make_record("mindspore", launch, measurements=make_measurements(launch=launch, rmse=rmse)),
        )
    run(results, width=200)
    table, markdown = read(results, "skill")
    port = table.loc["mindspore graph"]
    row = port[port["forecaster"] == "model"].iloc[0]
    deviation = relative_deviation({0: 1.02, 1: 0.90, 2: 1.09}, {0: 1.0, 1: 1.0, 2: 1.0})
    assert row["rmse_equivalence"] == "undecided"
    assert row["rmse_equivalence_further_launches"] == further_launches(deviation)
    assert f"| undecided | {further_launches(deviation)} |" in " ".join(markdown.split())
