"""Real records of older schemas, and what tables said of them when they were made."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from collectors.accounting.energy import WindowEnergy
from harness.analysis.cells import load_results
from harness.analysis.tables.writing import write_tables
from harness.errors import UserError
from harness.results.record import load
from harness.results.upgrade import from_1_to_2, from_2_to_3, upgrade, upgrade_scenario
from harness.scenario.execution import EAGER, GRAPH, Operators

OLD = Path(__file__).parent / "old_records"
RECORDS = sorted(OLD.rglob("record.json"))
COMPLETED = [path for path in RECORDS if json.loads(path.read_text())["measurements"]["training"]]

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def content_of(path):
    return json.loads(path.read_text())


def holds(new, old):
    """Whether all of an old content is in a new one, which may have fields more."""
    if isinstance(old, dict):
        return all(holds(new[name], value) for name, value in old.items())
    if isinstance(old, list):
        return len(new) == len(old) and all(map(holds, new, old))
    return new == old


def test_both_schemas_are_there():
    assert {content_of(path)["schema_version"] for path in RECORDS} == {1, 2}
    assert all(path.stat().st_size < 300_000 for path in RECORDS)


def test_tables_say_what_they_said(tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(OLD / "schema-2", folder)
    problems = write_tables(folder, suite=None, baseline=None, console=Console(file=io.StringIO(), width=110))
    assert problems == ()
    for name, keys in (("speed", ["cell"]), ("skill", ["cell", "forecaster", "variable", "lead_h"])):
        then = pd.read_csv(OLD / "schema-2" / "tables" / f"{name}.csv").replace("mindspore compiled", "mindspore graph")
        then = then.set_index(keys).select_dtypes("number")
        now = pd.read_csv(folder / "smoke" / "tables" / f"{name}.csv").set_index(keys)
        shared = [column for column in then if column in now and then[column].notna().any()]
        assert len(shared) > (10 if name == "speed" else 3)
        np.testing.assert_allclose(now.loc[then.index, shared], then[shared], rtol=1e-12)


@pytest.mark.parametrize("path", COMPLETED, ids=lambda path: path.parent.parent.name)
def test_summaries_are_those_of_the_steps(path):
    """By NumPy from the steps that the old record holds."""
    old, new = content_of(path), load(path).measurements
    for before, after in zip(old["measurements"]["training"], new.training, strict=True):
        step_s = np.concatenate([epoch["step_s"] for epoch in before["epochs"]])
        assert after.first_step_s == step_s[0]
        if before["steady_from_step"] is not None:
            steady_s = step_s[before["steady_from_step"] :]
            assert after.steady_steps.count == len(steady_s)
            assert after.steady_steps.median_s == pytest.approx(np.median(steady_s), rel=1e-12)
            assert after.steady_steps.iqr_s == pytest.approx(np.subtract(*np.percentile(steady_s, [75, 25])), rel=1e-9)
        for one, other in zip(before["epochs"], after.epochs, strict=True):
            assert other.epoch_s == pytest.approx(sum(one["data_s"]) + sum(one["step_s"]), rel=1e-12)
            assert (other.steps, other.last_loss) == (len(one["loss"]), one["loss"][-1])
            assert other.mean_loss == pytest.approx(np.mean(one["loss"]), rel=1e-12)
            assert other.compile_s == (0.0 if old["measurements"]["framework"]["execution"] == "eager" else None)
            assert (other.validation_loss, other.validation_s) == (one["validation_loss"], one["validation_s"])
    latency, timed = old["measurements"]["inference"], new.inference.timed_steps
    assert (timed.count, timed.total_s) == (len(latency["step_s"]), pytest.approx(sum(latency["step_s"])))
    assert timed.median_s == pytest.approx(np.median(latency["step_s"]), rel=1e-12)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parent.parent.name)
def test_the_rest_is_kept(path):
    old, new = content_of(path), load(path)
    assert new.schema_version == 3
    assert (new.cell, new.status, new.purpose, new.steps) == (old["cell"], old["status"], "measurement", None)
    kept = new.model_dump(mode="json")
    same = {name: value for name, value in old["scenario"].items() if name not in ("execution", "precision")}
    same["network"] = {name: value for name, value in same["network"].items() if name != "spectral"}
    assert holds(kept["scenario"], same)
    plain = GRAPH if old["scenario"]["execution"] == "compiled" else EAGER
    spectral = Operators(spectral=old["scenario"]["network"]["spectral"])
    assert new.scenario.execution == plain.model_copy(update={"operators": spectral})
    for part in ("skill", "fingerprints", "memory", "phases", "startup"):
        assert holds(kept["measurements"][part], old["measurements"][part])
    (rank,) = new.ranks
    assert (rank.rank, rank.host, rank.device) == (0, old["environment"]["host"], None)
    assert rank.device_name == old["measurements"]["framework"]["device_name"]


def old_window(version):
    """A window as the collectors of a schema left it."""
    shared = {
        "source": "counter",
        "energy_j": 100.0,
        "mean_power_w": 10.0,
        "peak_power_w": 12.0,
        "counter_j": 100.0,
        "integral_j": 99.0,
        "n_samples": 50,
        "n_unique": 49,
        "max_gap_s": 0.2,
        "coverage": 1.0,
        "bracketed": True,
        "missing_fraction": 0.0,
        "counter_vs_integral": 1.01,
        "over_cap": None,
        "low_power_at_high_use": None,
        "shared_device": False,
        "reasons": [],
        **({} if version == 1 else {"second_opinion": 1.02}),
    }
    window = {"t0_ns": 0, "t1_ns": 10**10, "duration_s": 10.0, "collector": "nvml", "scope_partial": False}
    devices = [{**shared, "sensor": "GPU-1", "scope": "card", "kind": "instant"}]
    return {**shared, **window, "sampler_died": False, "valid": True, "devices": devices}


def with_energy(version):
    phases = [{"phase": "training", "window": old_window(version)}]
    content = content_of(COMPLETED[0]) | {"schema_version": version}
    return content | {"energy": {"collector": "nvml", "reason": None, "phases": phases}}


@pytest.mark.parametrize("version", [1, 2])
def test_energies_of_old_windows_are_read_by_type(tmp_path, version):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(with_energy(version)))
    (entry,) = load(path).energy.phases
    assert isinstance(entry.window, WindowEnergy)
    assert (entry.window.energy_j, entry.window.devices[0].integral_j) == (100.0, 99.0)
    opinion = None if version == 1 else 1.02
    assert (entry.window.second_opinion, entry.window.devices[0].second_opinion) == (opinion, opinion)
    assert entry.net_energy_j is None


def test_boards_of_old_records_are_devices():
    old = {
        "driver": "535.1",
        "gpu1_name": "A100",
        "gpu0_name": "H200",
        "gpu0_memory_bytes": "1024",
        "gpu0_sm_mhz_max": "1980",
        "gpu0_power_cap_mw": "700000",
        "gpu0_colour": "grey",
    }
    content = from_2_to_3({"environment": {"accelerator": old}})
    found = content["environment"]["accelerator"]
    assert (found["vendor"], found["driver"], found["missing"]) == ("nvidia", "535.1", ["gpu0_colour: grey"])
    assert found["devices"] == [
        {"index": 0, "name": "H200", "memory_bytes": 1024, "clock_mhz_max": 1980.0, "power_cap_w": 700.0},
        {"index": 1, "name": "A100"},
    ]
    assert from_2_to_3({"environment": {"accelerator": {}}})["environment"]["accelerator"] == {}


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (("measurements", "training", 0, "epochs", 1, "step_s"), ["x"], "training.0.epochs.1.step_s.0: Input should"),
        (("measurements", "training", 0, "epochs", 1, "step_s"), [], "an epoch without a step"),
        (("measurements", "training", 0, "epochs"), [], "'pretrain' has no epoch"),
        (("measurements", "training"), 3, "measurements.training: Input should be a valid"),
        (("measurements", "inference"), [], "measurements.inference: Input should be a valid"),
        (("measurements",), None, "measurements: Input should be a valid"),
        (("environment", "accelerator"), {"gpu0_memory_bytes": "much"}, "much"),
        (("environment", "host"), 5, "environment.host: Input should be a valid string"),
        (("energy", "phases"), [3], "energy.phases.0: Input should be"),
        (("scenario",), None, "scenario: Input should be"),
    ],
)
def test_damage_of_an_old_record_is_named_in_one_line(tmp_path, place, value, why):
    content = content_of(COMPLETED[0])
    *above, name = place
    holder = content
    for step in above:
        holder = holder[step]
    holder[name] = value
    path = tmp_path / "record.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: damaged: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_upgrade_changes_nothing_of_what_it_is_given_and_nothing_twice():
    old = with_energy(1)
    before = json.dumps(old)
    second = from_1_to_2(old)
    third = upgrade(old)
    assert json.dumps(old) == before
    assert (second["schema_version"], third["schema_version"]) == (2, 3)
    assert upgrade(third) == third == from_2_to_3(second)
    assert upgrade({"schema_version": 7, "a": 1}) == {"schema_version": 7, "a": 1}


@pytest.mark.parametrize(
    ("word", "groups"), [("eager", {}), ("compiled", {"compilation": {"mode": "graph"}}), ("other", "other")]
)
def test_the_word_of_an_execution_becomes_its_groups(word, groups):
    old = {"model": "m", "execution": word, "precision": "fp32"}
    assert upgrade_scenario(old) == {"model": "m", "execution": groups}
    assert old["precision"] == "fp32"
    new = {"model": "m", "execution": {"compilation": {"mode": "graph"}}}
    assert upgrade_scenario(new) == new


def test_old_and_new_records_stand_in_one_table(tmp_path):
    shutil.copytree(OLD / "schema-2" / "smoke", tmp_path / "results" / "smoke")
    paths = sorted((tmp_path / "results").rglob("record.json"))
    paths[0].write_text(load(paths[0]).model_dump_json())
    found = load_results(tmp_path / "results")
    assert found.problems == ()
    assert len(found.cells) == 2
