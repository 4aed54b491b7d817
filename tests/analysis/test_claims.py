import io
import json
from typing import ClassVar

import pandas as pd
import pytest
import yaml
from made_records import make_measurements, make_record, make_scenario, make_skill
from rich.console import Console

from harness.analysis.claims_report import claims_report
from harness.errors import UserError
from harness.record import Energy, Phase, PhaseEnergy
from harness.scenario import catalogue
from harness.scenario.export import schemas

NOISE = (0.0, 0.004, -0.004, 0.002, -0.002)
CLAIM = {
    "name": "as-fast",
    "says": "as fast",
    "reading": "within 10 %",
    "models": ["fourcastnet"],
    "cells": ["ascend910b/pytorch"],
    "baseline": "a100/pytorch",
    "quantity": "inference_step_s",
    "expect": {"at_least": 0.9, "at_most": 1.1},
}


def write_ledger(folder, **changes):
    content = {"title": "Mine", "source": "me", "suite": "paper", "claims": [CLAIM | changes]}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def judge(results, tmp_path, **changes):
    """The claim's CSV rows and what the terminal shows."""
    console = Console(file=io.StringIO(), width=300)
    claims_report(results.path, str(write_ledger(tmp_path, **changes)), console)
    return pd.read_csv(results.path / "claims" / "mine.csv"), console.file.getvalue()


def add(results, chip, factor=1.0, *, launches=5, framework="pytorch", energy_j=None, scopes=("card",), **changes):
    """Launches on a chip whose steps take `factor` times half a second, a little more or less."""
    scenario = make_scenario(framework, "eager", chip=chip, **changes)
    for launch in range(launches):
        phase = Phase(name="inference", t0_ns=0, t1_ns=1, steps=10, samples=10)
        measured = make_measurements(
            launch=launch, step_s=0.5 * factor * (1 + NOISE[launch]), phases=(phase,), skill=make_skill(factor)
        )
        window = {
            "valid": True,
            "reasons": [],
            "energy_j": energy_j,
            "duration_s": 10.0,
            "peak_power_w": 1.0,
            "devices": [{"scope": scope} for scope in scopes],
        }
        entries = (PhaseEnergy(phase="inference", window=window),) if energy_j else ()
        energy = Energy(collector="nvml", reason=None if energy_j else "no sensor here", phases=entries)
        record = make_record(
            framework, launch, scenario=scenario, attempt=f"{chip}{launch}", measurements=measured, energy=energy
        )
        results.add(record)


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
    assert list(rows["preset"]) == ["tiny", "small"]


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
    add(results, "ascend910b", network={"patch_size": 8, "depth": 2})
    rows, _ = judge(results, tmp_path)
    assert list(rows["outcome"]) == ["not measured"]
    assert "not comparable: network.patch_size: 8 here, 4 in the baseline" in rows["missing"][0]


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


class TestLedger:
    def test_of_the_study_holds_every_claim_and_is_not_measured_without_records(self, results):
        ledger = catalogue.claims("2510.17852")
        console = Console(file=io.StringIO(), width=200)
        claims_report(results.path, "2510.17852", console)
        rows = pd.read_csv(results.path / "claims" / "2510.17852.csv")
        assert set(rows["claim"]) == {claim.name for claim in ledger.claims}
        assert len(ledger.claims) == 8
        assert set(rows["outcome"]) == {"not measured"}

    def test_schema_in_the_repository_is_that_of_the_code(self):
        path = catalogue.ROOT / "schemas" / "claims.json"
        assert json.loads(path.read_text()) == schemas()["claims"]

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"quantity": "training_time"}, r"mine\.yaml:\d+: claims.0.quantity: .*'training_s'"),
            ({"quantity": "energy_j"}, "give an activity for power and energy"),
            ({"activity": "training"}, "give an activity for power and energy, and for nothing else"),
            ({"baseline": "a100"}, "'a100' must be chip/framework"),
            ({"cells": ["a100/jax"]}, "'a100/jax' must be chip/framework"),
            ({"expect": {"at_least": 2, "at_most": 1}}, "at_least must be below at_most"),
            ({"expect": {}}, "give at_least, at_most or both"),
            ({"stage": "finetune"}, "a stage goes only with epoch_s"),
            ({"bassline": "a100/pytorch"}, "unknown field; did you mean 'baseline'"),
        ],
    )
    def test_a_mistake_is_one_line_with_file_and_field(self, results, tmp_path, changes, expected):
        path = write_ledger(tmp_path, **changes)
        with pytest.raises(UserError, match=expected) as error:
            claims_report(results.path, str(path), Console(file=io.StringIO()))
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)

    def test_an_unknown_name(self, results):
        with pytest.raises(
            UserError, match=r"claim '2510': no such file in scenarios/claims; choose from: 2510\.17852"
        ):
            claims_report(results.path, "2510", Console(file=io.StringIO()))
