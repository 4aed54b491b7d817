"""From the words of a suite to cells: parts of executions laid over one another, axes, ladders, what cannot run."""

import pytest
import yaml
from golden import PLAIN

from harness.errors import UserError
from harness.scenario import catalogue
from harness.scenario.axes import full, one_at_a_time, setting
from harness.scenario.changes import ExecutionChange, execution_of, laid_over
from harness.scenario.chips import ChipConfig, FrameworkOnChip
from harness.scenario.execution import EAGER, GRAPH
from harness.scenario.labels import label
from harness.scenario.limits import FIRST_COMPILE_S
from harness.scenario.matrix import ModelOnData, expand
from harness.scenario.schema import SuiteConfig

G = {"compilation": {"mode": "graph"}}
AXES = {"precision.autocast": ["none", "bf16"], "compilation": ["eager", "graph"], "recompute": ["none", "blocks"]}
STEPS = [
    {"name": "PyTorch", "framework": "pytorch"},
    {"name": "MindSpore", "framework": "mindspore"},
    {"name": "graph", "execution": G},
    {"name": "fusion", "execution": {"compilation": {"level": "O1"}}},
    {"name": "mixed precision", "execution": {"precision": {"autocast": "fp16"}}},
]
FIGURE = {"value": None, "source": ""}
CHIP = ChipConfig(
    title="a chip",
    vendor="a vendor",
    power_collectors=(),
    memory_gib=FIGURE,
    bandwidth_gb_s=FIGURE,
    power_cap_w=FIGURE,
    peak_tflops={},
    frameworks={
        "pytorch": FrameworkOnChip(device="cuda", packages=("no_such_package",)),
        "mindspore": FrameworkOnChip(unavailable="no back end"),
    },
    verified="nothing",
)


def subject(entry, **changes):
    content = {
        "entry": entry,
        "model": entry.model,
        "preset": entry.preset,
        "architecture": "fourcastnet",
        "network": PLAIN.network,
        "training": PLAIN.training,
        "inference": PLAIN.inference,
        "data_name": "rossby",
        "data": PLAIN.data,
        "data_root": None,
        "data_digest": None,
        "grid": PLAIN.grid,
        "channels": PLAIN.channels,
    }
    return ModelOnData(**content | changes)


def suite_of(**content):
    base = {"models": [{"model": "fourcastnet", "preset": "tiny"}]}
    if "ladder" not in content:
        base["frameworks"] = [{"framework": "pytorch"}]
    return SuiteConfig.model_validate(base | content)


def expanded(suite, chip=None, supports=lambda *asked: None, **options):
    options = {"suite_name": "mine", "chip_name": "cpu", "supports": supports, **options}
    return expand(suite, chip or catalogue.chip("cpu"), [subject(entry) for entry in suite.models], **options)


def ways(suite, **options):
    found = expanded(suite, **options)
    assert found.problems == ()
    return [(cell.framework, label(cell.execution)) for cell in found.cells]


class TestParts:
    """`execution:` of a suite, a model and a framework."""

    def test_each_is_laid_over_the_one_before_field_by_field(self):
        suite = suite_of(
            execution={"precision": {"autocast": "bf16"}, "accumulation": 2},
            models=[
                {"model": "a", "preset": "tiny"},
                {"model": "b", "preset": "tiny", "execution": {"accumulation": 4, "precision": {"matmul": "tf32"}}},
            ],
            frameworks=[
                {"framework": "pytorch"},
                {"framework": "mindspore", "execution": {**G, "precision": {"autocast": "none"}}},
            ],
        )
        assert [cell.execution.settings() for cell in expanded(suite).cells] == [
            {"precision.autocast": "bf16", "accumulation": 2},
            {"compilation.mode": "graph", "accumulation": 2},
            {"precision.autocast": "bf16", "precision.matmul": "tf32", "accumulation": 4},
            {"compilation.mode": "graph", "precision.matmul": "tf32", "accumulation": 4},
        ]

    def test_a_default_that_is_written_undoes_what_was_set_before(self):
        suite = suite_of(
            execution=G, frameworks=[{"framework": "pytorch", "execution": {"compilation": {"mode": "eager"}}}]
        )
        assert ways(suite) == [("pytorch", "eager")]

    def test_rules_between_fields_hold_for_the_whole(self):
        suite = suite_of(
            execution=G, frameworks=[{"framework": "mindspore", "execution": {"compilation": {"level": "O1"}}}]
        )
        assert ways(suite) == [("mindspore", "graph, O1")]
        suite = suite_of(frameworks=[{"framework": "mindspore", "execution": {"compilation": {"level": "O1"}}}])
        (problem,) = expanded(suite).problems
        assert problem == (
            "suite 'mine': fourcastnet tiny: execution.compilation: scope, level and options are those of mode: graph"
        )

    @pytest.mark.parametrize(
        "content",
        [
            {"accumulation": 0},
            {"accumulation": "2x"},
            {"loading": {"prefetch": -1}},
            {"compilation": {"mode": "compiled"}},
            {"compilation": "graph"},
            {"precision": None},
            {"speed": 1},
            {"recompute": {"unit": "none", "blocks": 3}},
        ],
    )
    def test_what_an_execution_could_never_have_is_refused_in_a_part(self, content):
        with pytest.raises(ValueError, match="validation error"):
            ExecutionChange.model_validate(content)

    def test_a_part_holds_what_is_given_and_no_more(self):
        assert ExecutionChange.model_validate({}).content() == {}
        given = {"compilation": {"level": None}, "loading": {"prefetch": 0}}
        assert ExecutionChange.model_validate(given).content() == given

    def test_laying_over_leaves_its_parts_alone(self):
        first, second = {"loading": {"prefetch": 2}}, {"loading": {"workers": 2}}
        assert laid_over(first, second) == {"loading": {"prefetch": 2, "workers": 2}}
        assert (first, second) == ({"loading": {"prefetch": 2}}, {"loading": {"workers": 2}})
        assert execution_of(laid_over(first, second)).loading.workers == 2


class TestAxes:
    def test_one_at_a_time_each_value_alone_beside_the_base(self):
        suite = suite_of(axes=AXES)
        assert ways(suite) == [
            ("pytorch", "eager"),
            ("pytorch", "eager, bf16"),
            ("pytorch", "graph"),
            ("pytorch", "eager, recompute blocks"),
        ]
        variants = [cell.variant for cell in expanded(suite).cells]
        assert [(each.position, each.name) for each in variants] == [
            (0, "base"),
            (1, "precision.autocast: bf16"),
            (2, "compilation: graph"),
            (3, "recompute: blocks"),
        ]
        assert {each.design for each in variants} == {"one_at_a_time"}

    def test_full_has_all_combinations_once(self):
        found = ways(suite_of(axes=AXES, design="full"))
        assert found[0] == ("pytorch", "eager")
        assert len(found) == len(set(found)) == 8
        assert ("pytorch", "graph, bf16, recompute blocks") in found

    def test_the_base_is_there_where_the_axes_do_not_name_it(self):
        base = {"accumulation": 4}
        for design in (one_at_a_time, full):
            found = design(base, {"accumulation": [1, 2]})
            assert [each.execution.accumulation for each in found] == [4, 1, 2]

    def test_an_axis_changes_its_field_and_keeps_the_rest_of_the_base(self):
        suite = suite_of(axes={"loading.prefetch": [0, 2]}, execution={**G, "precision": {"autocast": "fp16"}})
        assert ways(suite) == [("pytorch", "graph, fp16"), ("pytorch", "graph, fp16, prefetch 2")]

    def test_a_value_of_a_group_sets_the_whole_group(self):
        base = {"compilation": {"mode": "graph", "level": "O1"}, "recompute": {"unit": "ranges", "ranges": 8}}
        axes = {"compilation": ["eager", {"mode": "graph", "level": "O0"}], "recompute": ["none", "blocks"]}
        assert [label(each.execution) for each in one_at_a_time(base, axes)] == [
            "graph, O1, recompute 8 ranges",
            "eager, recompute 8 ranges",
            "graph, O0, recompute 8 ranges",
            "graph, O1",
            "graph, O1, recompute blocks",
        ]

    def test_executions_that_several_frameworks_entries_share_are_one_cell(self):
        frameworks = [{"framework": "pytorch"}, {"framework": "pytorch", "execution": G}]
        found = ways(suite_of(frameworks=frameworks, axes={"compilation": ["eager", "graph"]}))
        assert found == [("pytorch", "eager"), ("pytorch", "graph")]

    def test_settings_that_do_not_fit_are_one_line(self):
        (problem,) = expanded(suite_of(axes={"compilation.level": ["O1"]})).problems
        assert problem == (
            "suite 'mine': fourcastnet tiny: compilation.level: O1: execution.compilation: scope, level and options "
            "are those of mode: graph"
        )

    @pytest.mark.parametrize(
        ("axis", "value", "complaint"),
        [
            ("precision.autocast", "bf17", "precision.autocast: 'bf17' is not one of them; did you mean 'bf16'?"),
            ("precison.autocast", "bf16", "no axis 'precison.autocast'; did you mean 'precision.autocast'?"),
            ("compilation.mode.x", "graph", "no axis 'compilation.mode.x'; did you mean 'compilation.mode'?"),
            ("precision", "bf16", "give the fields that a value sets, or choose one: precision.matmul"),
            ("compilation", "compiled", "compilation: 'compiled' is not one of them"),
            ("accumulation", 0, "accumulation: .*greater than 0, not 0"),
            ("accumulation", {"k": 2}, "accumulation: .*needs a whole number"),
            ("compilation", {"mod": "graph"}, "compilation.mod: "),
        ],
    )
    def test_an_axis_or_a_value_that_is_none_is_told(self, tmp_path, axis, value, complaint):
        with pytest.raises(ValueError, match=complaint):
            setting(axis, value)
        path = tmp_path / "mine.yaml"
        entries = {"models": [{"model": "fourcastnet", "preset": "tiny"}], "frameworks": [{"framework": "pytorch"}]}
        path.write_text(yaml.safe_dump({**entries, "axes": {axis: [value]}}, sort_keys=False))
        with pytest.raises(UserError, match=rf"mine\.yaml:\d+: axes: .*{complaint}") as raised:
            catalogue.suite(str(path))
        assert "\n" not in str(raised.value)

    def test_the_axes_of_the_design_paper(self):
        """As execution.md writes them."""
        text = "{precision.autocast: [none, bf16], compilation: [eager, graph], recompute: [none, blocks]}"
        assert len(ways(suite_of(axes=yaml.safe_load(text)))) == 4

    def test_combinations_beyond_counting_are_refused_before_they_are_made(self):
        axes = {"accumulation": list(range(1, 40)), "clock.window": list(range(1, 40))}
        with pytest.raises(ValueError, match=r"more than 1,000 combinations: use design: one_at_a_time"):
            suite_of(axes=axes, design="full")
        assert len(ways(suite_of(axes=axes))) == 77


class TestLadder:
    def test_each_step_adds_to_those_before(self):
        suite = suite_of(design="ladder", ladder=STEPS, execution={"accumulation": 2})
        assert ways(suite) == [
            ("pytorch", "eager, accumulation 2"),
            ("mindspore", "eager, accumulation 2"),
            ("mindspore", "graph, accumulation 2"),
            ("mindspore", "graph, O1, accumulation 2"),
            ("mindspore", "graph, O1, fp16, accumulation 2"),
        ]
        variants = [cell.variant for cell in expanded(suite).cells]
        assert [each.name for each in variants] == [step["name"] for step in STEPS]
        assert [each.position for each in variants] == [0, 1, 2, 3, 4]

    def test_one_framework_of_it_keeps_what_the_steps_before_added(self):
        suite = suite_of(design="ladder", ladder=STEPS)
        found = expanded(suite, framework="mindspore").cells
        assert [(label(cell.execution), cell.variant.position) for cell in found][-1] == ("graph, O1, fp16", 4)
        assert len(found) == 4

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            ({"ladder": STEPS}, "a ladder needs design: ladder"),
            ({"design": "ladder"}, "design: ladder needs the steps of a ladder"),
            ({"design": "ladder", "ladder": STEPS, "axes": {"accumulation": [2]}}, "takes no axes and no frameworks"),
            ({"design": "ladder", "ladder": STEPS[2:]}, "the first step of the ladder needs a framework"),
            ({"design": "ladder", "ladder": [STEPS[0], STEPS[0]]}, "two steps of the ladder have the same name"),
            ({"frameworks": []}, "frameworks: required, but missing"),
            ({"axes": {"accumulation": []}}, "accumulation has no values"),
        ],
    )
    def test_what_is_no_design_is_refused(self, content, complaint):
        if content.get("design") == "ladder" and "ladder" not in content:
            content = {**content, "frameworks": []}
        with pytest.raises(ValueError, match=complaint):
            suite_of(**content)

    def test_a_step_that_does_not_fit_is_named(self):
        steps = [STEPS[0], {"name": "fusion", "execution": {"compilation": {"level": "O1"}}}]
        (problem,) = expanded(suite_of(design="ladder", ladder=steps)).problems
        assert "ladder: fusion: execution.compilation: scope, level and options" in problem


class TestExpansion:
    def test_it_asks_nothing_of_the_machine(self):
        """A chip that is nowhere, with a package that nobody has: cells all the same."""
        suite = suite_of(frameworks=[{"framework": "pytorch"}, {"framework": "mindspore"}])
        found = expanded(suite, CHIP)
        assert [(cell.framework, cell.device) for cell in found.cells] == [("pytorch", "cuda")]
        assert [(entry.framework, entry.reason) for entry in found.absent] == [("mindspore", "no back end")]

    def test_what_cannot_run_is_absent_with_its_reason(self):
        asked = []

        def supports(framework, device, execution, architecture):
            asked.append((framework, device, architecture))
            return "it is too hot" if execution.is_graph else None

        suite = suite_of(axes={"compilation": ["eager", "graph"]})
        found = expanded(suite, supports=supports)
        assert [cell.execution for cell in found.cells] == [EAGER]
        assert [(entry.execution, entry.reason) for entry in found.absent] == [(GRAPH, "it is too hot")]
        assert asked == [("pytorch", "cpu", "fourcastnet")] * 2

    def test_what_is_not_here_is_absent_whatever_it_could_run(self):
        found = expanded(suite_of(), unavailable={"pytorch": "torch not installed"})
        assert (found.cells, [entry.reason for entry in found.absent]) == ((), ["torch not installed"])

    def test_a_scenario_holds_what_the_suite_and_the_subject_say(self):
        suite = suite_of(seed=7, idle_s=3, time_limit_s=60)
        (cell,) = expanded(suite).cells
        assert (cell.suite, cell.chip, cell.device, cell.seed, cell.idle_s, cell.time_limit_s) == (
            "mine", "cpu", "cpu", 7, 3.0, 60.0,
        )  # fmt: skip
        same = {"seed": 7}
        assert cell.cell == PLAIN.model_copy(update=same).cell

    @pytest.mark.parametrize(("asked", "given"), [(60, FIRST_COMPILE_S), (3600, 3600)])
    def test_a_launch_on_a_device_may_take_as_long_as_a_first_compilation(self, asked, given):
        chip = CHIP.model_copy(update={"device_nodes": "/dev/npu*"})
        (cell,) = expanded(suite_of(time_limit_s=asked), chip).cells
        assert cell.time_limit_s == given

    def test_bounds_limit_what_presets_say(self):
        (cell,) = expanded(suite_of(bounds={"epochs": 2, "lead_steps": 2})).cells
        (stage,) = cell.training.stages
        assert (stage.epochs, stage.schedule, stage.warmup_steps) == (2, "constant", 0)
        assert cell.inference.lead_steps == (1, 2)
        (steps,) = expanded(suite_of(bounds={"max_steps_per_epoch": 60})).cells
        (stage,) = steps.training.stages
        assert (stage.epochs, stage.schedule, steps.training.max_steps_per_epoch) == (
            PLAIN.training.epochs, "constant", 60,
        )  # fmt: skip
        (unscored,) = expanded(suite_of(bounds={"skill": False})).cells
        assert (unscored.inference.skill, unscored.inference.longest_lead) == ("none", 1)
        assert unscored.training == PLAIN.training
        (free,) = expanded(suite_of()).cells
        assert (free.training, free.inference) == (PLAIN.training, PLAIN.inference)
        (loose,) = expanded(suite_of(bounds={"epochs": 99, "lead_steps": 99})).cells
        assert (loose.training.epochs, loose.inference) == (PLAIN.training.epochs, PLAIN.inference)
