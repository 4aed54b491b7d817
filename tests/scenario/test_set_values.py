"""`--set PATH=VALUE`: the cell that a file with the value would make, a label in words, one clear line for mistakes."""

import pytest
import yaml

from harness.errors import UserError
from harness.launch.own_port import ports_of
from harness.launch.submission.blocks import Block, blocks_of
from harness.launch.survey import matrix_of
from harness.scenario import catalogue
from harness.scenario.folders import ROOT
from harness.scenario.networks import network_on
from harness.scenario.scenario import Selection
from harness.scenario.set_values import in_words, read_settings

PLAIN_LAUNCH = {"model": "fourcastnet", "framework": "pytorch"}


def cell(*texts, **selection):
    """The one cell of FourCastNet in PyTorch with these settings."""
    (found,) = matrix_of(Selection(settings=texts, **PLAIN_LAUNCH | selection)).cells
    return found


def test_a_value_makes_the_cell_that_a_file_with_it_makes(tmp_path):
    content = yaml.safe_load((ROOT / "models" / "fourcastnet.yaml").read_text())
    preset = content["presets"]["tiny"]
    preset["training"]["stages"][0]["epochs"] = 3
    preset["network"]["patch_size"] = 8
    path = tmp_path / "fourcastnet.yaml"
    path.write_text(yaml.safe_dump(content))
    changed = cell("training.stages[0].epochs=3", "network.patch_size=8")
    assert changed.cell == cell(model=str(path)).cell != cell().cell
    assert changed.set_values == {"training.stages[0].epochs": 3, "network.patch_size": 8}


def test_it_goes_before_the_bounds_of_a_suite():
    assert cell(suite="timing").training.stages[0].epochs < 7
    assert cell("training.stages[0].epochs=7", suite="timing").training.stages[0].epochs == 7


def test_it_goes_before_what_the_mapping_of_the_data_changes():
    mapping = catalogue.data("hycom_goo")
    mapping = mapping.model_copy(update={"model_overrides": {"fourcastnet": {"patch_size": 2}}})
    found = catalogue.preset("fourcastnet", "tiny")

    def patch_size(*texts):
        return network_on(found, mapping, "hycom_goo", (32, 64), read_settings(texts))["patch_size"]

    assert (patch_size(), patch_size("network.patch_size=8")) == (2, 8)


@pytest.mark.parametrize(
    ("setting", "value"), [("level_weights", "uniform"), ("mesh_to_grid_length", 0.6180338738074472)]
)
def test_what_files_leave_out_at_its_default_can_be_set(setting, value):
    (usual,), (changed,) = (
        matrix_of(Selection(model="graphcast", framework="pytorch", settings=texts)).cells
        for texts in ((), (f"network.{setting}={value}",))
    )
    assert setting not in usual.network
    assert changed.network == usual.network | {setting: value}
    assert changed.cell != usual.cell


def test_an_execution_is_set_for_all_frameworks():
    cells = matrix_of(Selection(model="fourcastnet", settings=("execution.accumulation=2",))).cells
    assert {each.framework: each.execution.accumulation for each in cells} == {"pytorch": 2, "mindspore": 2}
    assert {each.set_values.get("execution.accumulation") for each in cells} == {None}


@pytest.mark.parametrize(
    ("values", "stages", "words"),
    [
        ({"training.stages[0].epochs": 3}, ["pretrain"], "epochs 3"),
        ({"training.stages[1].epochs": 3}, ["pretrain", "rollout"], "rollout epochs 3"),
        ({"inference.lead_steps": (1, 2)}, ["a"], "inference lead steps 1 2"),
        ({"training.optimiser.clip_norm": None, "network.skip": True}, ["a"], "optimiser clip norm none, skip yes"),
        ({"training.optimiser.weight_decay": 0.010}, ["a"], "optimiser weight decay 0.01"),
        ({"training.stages[0].learning_rate": 0.0012345678}, ["a"], "learning rate 0.0012345678"),
        ({"training.optimiser.clip_norm": 32.0}, ["a"], "optimiser clip norm 32"),
    ],
)
def test_words(values, stages, words):
    assert in_words(values, stages) == words


def test_a_scenario_says_it_in_words():
    assert (cell().own_words, cell("training.batch_size=16").own_words) == ("", "batch size 16")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "training.stages[0].epoch=3",
            r"fourcastnet tiny has no such value; did you mean training\.stages\[0\]\.epochs",
        ),
        ("training.stages[4].epochs=3", "training.stages of fourcastnet tiny has 1 entry, counted from 0"),
        ("training.stages[0].learning_rate=none", "needs a number; null stands for none"),
        ("trainng.batch_size=3", "did you mean 'training'"),
        ("training.optimiser=adam", r"holds several values; set one of training\.optimiser\.name"),
        ("training.optimiser.name=adamv", "adamv: is not one of them; did you mean 'adam"),
        ("training.stages[0].epochs=-1", r"epochs=-1: must be greater than or equal to 0$"),
        ("training.stages[0].epochs=abc", r"epochs=abc: needs a whole number$"),
        ("training.stages[0].learning_rate=fast", r"learning_rate=fast: needs a number$"),
        ("training.optimiser.weight_decay=0.1", "adam takes no weight_decay"),
        ("training.batch_size", "give PATH=VALUE"),
        ("training.batch_size={", "is no value as YAML writes it"),
        ("training.batch_size=.inf", "must be a finite number"),
        ("training.batch_size={a: 1}", "takes one value"),
        ("training=3", "names no single value"),
        ("training.batch_size=!!bool abc", "batch_size: abc is no true or false"),
        ("training.batch_size=!!timestamp abc", "batch_size: abc is no date or time"),
        ("training.batch_size=!!int ''", "batch_size:  is no integer"),
        (f"training.batch_size={'9' * 90}", "is beyond 64 bits"),
        ("training.batch_size=!!python/none 3", "the tag .* is not used here"),
        ("inference.lead_steps=[true, 2]", r"must be a number, as 1 2 4 8$"),
        ("network.depth=true", "depth=yes: must be a number, as 2$"),
        ("training.max_steps_per_epoch=true", "max_steps_per_epoch=yes: must be a number$"),
        ("training.optimiser.clip_norm=yes", "clip_norm=yes: must be a number$"),
        ("execution.world.devices=true", r"world\.devices: must be a number, not true or false$"),
        ("network.patch_size=5", "patch_size 5 does not divide the grid 32x64"),
        ("execution.precision.autocst=bf16", "did you mean 'precision.autocast'"),
        ("execution.precision.autocast=bf17", "did you mean 'bf16'"),
    ],
)
def test_a_mistake_is_one_line(text, complaint):
    with pytest.raises(UserError, match=complaint) as error:
        cell(text)
    assert "\n" not in str(error.value)


def test_a_path_that_is_given_twice():
    with pytest.raises(UserError, match=r"--set training.batch_size: given twice"):
        read_settings(["training.batch_size=3", "training.batch_size=4"])


@pytest.mark.parametrize(
    ("suite", "text", "complaint"),
    [
        ("study", "execution.accumulation=2", "the suite is a ladder"),
        ("ablation", "execution.compilation.mode=graph", "the suite's axis compilation"),
    ],
)
def test_what_a_suite_gives_in_turn_is_not_set(suite, text, complaint):
    with pytest.raises(UserError, match=complaint):
        cell(text, suite=suite)


class TestSubmitted:
    @pytest.fixture
    def site(self):
        return catalogue.site("local")

    def block(self, site, tmp_path, *texts):
        (found,) = blocks_of(Selection(model="fourcastnet", settings=texts), site, tmp_path)
        return found.block

    def test_the_block_carries_it_to_the_node(self, site, tmp_path):
        plain, changed = (self.block(site, tmp_path, *texts) for texts in ((), ("training.batch_size=4",)))
        assert plain.key != changed.key
        read = Block.model_validate_json(changed.model_dump_json()).selection(tmp_path)
        assert read.settings == ("training.batch_size=4",)

    def test_a_mistake_is_told_before_anything_waits(self, site, tmp_path):
        with pytest.raises(UserError, match=r"did you mean training\.batch_size"):
            self.block(site, tmp_path, "training.batch_sizes=4")


class TestPort:
    """A port of one's own in the place of the harness's network."""

    @pytest.fixture(autouse=True)
    def port(self, tmp_path, monkeypatch):
        (tmp_path / "own_afno.py").write_text("A = 1\n")
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path / "own_afno.py"

    def cells(self, **selection):
        found = matrix_of(Selection(model="fourcastnet", port="own_afno", **selection)).cells
        return {each.framework: each for each in found}

    def test_it_is_that_of_mindspore_where_no_framework_is_named(self):
        cells = self.cells()
        assert (cells["pytorch"].port, cells["mindspore"].port.name) == (None, "own_afno")
        assert cells["mindspore"].own_words == "port own_afno"
        assert self.cells(framework="pytorch")["pytorch"].port.name == "own_afno"

    def test_another_source_is_another_cell(self, port):
        before = self.cells()["mindspore"].cell
        port.write_text("A = 2\n")
        plain = {each.framework: each for each in matrix_of(Selection(model="fourcastnet")).cells}["mindspore"].cell
        assert len({before, self.cells()["mindspore"].cell, plain}) == 3

    def test_it_stands_for_one_model(self):
        with pytest.raises(UserError, match="is one network, but these are selected: fourcastnet, graphcast"):
            matrix_of(Selection(port="own_afno"))

    def test_a_module_that_is_not_there(self):
        with pytest.raises(UserError, match="No module named 'own_afnoo'"):
            matrix_of(Selection(model="fourcastnet", port="own_afnoo"))

    def test_a_framework_that_the_suite_has_not(self):
        with pytest.raises(UserError, match="the suite has no mindspore; give --framework pytorch"):
            ports_of(Selection(port="own_afno"), ["fourcastnet"], ["pytorch"])
