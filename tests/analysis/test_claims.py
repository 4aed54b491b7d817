from typing import ClassVar

import pytest
from ledgers import CLAIM, add, judge
from made_records import (
    make_certificate,
    make_described,
    make_epoch,
    make_measurements,
    make_record,
    make_scenario,
    make_stage,
)

from harness.errors import UserError
from harness.scenario.execution import EAGER, GRAPH, Execution, Precision, Recompute
from harness.scenario.schema import Stage, TrainingConfig

BLOCKS = Execution(recompute=Recompute(unit="blocks"))
GRAPH_BLOCKS = GRAPH.model_copy(update={"recompute": BLOCKS.recompute})
BF16 = Execution(precision=Precision(autocast="bf16"))


@pytest.mark.parametrize(
    ("factor", "outcome"),
    [(1.0, "confirmed"), (1.05, "confirmed"), (1.1, "undecided"), (1.3, "refuted"), (0.8, "refuted")],
)
def test_the_interval_against_the_expectation(results, tmp_path, factor, outcome):
    add(results, "a100")
    add(results, "ascend910b", factor)
    rows, output = judge(results, tmp_path)
    assert list(rows["outcome"]) == [outcome]
    assert rows["ratio"][0] == pytest.approx(factor)
    assert rows["pairs"][0] == 5
    assert f"as-fast: {outcome}" in output


def test_the_evidence_names_every_record(results, tmp_path):
    add(results, "a100")
    add(results, "ascend910b")
    rows, output = judge(results, tmp_path)
    written = {str(path) for path in results.path.rglob("record.json")}
    assert set(rows["records"][0].split(" ")) == written
    assert all(f"Records: {path}" in output for path in written)


def test_two_launches_decide_nothing(results, tmp_path):
    add(results, "a100", launches=2)
    add(results, "ascend910b", launches=2)
    rows, _ = judge(results, tmp_path)
    assert list(rows["outcome"]) == ["undecided"]


def test_what_was_not_measured_comes_with_the_command_that_would(results, tmp_path):
    add(results, "a100", preset="paper")
    rows, output = judge(results, tmp_path, preset="paper")
    assert list(rows["outcome"]) == ["not measured"]
    assert rows["missing"][0] == "ascend910b/pytorch, fourcastnet paper: no completed launch"
    command = "crosscast bench --chip ascend910b --suite paper --model fourcastnet --preset paper --framework pytorch"
    command += f" --results {results.path}"
    assert rows["command"][0] == command
    assert f"measure with: {command}" in output


def test_another_preset_is_no_measurement(results, tmp_path):
    add(results, "a100")
    add(results, "ascend910b")
    rows, _ = judge(results, tmp_path, preset="paper")
    assert set(rows["outcome"]) == {"not measured"}


def test_one_model_of_two_leaves_the_claim_undecided_but_can_refute_it(results, tmp_path):
    add(results, "a100")
    add(results, "ascend910b")
    rows, _ = judge(results, tmp_path, models=["fourcastnet", "graphcast"])
    assert set(rows["outcome"]) == {"undecided"}
    rows, _ = judge(results, tmp_path, models=["fourcastnet", "graphcast"], expect={"at_most": 0.5})
    assert set(rows["outcome"]) == {"refuted"}


@pytest.mark.parametrize(
    ("factor", "outcome"), [(2.0, "confirmed"), (1.4, "refuted"), (1.5, "undecided")], ids=["above", "below", "equal"]
)
def test_the_model_with_the_largest_ratio(results, tmp_path, factor, outcome):
    for model, of_model in (("fourcastnet", 1.5), ("graphcast", factor)):
        add(results, "a100", model=model)
        add(results, "ascend910b", of_model, model=model)
    changes = {"models": ["fourcastnet", "graphcast"], "expect": {"at_least": 1.0}, "largest_for": "graphcast"}
    rows, _ = judge(results, tmp_path, **changes)
    assert list(rows["evidence"]) == ["confirmed", "confirmed", outcome]
    assert set(rows["outcome"]) == {outcome}
    last = rows.iloc[-1]
    assert last["of"] == "inference_step_s, ratio over that of fourcastnet"
    assert last["ratio"] == pytest.approx(factor / 1.5)
    assert last["ratio_low"] == pytest.approx(rows["ratio_low"][1] / rows["ratio_high"][0])
    assert last["ratio_high"] == pytest.approx(rows["ratio_high"][1] / rows["ratio_low"][0])


def test_a_largest_ratio_is_one_of_the_same_preset(results, tmp_path):
    for model, preset in (("fourcastnet", "tiny"), ("graphcast", "small")):
        add(results, "a100", model=model, preset=preset)
        add(results, "ascend910b", model=model, preset=preset)
    rows, _ = judge(results, tmp_path, models=["fourcastnet", "graphcast"], largest_for="graphcast")
    assert list(rows["preset"].dropna()) == ["tiny", "small"]
    assert set(rows["outcome"]) == {"undecided"}
    assert "graphcast over fourcastnet: no ratios of both from the same cells, hosts" in rows["missing"].iloc[-1]


def test_a_largest_ratio_is_one_of_the_same_hosts(results, tmp_path):
    for model, factor, host in (("fourcastnet", 1.2, "A"), ("graphcast", 2.0, "A"), ("graphcast", 1.1, "B")):
        add(results, "a100", model=model, host=host)
        add(results, "ascend910b", factor, model=model, host=host)
    changes = {"models": ["fourcastnet", "graphcast"], "expect": {"at_least": 1.0}, "largest_for": "graphcast"}
    rows, output = judge(results, tmp_path, **changes)
    assert list(rows["ratio"]) == pytest.approx([1.2, 2.0, 1.1, 2.0 / 1.2])
    assert list(rows["host"]) == list(rows["baseline_host"]) == ["A", "A", "B", "A"]
    assert set(rows["outcome"]) == {"confirmed"}
    of_b = next(line for line in output.splitlines() if " B " in line)
    assert of_b.split()[:4] == ["ascend910b/pytorch-eager", "a100/pytorch-eager", "B", "graphcast"]


def test_hosts_are_shown_only_where_there_are_several(results, tmp_path):
    add(results, "a100", host="A")
    add(results, "ascend910b", host="A")
    assert " host " not in judge(results, tmp_path)[1]
    add(results, "ascend910b", host="B")
    assert "B, baseline A" in judge(results, tmp_path)[1]


def test_a_baseline_is_one_of_the_same_suite_where_it_has_one(results, tmp_path):
    for suite, factor in (("smoke", 1.0), ("paper", 3.0)):
        add(results, "a100", factor, suite=suite)
        add(results, "ascend910b", factor, suite=suite)
    rows, _ = judge(results, tmp_path)
    assert list(rows["ratio"]) == pytest.approx([1.0, 1.0])
    assert sorted(rows["suite"]) == ["paper", "smoke"]
    assert list(rows["suite"]) == list(rows["baseline_suite"])


class TestNamesOfSeveralExecutions:
    """Both chips plain and in blocks, the claimed one slower in blocks."""

    @pytest.fixture(autouse=True)
    def cells(self, results):
        for execution, factor in ((EAGER, 1.05), (BLOCKS, 3.0), (GRAPH, 2.0), (GRAPH_BLOCKS, 4.0)):
            add(results, "a100", execution=execution)
            add(results, "ascend910b", factor, execution=execution)

    @pytest.mark.parametrize(
        ("name", "ratio"),
        [
            ("pytorch", 1.05),
            ("pytorch-eager", 1.05),
            ("pytorch-eager-recompute-blocks", 3.0),
            ("pytorch-graph", 2.0),
            ("pytorch-graph-recompute-blocks", 4.0),
        ],
    )
    def test_a_name_is_the_plainest_cell_that_bears_it(self, results, tmp_path, name, ratio):
        rows, _ = judge(results, tmp_path, cells=[f"ascend910b/{name}"])
        assert list(rows["ratio"]) == pytest.approx([ratio])

    def test_each_preset_has_a_plainest_of_its_own(self, results, tmp_path):
        for chip, factor in (("a100", 1.0), ("ascend910b", 0.5)):
            add(results, chip, factor, execution=BLOCKS, preset="small")
        rows, _ = judge(results, tmp_path)
        assert dict(zip(rows["preset"], rows["ratio"], strict=True)) == pytest.approx({"tiny": 1.05, "small": 0.5})


def test_a_cell_in_another_precision_has_a_baseline_in_the_same(results, tmp_path):
    for execution in (EAGER, BF16):
        add(results, "a100", execution=execution)
    add(results, "ascend910b", 1.5, execution=BF16)
    rows, _ = judge(results, tmp_path, cells=["ascend910b/pytorch-eager-bf16"])
    assert list(rows["ratio"]) == pytest.approx([1.5])


PORT = {"cells": ["cpu/mindspore"], "baseline": "cpu/pytorch"}


def test_evidence_without_a_parity_certificate_is_marked_with_the_reason(results, tmp_path):
    add(results, "cpu")
    add(results, "cpu", framework="mindspore")
    rows, output = judge(results, tmp_path, **PORT)
    assert "as-fast: confirmed †" in output
    assert output.count("confirmed †") == 3
    assert "†: no parity certificate (crosscast parity) says" in output
    reason = "mindspore eager has no parity certificate; make one: crosscast parity fourcastnet --preset tiny"
    assert f"Parity: cpu/mindspore-eager, fourcastnet tiny: {reason}" in output
    assert rows["outcome"][0] == rows["evidence"][0] == "confirmed"
    assert not rows["parity_certified"][0]
    assert reason in rows["parity"][0]


def test_certified_evidence_bears_no_mark(results, tmp_path):
    add(results, "cpu")
    add(results, "cpu", framework="mindspore")
    results.certify(make_certificate(execution="eager", port=make_described("mindspore", "eager")))
    rows, output = judge(results, tmp_path, **PORT)
    assert "confirmed †" not in output
    assert "Parity: cpu/mindspore-eager, fourcastnet tiny: mindspore eager is the same network as PyTorch" in output
    assert bool(rows["parity_certified"][0]) is True


def test_a_ratio_between_models_is_marked_where_either_is(results, tmp_path):
    for model, factor in (("fourcastnet", 1.0), ("graphcast", 2.0)):
        add(results, "cpu", model=model, architecture=model)
        add(results, "cpu", factor, framework="mindspore", model=model, architecture=model)
    results.certify(
        make_certificate(architecture="graphcast", execution="eager", port=make_described("mindspore", "eager"))
    )
    changes = {"models": ["fourcastnet", "graphcast"], "expect": {"at_least": 0.5}, "largest_for": "graphcast"}
    rows, _ = judge(results, tmp_path, **PORT, **changes)
    assert [bool(certified) for certified in rows["parity_certified"]] == [False, True, False]


def test_what_the_compared_cells_warn_of_stands_once_below_and_in_the_files(results, tmp_path):
    add(results, "a100", foreign=True)
    add(results, "ascend910b")
    add(results, "rtx3090", foreign=True)
    _, output = judge(results, tmp_path, more=[CLAIM | {"name": "again", "quantity": "inference_rate_samples_per_s"}])
    line = "a100 pytorch eager: other work ran beside launches 0, 1, 2, 3, 4"
    assert output.count(f"warning: {line}") == 1
    assert "rtx3090 pytorch" not in output
    markdown = (results.path / "claims" / "mine.md").read_text()
    assert f"- {line}" in markdown.split("## Warnings")[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"largest_for": "graphcast"},
        {"largest_for": "fourcastnet"},
        {"models": ["fourcastnet", "graphcast"], "largest_for": "graphcast", "quantity": "rmse"},
    ],
)
def test_a_largest_ratio_needs_others_of_the_same_quantity(results, tmp_path, changes):
    add(results, "a100")
    with pytest.raises(UserError, match="largest_for"):
        judge(results, tmp_path, **changes)


def test_what_no_chip_can_run_is_told_and_not_waited_for(results, tmp_path):
    add(results, "a100")
    add(results, "ascend910b")
    rows, output = judge(results, tmp_path, cells=["ascend910b/pytorch", "dcu-z100l/mindspore"])
    assert set(rows["outcome"]) == {"confirmed"}
    assert "dcu-z100l/mindspore, fourcastnet: cannot be measured: MindSpore has no DCU back end" in output


def test_an_unfair_pair_is_no_evidence_and_says_what_differs(results, tmp_path):
    add(results, "a100")
    add(results, "ascend910b", seed=5)
    rows, _ = judge(results, tmp_path)
    assert list(rows["outcome"]) == ["not measured"]
    assert "not comparable: seed: 5 here, 100 in the baseline" in rows["missing"][0]


def test_the_baseline_on_the_data_of_the_cell_is_what_is_to_be_measured(results, tmp_path):
    add(results, "a100")
    add(results, "ascend910b", data_name="rossby_forced")
    rows, _ = judge(results, tmp_path)
    assert "no a100/pytorch of the same preset and data" in rows["missing"][0]
    assert rows["command"][0] == (
        "crosscast bench --chip a100 --suite paper --model fourcastnet --preset tiny --framework pytorch "
        f"--mapping rossby_forced --results {results.path}"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cells": ["ascend910b/pytorch-graph"]}, "no command for it: suite 'paper' has no pytorch graph"),
        ({"cells": ["labchip/pytorch"]}, "no command for it: chip 'labchip' is not in scenarios/chips, give bench its"),
    ],
)
def test_no_command_is_named_that_bench_would_refuse(results, tmp_path, changes, said):
    add(results, "a100")
    add(results, "labchip", model="graphcast")
    rows, output = judge(results, tmp_path, **changes)
    assert said in rows["missing"][0]
    assert "measure with" not in output


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantity": "device_bytes"}, "ascend910b/pytorch eager: the framework keeps no count"),
        ({"quantity": "epoch_s", "stage": "pretrain"}, "the preset has one training stage: leave `stage` out"),
    ],
)
def test_a_value_that_completed_launches_lack_is_open_and_has_no_command(results, tmp_path, changes, said):
    for chip in ("a100", "ascend910b", "rtx3090"):
        add(results, chip)
    rows, output = judge(results, tmp_path, **changes)
    assert list(rows["outcome"]) == ["not measured"]
    assert said in rows["missing"][0]
    assert "measure with" not in output


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("finetun", "no training stage 'finetun'; did you mean 'finetune'?"),
        (None, "the preset has several training stages: give one as `stage`; choose from: finetune, pretrain"),
    ],
)
def test_a_stage_is_one_of_those_of_the_preset(results, tmp_path, stage, said):
    stages = tuple(Stage(name=name, epochs=1, learning_rate=1e-3) for name in ("pretrain", "finetune"))
    measured = tuple(make_stage(make_epoch(), name=each.name) for each in stages)
    for chip in ("a100", "ascend910b"):
        scenario = make_scenario(chip=chip, training=TrainingConfig(batch_size=8, stages=stages))
        for launch in range(3):
            measurements = make_measurements(launch=launch, training=measured)
            name = f"{chip}{launch}"
            results.add(make_record(launch=launch, scenario=scenario, attempt=name, measurements=measurements))
    rows, _ = judge(results, tmp_path, quantity="epoch_s", stage=stage)
    assert said in rows["missing"][0]
    rows, _ = judge(results, tmp_path, quantity="epoch_s", stage="finetune")
    assert list(rows["outcome"]) == ["confirmed"]


def test_a_value_that_one_of_two_cells_lacks_leaves_the_claim_undecided(results, tmp_path):
    add(results, "a100", energy_j=100.0)
    add(results, "rtx3090", energy_j=100.0)
    add(results, "ascend910b")
    changes = {"quantity": "mean_power_w", "activity": "inference", "cells": ["rtx3090/pytorch", "ascend910b/pytorch"]}
    rows, _ = judge(results, tmp_path, **changes)
    assert set(rows["outcome"]) == {"undecided"}


class TestEnergy:
    EFFICIENCY: ClassVar = {
        "quantity": "samples_per_j",
        "activity": "inference",
        "expect": {"at_least": 1.25, "at_most": 1.35},
    }

    def test_ratio_of_samples_for_a_joule(self, results, tmp_path):
        add(results, "a100", energy_j=130.0)
        add(results, "ascend910b", energy_j=100.0)
        rows, _ = judge(results, tmp_path, **self.EFFICIENCY)
        assert list(rows["outcome"]) == ["confirmed"]
        assert rows["ratio"][0] == pytest.approx(1.3)

    def test_no_sensor_is_the_reason(self, results, tmp_path):
        add(results, "a100", energy_j=130.0)
        add(results, "ascend910b")
        rows, _ = judge(results, tmp_path, **self.EFFICIENCY)
        assert list(rows["outcome"]) == ["not measured"]
        assert "ascend910b/pytorch eager: no sensor here" in rows["missing"][0]

    def test_sensors_of_different_scope_are_not_compared(self, results, tmp_path):
        add(results, "a100", energy_j=130.0)
        add(results, "ascend910b", energy_j=100.0, scopes=("node",))
        rows, _ = judge(results, tmp_path, **self.EFFICIENCY)
        assert "power sensors: node here, card in the baseline" in rows["missing"][0]


@pytest.mark.parametrize(("factor", "outcome"), [(1.02, "confirmed"), (1.2, "refuted")])
def test_rmse_by_variable_and_lead(results, tmp_path, factor, outcome):
    add(results, "a100")
    add(results, "ascend910b", factor)
    rows, _ = judge(results, tmp_path, quantity="rmse", expect={"at_least": 0.95, "at_most": 1.05})
    assert list(rows["outcome"]) == [outcome]
    assert list(rows["of"]) == ["u at 6 h"]
    assert rows["ratio"][0] == pytest.approx(factor)
