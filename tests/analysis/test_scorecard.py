"""Scorecards: outcomes against Student's t by hand, what is drawn, in print and without colour."""

import itertools

import matplotlib.colors
import numpy as np
import pytest
from made_records import make_measurements, make_record, make_scenario, make_skill
from made_study import add_study
from matplotlib.patches import Rectangle
from scipy import stats

from harness.analysis.cells import load_results
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.figures import scorecard
from harness.analysis.figures.subject import Illustration, NotDrawn, subjects

NOISE = (-0.012, -0.004, 0.003, 0.013)
SHIFTS = {"u": -0.2, "v": 0.3, "z": 0.002, "t": 0.045, "q": float("nan")}
"""By variable, the relative difference of MindSpore's RMSE; around the margin of 5 % and within it."""

OUTCOMES = {"u": "better", "v": "worse", "z": "equivalent", "t": "worse", "q": "not finite"}


def scored(parts):
    first, *others = parts
    return first.model_copy(update={"scores": (*first.scores, *(score for part in others for score in part.scores))})


def add_pair(results, shifts=SHIFTS, noise=NOISE, leads_h=(6.0, 24.0)):
    for launch, by_chance in enumerate(noise):
        for framework in ("pytorch", "mindspore"):
            ours = framework == "mindspore"
            parts = [
                make_skill((1 + shift + by_chance) if ours else 1.0, variable=variable, lead_h=lead_h)
                for variable, shift in shifts.items()
                for lead_h in leads_h
            ]
            measured = make_measurements(launch=launch, skill=scored(parts))
            results.add(make_record(framework, launch, measurements=measured))


def draw(results):
    """The scorecards of a folder of one subject by cell, beside PyTorch."""
    found = load_results(results.path)
    comparisons = BaselineName("pytorch").compare_all(found.cells)
    (subject,) = subjects(found.groups(), comparisons)
    return {item.name.removeprefix(f"scorecard-{subject.stem}-"): item for item in scorecard.illustrate(subject)}


def texts_of(axes):
    """The texts of the squares by column and row, with hyphens for signs."""
    return {
        (round(text.get_position()[0]), round(text.get_position()[1])): text.get_text().replace("\N{MINUS SIGN}", "-")
        for text in axes.texts
    }


@pytest.fixture
def card(results):
    add_pair(results)
    return draw(results)["mindspore graph"]


def test_outcomes_are_what_student_says(card):
    rows = card.data[card.data["opponent"] == "pytorch eager"]
    assert dict(zip(rows["variable"], rows["outcome"], strict=True)) == OUTCOMES
    half = stats.t.ppf(0.95, 3) * np.std(NOISE, ddof=1) / 2
    for row in rows[rows["variable"] != "q"].itertuples():
        mean = SHIFTS[row.variable] + np.mean(NOISE)
        bounds = row.rmse_deviation_low90_fraction, row.rmse_deviation_high90_fraction
        assert row.rmse_deviation_fraction == pytest.approx(mean)
        assert bounds == pytest.approx((mean - half, mean + half))
        assert row.significant == (not bounds[0] <= 0 <= bounds[1])
        assert row.pairs == 4


def test_each_square_has_the_colour_and_the_number_of_its_outcome(card):
    first, second = card.figure.axes
    assert [text.get_text() for text in first.get_yticklabels()] == list(SHIFTS)
    assert [text.get_text() for text in first.get_xticklabels()] == ["6", "24"]
    assert first.get_title() == "RMSE against PyTorch eager (%)"
    assert second.get_title() == "RMSE against persistence (%)"
    shown = texts_of(first)
    assert [shown[0, row] for row in range(5)] == ["▼-20", "▲+30", "+0.2", "▲+4.5", ""]
    assert texts_of(second)[1, 0] == "▼-60"
    colours = [patch.get_facecolor() for patch in first.patches if isinstance(patch, Rectangle)]
    for number, variable in enumerate(SHIFTS):
        look = scorecard.LOOKS[OUTCOMES[variable]]
        assert colours[2 * number] == matplotlib.colors.to_rgba(look["facecolor"])
    assert [patch.get_hatch() for patch in first.patches][-1] == "xxxx"


def test_colours_stay_apart_without_colour():
    def lightness(colour):
        linear = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour])
        return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16

    found = sorted(lightness(matplotlib.colors.to_rgb(look["facecolor"])) for look in scorecard.LOOKS.values())
    apart = np.diff(found)
    assert apart[apart > 0].min() > 9


def test_the_caption_states_pairs_intervals_and_definitions(card):
    for part in (
        "mindspore graph, against pytorch eager and persistence",
        "(n = 4)",
        "90 % interval (Student's t)",
        "within +-5 %",
        "By chance alone 2 of 16 would have a triangle.",
        "Crossed: the forecast blew up.",
        "Weights: area. RMSE: pooled.",
    ):
        assert part in card.caption


def test_the_baseline_itself_is_compared_with_persistence_alone_in_one_column(results):
    add_pair(results, {"u": 0.0})
    items = draw(results)
    assert set(items["pytorch eager"].data["opponent"]) == {"persistence"}
    assert items["pytorch eager"].figure.get_figwidth() == 3.35
    assert items["mindspore graph"].figure.get_figwidth() == 6.9
    assert "Not compared" not in items["pytorch eager"].caption


def test_two_launches_have_no_interval_and_no_outcome(results):
    add_pair(results, {"u": -0.2}, NOISE[:2])
    item = draw(results)["mindspore graph"]
    assert set(item.data["outcome"]) == {"undecided"}
    assert texts_of(item.figure.axes[0])[0, 0] == "-21*"
    assert "fewer than 3 pairs" in item.caption
    assert "By chance" not in item.caption


def test_a_refused_comparison_is_named(results):
    add_pair(results, {"u": -0.2})
    other = make_scenario("mindspore", "graph", channels=("u", "q"))
    for launch in range(3):
        results.add(make_record("mindspore", launch, scenario=other, attempt=f"other-{launch}"))
    found = [item for item in draw(results).values() if "Not compared with its baseline" in item.caption]
    (item,) = found
    assert set(item.data["opponent"]) == {"persistence"}


def test_without_scores_there_is_none(results):
    results.add(make_record(measurements=make_measurements(skill=None)))
    (item,) = draw(results).values()
    assert isinstance(item, NotDrawn)
    assert item.reason == "no launch was scored"


def test_many_variables_and_lead_times_are_thinned_and_said(results):
    add_pair(results, {f"v{number}": 0.01 for number in range(60)}, leads_h=tuple(6.0 * lead for lead in range(1, 11)))
    item = draw(results)["mindspore graph"]
    assert isinstance(item, Illustration)
    assert len(item.data) == 2 * 60 * 10
    assert "36 of 60 variables and 7 of 10 lead times" in item.caption
    assert item.figure.get_figheight() < 9.2


def test_figures_and_baseline_of_the_command(results):
    add_study(results, chips=("cpu",), launches=3)
    add = load_results(results.path)
    comparisons = BaselineName.parse("mindspore", add.cells).compare_all(add.cells)
    (subject,) = subjects(add.groups(), comparisons)
    against = {item.data["cell"].iloc[0]: item.data["opponent"].iloc[0] for item in scorecard.illustrate(subject)}
    assert against == {"pytorch eager": "mindspore graph", "mindspore graph": "persistence"}


def test_where_the_opponent_alone_blew_up_there_is_a_square_and_a_word(results):
    for launch, framework in itertools.product(range(3), ("pytorch", "mindspore")):
        ours = framework == "mindspore"
        rmse = {"u": 1.0, "v": 1.0 if ours else np.inf, "z": np.nan, "t": 1.0 if ours else 0.0}
        parts = [make_skill(value, variable=variable) for variable, value in rmse.items()]
        parts += [make_skill(1.0, variable="u", lead_h=24.0)] if ours else []
        results.add(make_record(framework, launch, measurements=make_measurements(launch=launch, skill=scored(parts))))
    item = draw(results)["mindspore graph"]
    rows = item.data[item.data["opponent"] == "pytorch eager"]
    assert dict(zip(zip(rows["variable"], rows["lead_h"], strict=True), rows["outcome"], strict=True)) == {
        ("u", 6.0): "equivalent",
        ("u", 24.0): "no ratio",
        ("v", 6.0): "opponent not finite",
        ("z", 6.0): "not finite",
        ("t", 6.0): "no ratio",
    }
    squares = [patch for patch in item.figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert [square.get_hatch() for square in squares] == [None, "....", "////", "xxxx", "...."]
    for part in ("Crossed: the forecast blew up.", "Hatched: that of the opponent blew up.", "Dotted: no launch has"):
        assert part in item.caption
    assert {"opponent not finite", "no ratio"} <= {text.get_text() for text in item.figure.legends[0].get_texts()}
