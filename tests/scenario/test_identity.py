"""The names of cells: they never change, whatever fields are added, and results of version 1 are found under them."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Literal

import pytest
from golden import GOLDEN, OF_VERSION_1, PLAIN, run

from harness.analysis.cells import load_results
from harness.data.config import RossbyConfig, Splits
from harness.launch.made import MadeLaunches, is_made
from harness.launch.plan import LaunchPlan
from harness.models.fourcastnet import Network
from harness.porting.parity import certificate
from harness.results import record as records
from harness.results.upgrade import upgrade_scenario
from harness.scenario import catalogue, identity
from harness.scenario.execution import GRAPH, Compilation, Execution, Precision, Recompute
from harness.scenario.scenario import Scenario
from harness.scenario.schema import InferenceConfig, OptimiserConfig, Stage, TrainingConfig
from tests.analysis.made_records import ResultsFolder, make_certificate, make_record

HERE = Path(__file__).parent
OLD = [(each["cell"], each["scenario"]) for each in json.loads((HERE / "version_1_scenarios.json").read_text())]
OLD_RECORD = HERE / "version_1/record.json"


@pytest.mark.parametrize(("scenario", "name"), GOLDEN, ids=[name for _, name in GOLDEN])
def test_the_names_of_cells_never_change(scenario, name):
    assert scenario.cell == name


def test_the_golden_names_are_of_different_cells():
    assert len({name for _, name in GOLDEN}) == len(GOLDEN) >= 10


def test_a_name_stands_for_what_was_set_away_from_its_default():
    """By hand: every field without a default, and of the others those that differ from it."""
    content = {
        "version": 2,
        "model": "fourcastnet",
        "preset": "tiny",
        "framework": "pytorch",
        "chip": "cpu",
        "data_name": "rossby",
        "architecture": "fourcastnet",
        "device": "cpu",
        "data": {"kind": "rossby", "seed": 1},
        "data_digest": None,
        "grid": [32, 64],
        "channels": ["u", "v", "z", "t"],
        "network": {"patch_size": 4, "embed_dim": 64, "depth": 2},
        "training": {"batch_size": 8, "stages": [{"name": "pretrain", "epochs": 12, "learning_rate": 0.002}]},
        "inference": {"lead_steps": [1, 2, 4, 8]},
        "seed": 2026,
        "execution": {"compilation": {"mode": "graph"}},
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    assert run(GRAPH).cell == f"fourcastnet-tiny.pytorch-graph.cpu.rossby.{digest[:8]}"


def test_defaults_that_are_written_out_name_the_same_cell():
    network = Network.model_validate(PLAIN.network).model_dump(mode="json")
    written = PLAIN.model_copy(update={"network": network})
    assert len(network) > len(PLAIN.network)
    assert written.cell == PLAIN.cell
    assert Scenario.model_validate_json(PLAIN.model_dump_json()).cell == PLAIN.cell


class WiderCompilation(Compilation):
    cache: bool = True


class WiderExecution(Execution):
    compilation: WiderCompilation = WiderCompilation()
    pinned: Literal["no", "yes"] = "no"


class WiderSplits(Splits):
    gap_days: float = 0.0


class WiderData(RossbyConfig):
    splits: WiderSplits = WiderSplits()
    noise: float = 0.0


class WiderOptimiser(OptimiserConfig):
    amsgrad: bool = False


class WiderStage(Stage):
    freeze: tuple[str, ...] = ()


class WiderTraining(TrainingConfig):
    optimiser: WiderOptimiser = WiderOptimiser()
    stages: tuple[WiderStage, ...]
    ema_decay: float | None = None


class WiderInference(InferenceConfig):
    ensemble: int = 1


class WiderNetwork(Network):
    dropout: float = 0.0


class WiderScenario(Scenario):
    execution: WiderExecution
    data: WiderData
    training: WiderTraining
    inference: WiderInference
    site: str | None = None


WIDER_CHANGES = (
    {"site": "lab"},
    {"execution": {"pinned": "yes"}},
    {"execution": {"compilation": {"cache": False}}},
    {"data": {"kind": "rossby", "seed": 1, "noise": 0.1}},
    {"data": {"kind": "rossby", "seed": 1, "splits": {"gap_days": 2.0}}},
    {"inference": {"lead_steps": [1, 2, 4, 8], "ensemble": 4}},
)


def wider(**changes):
    return WiderScenario.model_validate({**PLAIN.model_dump(mode="json", exclude_unset=True), **changes})


@pytest.fixture
def wider_network(monkeypatch):
    monkeypatch.setattr(identity, "_network_type", lambda name: WiderNetwork)


@pytest.mark.parametrize(("scenario", "name"), GOLDEN[:13], ids=[name for _, name in GOLDEN[:13]])
def test_a_new_field_with_a_default_renames_nothing(wider_network, scenario, name):
    written = scenario.model_dump(mode="json")
    assert WiderScenario.model_validate(written).cell == name
    written["network"] = WiderNetwork.model_validate(scenario.network).model_dump(mode="json")
    assert WiderScenario.model_validate(written).cell == name


def test_a_new_field_that_is_set_names_another_cell(wider_network):
    training = PLAIN.training.model_dump(mode="json", exclude_unset=True)
    stage = training["stages"][0]
    of_training = (
        {**training, "ema_decay": 0.999},
        {**training, "optimiser": {"amsgrad": True}},
        {**training, "stages": [{**stage, "freeze": ["encoder"]}]},
    )
    changed = [wider(**change) for change in (*WIDER_CHANGES, *({"training": each} for each in of_training))]
    changed.append(wider(network={**PLAIN.network, "dropout": 0.1}))
    names = {scenario.cell for scenario in changed}
    assert len(names) == len(changed) == 10
    assert wider().cell == PLAIN.cell not in names


@pytest.mark.parametrize(("old_name", "content"), OLD, ids=[name for name, _ in OLD])
def test_scenarios_of_version_1_have_the_names_of_now(old_name, content):
    scenario = Scenario.model_validate(upgrade_scenario(content))
    assert scenario.cell == OF_VERSION_1[old_name.rsplit(".", 1)[1]]
    assert scenario.execution.is_graph == ("compiled" in old_name)
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario


@pytest.mark.parametrize("word", ["graph", "fast", ""])
def test_a_word_that_old_records_never_had_is_refused(word):
    with pytest.raises(ValueError, match="execution"):
        Scenario.model_validate(upgrade_scenario({**OLD[0][1], "execution": word}))


def test_a_precision_that_old_records_never_had_is_refused():
    with pytest.raises(ValueError, match="precision"):
        Scenario.model_validate(upgrade_scenario({**OLD[0][1], "precision": "fp16"}))


def test_how_a_network_was_run_was_among_its_hyperparameters_and_is_its_execution():
    plain = PLAIN.model_dump(mode="json") | {"execution": "eager", "precision": "fp32"}
    said = {"spectral": "fft", "segment_sum": "auto", "pieces": 8}
    of_old = Scenario.model_validate(upgrade_scenario({**plain, "network": {**PLAIN.network, **said}}))
    of_new = run(
        Execution.model_validate({"operators": {"spectral": "fft"}, "recompute": {"unit": "ranges", "ranges": 8}})
    )
    assert of_old.cell == of_new.cell != PLAIN.cell
    usual = {"spectral": "auto", "segment_sum": "auto", "pieces": 1}
    of_old = Scenario.model_validate(upgrade_scenario({**plain, "network": {**PLAIN.network, **usual}}))
    assert of_old.cell == PLAIN.cell


def test_a_network_of_an_architecture_that_is_not_installed_has_a_name():
    other = PLAIN.model_copy(update={"architecture": "pangu"})
    changed = other.model_copy(update={"network": {**PLAIN.network, "depth": 3}})
    assert other.cell == other.model_copy().cell != changed.cell


def test_settings_of_a_network_that_are_no_longer_there_still_count():
    gone = PLAIN.model_copy(update={"network": {**PLAIN.network, "num_blocks": 8, "gone": 5}})
    assert gone.cell != PLAIN.cell
    other = PLAIN.model_copy(update={"network": {**PLAIN.network, "gone": 5}})
    assert gone.cell == other.cell


class TestARecordOfVersion1:
    """A record that the program made when names were of version 1, in the folder that it had then."""

    NAME = "fourcastnet-tiny.mindspore-graph.cpu.rossby.14a8d42a"

    @pytest.fixture
    def results(self, tmp_path):
        folder = tmp_path / "results/smoke/fourcastnet-tiny.mindspore-compiled.cpu.rossby.1ec27b32/00-6ec73193"
        folder.mkdir(parents=True)
        shutil.copy(OLD_RECORD, folder)
        return tmp_path / "results"

    @pytest.fixture
    def plan(self):
        """The same launch as a bench of now plans it: the settings of the suite, an Execution, no word."""
        (old,) = [content for name, content in OLD if name.endswith("1ec27b32")]
        same = {name: value for name, value in old.items() if name not in ("execution", "precision")}
        same["network"] = {name: value for name, value in old["network"].items() if name != "spectral"}
        scenario = Scenario.model_validate({**same, "execution": {"compilation": {"mode": "graph"}}, "idle_s": 10.0})
        return LaunchPlan(scenario=scenario, chip=catalogue.chip("cpu"), launch=0, order=0, bench="b", attempt="new")

    def test_tables_have_it_under_the_name_of_now(self, results):
        found = load_results(results)
        assert found.problems == ()
        (cell,) = found.cells
        assert (cell.key, cell.label) == (self.NAME, "mindspore graph")
        assert cell.launches[0].measurements.training[0].epochs

    def test_its_launch_is_not_made_again(self, results, plan):
        environment = records.load(OLD_RECORD).environment
        assert plan.scenario.cell == self.NAME
        assert MadeLaunches(results, environment).completed(plan)
        assert MadeLaunches(results, environment).completed(plan.model_copy(update={"launch": 1})) is None
        other = plan.scenario.model_copy(update={"execution": Execution(precision=Precision(autocast="fp16"))})
        assert MadeLaunches(results, environment).completed(plan.model_copy(update={"scenario": other})) is None

    def test_a_launch_of_now_stands_in_the_same_cell(self, results, plan):
        old = records.load(OLD_RECORD)
        new = old.model_copy(
            update={"scenario": plan.scenario, "cell": plan.scenario.cell, "launch": 1, "attempt": "new", "order": 9}
        )
        folder = plan.model_copy(update={"launch": 1}).folder(results)
        folder.mkdir(parents=True)
        records.save(new, folder)
        (cell,) = load_results(results).cells
        assert [*cell.by_launch] == [0, 1]
        assert is_made(plan.model_copy(update={"launch": 1}), results, old.environment)

    def test_what_it_holds_is_read_in_the_words_of_now(self):
        found = records.load(OLD_RECORD)
        assert found.scenario.execution == GRAPH
        assert found.scenario.execution.recompute == Recompute()
        assert (found.measurements.numerics.policy, found.measurements.numerics.policy_bits) == ("ieee", 24)


def test_certificates_of_before_are_of_graphs_where_they_say_compiled(tmp_path):
    content = make_certificate().model_dump(mode="json")
    path = tmp_path / "old.json"
    path.write_text(json.dumps({**content, "execution": "compiled"}))
    found = certificate.load(path)
    assert found.execution == GRAPH
    assert found.name == "fourcastnet-tiny.mindspore-graph.cpu"


def test_lists_of_absent_cells_of_before_are_read(tmp_path):
    entry = {name: OLD[1][1][name] for name in ("model", "preset", "framework", "execution", "chip", "data_name")}
    (tmp_path / "smoke").mkdir()
    (tmp_path / "smoke/absent.json").write_text(json.dumps([{**entry, "reason": "mindspore not installed"}]))
    ((suite, absent),) = load_results(tmp_path).absent
    assert (suite, absent.framework, absent.execution) == ("smoke", "mindspore", GRAPH)


def test_an_absent_cell_hides_only_behind_records_of_its_own_execution(tmp_path):
    results = ResultsFolder(tmp_path / "results")
    results.add(make_record("mindspore"))
    results.add_absent(execution="graph", reason="once")
    assert [group.absent for group in load_results(results.path).groups()] == [()]
    lowered = Execution.model_validate({"compilation": {"mode": "graph"}, "precision": {"autocast": "bf16"}})
    results.add_absent(execution=lowered, reason="no bfloat16")
    (group,) = load_results(results.path).groups()
    assert [group.label_of_absent(entry) for entry in group.absent] == ["mindspore graph, bf16"]
    assert [group.label(cell) for cell in group.cells] == ["mindspore graph"]
