"""The cells of the suites that the repository has."""

import yaml
from test_expansion import CHIP, expanded

from harness.launch.survey import matrix_of
from harness.scenario import catalogue
from harness.scenario.chips import FrameworkOnChip
from harness.scenario.execution import Execution
from harness.scenario.labels import label
from harness.scenario.scenario import Selection
from harness.scenario.schema import SuiteModel


class TestSuitesOfTheRepository:
    def test_smoke_and_paper_are_as_they_were(self):
        for suite in ("smoke", "paper"):
            found = {
                (cell.framework, cell.execution.compilation.mode) for cell in matrix_of(Selection(suite=suite)).cells
            }
            assert found == {("pytorch", "eager"), ("mindspore", "graph")}

    def test_the_ablation_on_a_cpu(self):
        found = matrix_of(Selection(suite="ablation", model="fourcastnet"))
        by_framework = {
            name: [label(cell.execution) for cell in found.cells if cell.framework == name]
            for name in ("pytorch", "mindspore")
        }
        others = ("recompute blocks", "accumulation 2", "prefetch 2")
        in_pytorch, in_mindspore = ([f"{mode}, {other}" for other in others] for mode in ("eager", "graph"))
        assert by_framework["pytorch"] == ["eager", "graph", "eager, bf16", "eager, fp16", *in_pytorch]
        assert by_framework["mindspore"] == ["graph", "eager", "graph, fp16", *in_mindspore]
        (absent,) = found.absent
        assert (absent.framework, label(absent.execution)) == ("mindspore", "graph, bf16")
        assert "no operators in bfloat16" in absent.reason

    def test_the_ladder_of_the_study_on_an_accelerator_with_both_frameworks(self):
        suite = catalogue.suite("study")
        devices = {
            "pytorch": FrameworkOnChip(device="npu"),
            "mindspore": FrameworkOnChip(device="Ascend"),
        }
        from harness.frameworks.support import cannot_execute

        found = expanded(suite, CHIP.model_copy(update={"frameworks": devices}), supports=cannot_execute)
        of_first = [cell for cell in found.cells if cell.model == "fourcastnet"]
        assert [cell.variant.name for cell in of_first] == [step.name for step in suite.ladder[:-1]]
        assert of_first[0].execution == Execution()
        assert label(of_first[-1].execution) == "graph, O1, fp16, recompute blocks, 2 workers, sink"
        assert {entry.execution.world.devices for entry in found.absent if entry.model == "fourcastnet"} == {8}

    def test_timing_is_bounded(self):
        for cell in matrix_of(Selection(suite="timing")).cells:
            assert {stage.epochs for stage in cell.training.stages} == {3}
            assert cell.training.max_steps_per_epoch == 60
            assert (cell.inference.lead_steps, cell.inference.skill, cell.inference.longest_lead) == ((1,), "none", 1)
            assert cell.preset == "paper"

    def test_models_of_a_selection_keep_their_execution(self, tmp_path):
        path = tmp_path / "mine.yaml"
        suite = {
            "models": [
                {"model": "fourcastnet", "preset": "tiny"},
                {"model": "fourcastnet", "preset": "small", "execution": {"accumulation": 2}},
            ],
            "frameworks": [{"framework": "pytorch"}],
        }
        path.write_text(yaml.safe_dump(suite))
        found = matrix_of(Selection(suite=str(path), preset="tiny")).cells
        assert [cell.execution.accumulation for cell in found] == [1, 2]
        assert SuiteModel(model="a", preset="b").execution.content() == {}
