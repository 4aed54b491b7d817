"""Regions that share but a name are of other points; the cell that scores the same ones is the baseline."""

from functools import partial

import pytest
from drawing import draw, one
from made_executions import add_cell, cells_of, group_of
from made_records import make_measurements, make_record, make_skill
from reports import read, run

from harness.analysis.cells import load_results
from harness.analysis.comparison.ablation import studies
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.ratios import for_skill
from harness.analysis.figures import scorecard, skill
from harness.scenario.execution import GRAPH
from harness.scenario.regions import Band, Region
from harness.scenario.schema import InferenceConfig

TROPICS, NORTH = (0, 20), (40, 80)


def scoring(south, north, **changes):
    region = Region(name="home", latitude=(Band(south=south, north=north),))
    return {"inference": InferenceConfig(regions=(region,), **changes)}


def of_region(launch):
    """A launch whose RMSE is the same of all points and of the region."""
    scores = make_skill(1.0 + launch / 1000)
    regional = tuple(score.model_copy(update={"region": "home"}) for score in scores.scores)
    scored = scores.model_copy(update={"scores": scores.scores + regional})
    return {"measurements": make_measurements(launch=launch, skill=scored)}


def baseline_of(cells, name):
    return BaselineName("pytorch").compare(cells[name], list(cells.values()))


def test_other_bounds_of_a_region_of_the_same_name_are_refused_with_both(results):
    add_cell(results, "base", made=of_region, **scoring(*TROPICS))
    add_cell(results, "port", framework="mindspore", execution=GRAPH, made=of_region, **scoring(*NORTH))
    compared = baseline_of(cells_of(results), "port")
    assert compared.refusal == ()
    line = "region home: 40 to 80 degrees north here, 0 to 20 degrees north in the baseline"
    assert for_skill(compared).refusal == (line,)
    output = run(results, width=300)
    assert line in output
    assert "home: 0 to 20 degrees north (pytorch eager)" in output
    assert read(results, "skill")[0]["rmse_equivalence"].isna().all()


def test_the_same_bounds_are_compared(results):
    add_cell(results, "base", made=of_region, **scoring(*NORTH))
    add_cell(results, "port", framework="mindspore", execution=GRAPH, made=of_region, **scoring(*NORTH))
    assert for_skill(baseline_of(cells_of(results), "port")).refusal == ()
    assert "home: 40 to 80 degrees north\n" in run(results, width=300)


@pytest.mark.parametrize("bounds", [TROPICS, NORTH])
def test_the_baseline_is_the_twin_that_scores_the_same(results, bounds):
    add_cell(results, "tropics", made=of_region, **scoring(*TROPICS))
    add_cell(results, "north", made=of_region, **scoring(*NORTH))
    port = scoring(*bounds, max_steps=300)
    add_cell(results, "port", framework="mindspore", execution=GRAPH, made=of_region, **port)
    compared = baseline_of(cells_of(results), "port")
    assert compared.baseline.scenario.inference.regions == port["inference"].regions


@pytest.mark.parametrize("steps", [210, 220])
def test_of_twins_that_score_the_same_it_is_the_one_that_infers_the_same(results, steps):
    for of_twin in (210, 220):
        add_cell(results, f"base{of_twin}", made=of_region, **scoring(*NORTH, max_steps=of_twin))
    scenario = scoring(*NORTH, max_steps=steps)
    add_cell(results, "port", framework="mindspore", execution=GRAPH, made=of_region, **scenario)
    assert baseline_of(cells_of(results), "port").baseline.scenario.inference.max_steps == steps


@pytest.mark.parametrize("bounds", [TROPICS, NORTH])
def test_the_base_of_an_ablation_is_the_one_that_scores_the_same(results, bounds):
    add_cell(results, "tropics", made=of_region, **scoring(*TROPICS))
    add_cell(results, "north", made=of_region, **scoring(*NORTH))
    add_cell(results, "other", execution=GRAPH, made=of_region, **scoring(*bounds))
    (study,) = studies(group_of(cells_of(results)), ())
    assert study.base.scenario.inference.regions == scoring(*bounds)["inference"].regions


@pytest.mark.parametrize(("unscored", "said"), [("mindspore", "the cell"), ("pytorch", "the baseline")])
def test_a_cell_without_scores_is_not_said_to_be_scored_differently(results, unscored, said):
    for framework in ("pytorch", "mindspore"):
        for launch in range(3):
            scores = None if framework == unscored else make_skill(1.0)
            results.add(make_record(framework, launch, measurements=make_measurements(launch=launch, skill=scores)))
    cells = {cell.scenario.framework: cell for cell in load_results(results.path).cells}
    assert for_skill(baseline_of(cells, "mindspore")).refusal == (f"{said} has no scores",)


def test_launches_of_several_definitions_are_compared_only_with_the_same_in_each(results):
    for framework, first in (("pytorch", 1), ("mindspore", 2)):
        for launch in range(4):
            scores = make_skill(1.0).model_copy(update={"weights": "area" if launch < first else "other"})
            results.add(make_record(framework, launch, measurements=make_measurements(launch=launch, skill=scores)))
    cells = {cell.scenario.framework: cell for cell in load_results(results.path).cells}
    assert for_skill(baseline_of(cells, "mindspore")).refusal == ("the skill is defined differently",)


def test_captions_tell_regions_that_share_a_name_apart(results):
    add_cell(results, "base", made=of_region, **scoring(*TROPICS))
    add_cell(results, "port", framework="mindspore", execution=GRAPH, made=of_region, **scoring(*NORTH))
    defined = "Weights: area. RMSE: pooled. ACC: uncentred. Climatology: training period, by time mean."
    tropics, north = "home: 0 to 20 degrees north", "home: 40 to 80 degrees north"
    caption = one(results, skill).caption
    assert caption.endswith(f"{defined} {tropics} (pytorch eager). {north} (mindspore graph).")
    captions = {card.name.rpartition("-")[2]: card.caption for card in draw(results, scorecard)}
    assert captions["pytorch eager"].endswith(f"{defined} {tropics}.")
    assert captions["mindspore graph"].endswith(f"{defined} {north}.")


def test_captions_say_which_definition_is_whose(results):
    for framework, weights in (("pytorch", "area"), ("mindspore", "fourcastnet")):
        scores = make_skill(1.0, persistence=2.0 if framework == "pytorch" else 3.0)
        measured = make_measurements(skill=scores.model_copy(update={"weights": weights}))
        results.add(make_record(framework, measurements=measured))
    caption = one(results, skill).caption
    rest = "RMSE: pooled. ACC: uncentred. Climatology: training period, by time mean."
    assert f"Weights: area. {rest} (pytorch eager)" in caption
    assert f"Weights: fourcastnet. {rest} (mindspore graph)" in caption
    assert "differs from that shown: other data." in caption


def test_another_persistence_is_that_of_other_bounds(results):
    """And no region is defined that has no variable in the figure."""

    def made(launch, persistence):
        scores = make_skill(1.0, persistence=persistence)
        regional = tuple(score.model_copy(update={"region": "home"}) for score in scores.scores)
        return {"measurements": make_measurements(launch=launch, skill=scores.model_copy(update={"scores": regional}))}

    for name, framework, bounds, persistence in (("a", "pytorch", TROPICS, 2.0), ("b", "mindspore", NORTH, 3.0)):
        regions = (*scoring(*bounds)["inference"].regions, Region(name="unscored", latitude=(Band(south=0, north=9),)))
        inference = InferenceConfig(regions=regions)
        add_cell(results, name, framework=framework, made=partial(made, persistence=persistence), inference=inference)
    caption = one(results, skill).caption
    assert "differs from that shown: other bounds of a region." in caption
    assert "unscored" not in caption
