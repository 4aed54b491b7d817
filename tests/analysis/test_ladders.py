"""The ladder of the study's suite, and what cells have no ladder or one of their own."""

import pytest
from made_executions import add_cell, cells_of, group_of

from harness.analysis.comparison.ablation import ladders
from harness.scenario import catalogue
from harness.scenario.execution import EAGER, GRAPH, Compilation, Execution, Precision, Recompute
from harness.scenario.matrix import ways_of

BLOCKS = Execution(recompute=Recompute(unit="blocks"))
RANGES = Execution(recompute=Recompute(unit="ranges", ranges=4))
GRAPH_BF16 = Execution(compilation=Compilation(mode="graph"), precision=Precision(autocast="bf16"))

STUDY = catalogue.suite("study")
RUNGS = ["PyTorch", "MindSpore", "graph", "graph-kernel fusion", "mixed precision", "prefetch", "data sink"]
RUNGS += ["recompute", "eight devices"]
IN_WORDS = ["mindspore", "graph", "O1", "fp16", "prefetch 4 + 2 workers"]
"""Up to the sink, which takes the prefetch back: what suites do not declare is a ladder as long as it only adds."""


@pytest.mark.parametrize("model", STUDY.models, ids=lambda model: model.model)
class TestTheStudy:
    """The cells that the study's suite makes of a model."""

    def ladder_of(self, results, model, *, without=(), declared=True, backwards=False):
        ways = [way for way in ways_of(STUDY.model_copy(update={"models": (model,)})) if way.variant]
        ways = [way for way in ways if way.variant.name not in without]
        for number, way in enumerate(reversed(ways) if backwards else ways):
            how = {"framework": way.framework, "execution": way.execution}
            add_cell(results, f"c{number}", variant=way.variant if declared else None, **how)
        (found,) = ladders(group_of(cells_of(results)), ())
        return found

    def test_every_declared_step_is_a_rung_in_the_order_of_the_suite(self, results, model):
        found = self.ladder_of(results, model, backwards=True)
        assert found.base.scenario.framework == "pytorch"
        assert [step.name for step in found.steps] == [step.name for step in found.whole] == RUNGS[1:]
        assert all(step.comparison.fair for step in found.steps)
        assert [step.base for step in found.steps] == [found.base, *(step.cell for step in found.steps[:-1])]

    def test_without_names_a_second_setting_of_an_axis_is_a_step_too(self, results, model):
        found = self.ladder_of(results, model, declared=False)
        assert [step.name for step in found.steps] == IN_WORDS

    def test_a_step_over_rungs_that_did_not_run_says_all_that_it_changes(self, results, model):
        found = self.ladder_of(results, model, without=("graph-kernel fusion", "prefetch"))
        names = [name for name in RUNGS[1:] if name not in ("graph-kernel fusion", "prefetch")]
        assert [step.name for step in found.whole] == names
        said = {"mixed precision": "mixed precision (O1 + fp16)"}
        said["data sink"] = "data sink (2 workers + sink)"
        assert [step.name for step in found.steps] == [said.get(name, name) for name in names]


def test_two_values_of_one_axis_are_no_ladder_though_one_has_two_settings(results):
    for name, execution in {"base": EAGER, "blocks": BLOCKS, "ranges": RANGES}.items():
        add_cell(results, name, execution=execution)
    assert ladders(group_of(cells_of(results)), ()) == ()


def test_cells_of_other_settings_have_a_ladder_of_their_own(results):
    for seed in (1, 2):
        for name, execution in {"eager": EAGER, "graph": GRAPH, "bf16": GRAPH_BF16}.items():
            add_cell(results, f"{name}{seed}", execution=execution, seed=seed)
    found = ladders(group_of(cells_of(results)), ())
    assert [ladder.base.scenario.seed for ladder in found] == [1, 2]
    assert [[step.name for step in ladder.steps] for ladder in found] == [["graph", "bf16"]] * 2
    assert all(step.comparison.fair for ladder in found for step in ladder.steps)
