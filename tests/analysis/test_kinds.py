"""What must agree in each kind of comparison, and which cells a baseline's name stands for."""

import pytest
from made_executions import add_cell, cells_of
from made_records import make_measurements, make_numerics

from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.differences import differences
from harness.analysis.comparison.kinds import CHIP, HISTORY, PORT, SCALING, ablation
from harness.analysis.executions import axes_of, setting_names, unequal
from harness.errors import UserError
from harness.scenario.execution import EAGER, GRAPH, Compilation, Execution, Precision, Recompute, World
from harness.scenario.labels import as_name, label

BF16 = Execution(precision=Precision(autocast="bf16"))
TF32 = Execution(precision=Precision(matmul="tf32"))
BLOCKS = Execution(recompute=Recompute(unit="blocks"))
RANGES = Execution(recompute=Recompute(unit="ranges", ranges=4))
EIGHT = Execution(world=World(devices=8))
ACCUMULATED = Execution(accumulation=2)
BOTH = Execution(compilation=Compilation(mode="graph"), precision=Precision(autocast="bf16"))


def measured(**changes):
    def made(launch):
        return {"measurements": make_measurements(launch=launch, **changes)}

    return made


def version(text):
    described = make_measurements().framework.model_copy(update={"version": text})
    return measured(framework=described)


def named(name, *pairs):
    return tuple(f"{each}: {ours} here, {theirs} in the baseline" for each, ours, theirs in pairs)


class TestExecutions:
    def test_every_setting_has_a_name(self):
        assert {"compilation.mode", "precision.matmul", "recompute.ranges", "accumulation", "clock.window"} <= {
            *setting_names()
        }
        groups = Execution().model_dump().values()
        assert len(set(setting_names())) == sum(len(group) if isinstance(group, dict) else 1 for group in groups)

    def test_unequal_settings_have_both_values_though_one_is_the_default(self):
        assert unequal(RANGES, BLOCKS) == (("recompute.unit", "ranges", "blocks"), ("recompute.ranges", 4, 1))
        assert unequal(EAGER, BOTH) == (("compilation.mode", "eager", "graph"), ("precision.autocast", "none", "bf16"))
        assert unequal(BOTH, BOTH) == ()

    def test_settings_of_one_group_are_one_axis_and_kinds_of_precision_are_two(self):
        assert axes_of(["recompute.unit", "recompute.ranges"]) == ("recompute",)
        assert axes_of(["precision.autocast", "precision.matmul"]) == ("precision.autocast", "precision.matmul")


KINDS = {"port": PORT, "chip": CHIP, "scaling": SCALING, "history": HISTORY}
ALLOWED = {
    "mode": {"port", "chip"},
    "recompute": {"port", "chip"},
    "accumulation": {"port", "chip"},
    "autocast": set(),
    "world": {"scaling"},
    "chip": {"chip"},
    "host": {"chip", "scaling"},
    "framework": {"port", "chip"},
    "versions": {"port", "chip", "history"},
}
CHANGES = {
    "mode": ({}, GRAPH),
    "recompute": ({}, BLOCKS),
    "accumulation": ({}, ACCUMULATED),
    "autocast": ({}, BF16),
    "world": ({}, EIGHT),
    "chip": ({"chip": "a100"}, EAGER),
    "host": ({"host": "bbbbccccdddd"}, EAGER),
    "framework": ({"framework": "mindspore"}, EAGER),
    "versions": ({"made": version("3.0")}, EAGER),
}
SAID = {
    "mode": "compilation.mode: graph here, eager in the baseline",
    "recompute": "recompute.unit: blocks here, none in the baseline",
    "accumulation": "accumulation: 2 here, 1 in the baseline",
    "autocast": "precision.autocast: bf16 here, none in the baseline",
    "world": "world.devices: 8 here, 1 in the baseline",
    "chip": "chip: a100 here, cpu in the baseline",
    "host": "host: bbbbccccdddd here, aaaabbbbcccc in the baseline",
    "framework": "framework: mindspore here, pytorch in the baseline",
    "versions": "version of the framework: 3.0 (cpu) here, 2.9 (cpu) in the baseline",
}


@pytest.mark.parametrize("what", ALLOWED)
def test_what_may_differ_belongs_to_the_kind_and_a_refusal_names_it(results, what):
    changes, execution = CHANGES[what]
    add_cell(results, "base")
    add_cell(results, "other", execution=execution, **changes)
    cells = cells_of(results)
    for name, kind in KINDS.items():
        expected = () if name in ALLOWED[what] else (SAID[what],)
        assert differences(cells["other"], cells["base"], kind) == expected, name


@pytest.mark.parametrize("kind", [*KINDS.values(), ablation(["recompute"])])
def test_data_weights_and_settings_must_agree_in_every_kind(results, kind):
    add_cell(results, "base")
    add_cell(results, "seeded", seed=5)
    add_cell(results, "drawn", made=lambda launch: {"measurements": make_measurements(launch=launch + 7)})
    cells = cells_of(results)
    assert differences(cells["seeded"], cells["base"], kind) == ("seed: 5 here, 100 in the baseline",)
    expected = "initial weights: fingerprints differ (launches 0, 1, 2)"
    assert differences(cells["drawn"], cells["base"], kind) == (expected,)


class TestAblation:
    @pytest.fixture
    def cells(self, results):
        add_cell(results, "base")
        add_cell(results, "ranges", execution=RANGES)
        add_cell(results, "bf16", execution=BF16)
        add_cell(results, "both", execution=BOTH)
        return cells_of(results)

    def test_one_axis_alone_may_differ(self, cells):
        recompute, autocast = ablation(["recompute"]), ablation(["precision.autocast"])
        assert differences(cells["ranges"], cells["base"], recompute) == ()
        assert differences(cells["bf16"], cells["base"], autocast) == ()
        assert differences(cells["bf16"], cells["base"], recompute) == (SAID["autocast"],)
        assert differences(cells["both"], cells["base"], autocast) == (SAID["mode"],)

    def test_a_named_step_may_hold_several_settings(self, cells):
        step = ablation(["compilation", "precision.autocast"])
        assert differences(cells["both"], cells["base"], step) == ()
        assert differences(cells["both"], cells["ranges"], step) == (
            "recompute.unit: none here, ranges in the baseline",
            "recompute.ranges: 1 here, 4 in the baseline",
        )

    @pytest.mark.parametrize("names", [[], ["precision.autocas"], ["recompute", "speed"]])
    def test_what_is_no_setting_is_refused(self, names):
        with pytest.raises(ValueError, match="no setting of an execution"):
            ablation(names)

    def test_bits_may_differ_where_the_precision_of_products_is_the_axis(self, results):
        add_cell(results, "base")
        add_cell(results, "tf32", execution=TF32, made=measured(numerics=make_numerics(11)))
        cells = cells_of(results)
        assert differences(cells["tf32"], cells["base"], PORT) == (
            "precision.matmul: tf32 here, ieee in the baseline",
            "bits of the matrix product: 11 here, 24 in the baseline (launches 0, 1, 2)",
        )
        assert differences(cells["tf32"], cells["base"], ablation(["precision.matmul"])) == ()


class TestNames:
    def compare(self, text, cells, cell):
        every = list(cells.values())
        return BaselineName.parse(text, every).compare(cells[cell], every)

    def test_the_plainest_execution_goes_first(self, results):
        for name, execution in {"graph": GRAPH, "blocks": BLOCKS, "plain": EAGER}.items():
            add_cell(results, name, execution=execution)
        cells = cells_of(results)
        for cell in cells:
            assert self.compare("pytorch", cells, cell).baseline is cells["plain"]

    def test_one_that_several_cells_bear_is_refused_with_the_names_that_tell_them_apart(self, results):
        add_cell(results, "port", framework="mindspore")
        for name, execution in {"graph": GRAPH, "blocks": BLOCKS, "two": ACCUMULATED}.items():
            add_cell(results, name, execution=execution)
        cells = cells_of(results)
        found = self.compare("pytorch", cells, "port")
        assert found.baseline is None
        names = ("pytorch-eager-accumulation-2", "pytorch-eager-recompute-blocks", "pytorch-graph")
        assert found.refusal == (f"baseline pytorch is the name of several cells: choose from {', '.join(names)}",)
        for name, expected in zip(names, ("two", "blocks", "graph"), strict=True):
            assert self.compare(name, cells, "port").baseline is cells[expected]

    def test_each_name_that_is_offered_stands_for_one_cell_on_any_number_of_axes_and_hosts(self, results):
        add_cell(results, "port", framework="mindspore", host="cccc" * 3)
        executions = {
            "e": EAGER,
            "g": GRAPH,
            "b": BLOCKS,
            "gb": GRAPH.model_copy(update={"recompute": BLOCKS.recompute}),
        }
        for name, execution in executions.items():
            for host in ("aaaa" * 3, "bbbb" * 3):
                add_cell(results, f"{name}{host[0]}", execution=execution, chip="a100", host=host)
        of = {f"{name}{host}": execution for name, execution in executions.items() for host in "ab"}
        cells = cells_of(results)
        refused = self.compare("a100/pytorch-graph-recompute-blocks", cells, "port").refusal
        names = refused[0].partition("choose from ")[2].split(", ")
        assert names == [f"{host * 3}:a100/pytorch-graph-recompute-blocks" for host in ("aaaa", "bbbb")]
        for cell, execution in of.items():
            host = {"a": "aaaa", "b": "bbbb"}[cell[-1]] * 3
            name = f"{host}:a100/pytorch-{as_name(label(cells[cell].scenario.execution))}"
            assert self.compare(name, cells, "port").baseline is cells[cell], (name, execution)

    def test_a_host_is_named_by_its_beginning_with_or_without_a_chip(self, results):
        add_cell(results, "a", host="aaaa" * 3)
        add_cell(results, "b", host="bbbb" * 3)
        cells = cells_of(results)
        for text in ("bbbb:cpu/pytorch", f"{'bbbb' * 3}:pytorch-eager", "b:pytorch"):
            for cell in cells:
                found = self.compare(text, cells, cell)
                assert (found.baseline, found.refusal) == (cells["b"], ())

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("dddd:cpu/pytorch", "no records of host 'dddd'; choose from: aaaabbbbcccc"),
            ("pytorch-graph-recompute-block", "unknown execution 'graph-recompute-block'; choose from: eager, graph"),
            ("pytorch-graph", "no records of such a cell; did you mean 'cpu/pytorch-eager'"),
        ],
    )
    def test_bad_names(self, results, text, expected):
        add_cell(results, "a")
        with pytest.raises(UserError, match=expected):
            BaselineName.parse(text, list(cells_of(results).values()))
