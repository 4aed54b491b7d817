import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from pydantic import BaseModel
from shared import REPOSITORY

from harness.commands.overview import overview
from harness.data import opening
from harness.errors import UserError, nearest
from harness.launch.survey import matrix_of
from harness.scenario import catalogue
from harness.scenario.loading import load
from harness.scenario.scenario import Scenario, Selection, Variant
from harness.scenario.schema import SuiteConfig

SCENARIOS = REPOSITORY / "scenarios"

SUITE = """\
description: two lines on
models:
  - {model: fourcastnet, preset: tiny}
frameworks:
  - framework: pytorch
  - framework: mindspore
    execution: {compilation: {mode: graph}}
launches: 3
"""
CHIP = (SCENARIOS / "chips/cpu.yaml").read_text()
MODEL = (SCENARIOS / "models/fourcastnet.yaml").read_text()
ROSSBY = (SCENARIOS / "data/rossby.yaml").read_text()
STORM = (SCENARIOS / "data/storm.yaml").read_text()

READERS = {
    SUITE: catalogue.suite,
    CHIP: catalogue.chip,
    MODEL: catalogue.model,
    ROSSBY: catalogue.data,
    STORM: catalogue.data,
}


def line_of(text, part):
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("kind", ["chip", "model", "suite", "data"])
def test_every_file_of_the_repository_loads(kind):
    plural = {"data": "data"}.get(kind, f"{kind}s")
    found = catalogue.names(plural)
    assert found == sorted(path.stem for path in (SCENARIOS / plural).iterdir())
    for name in found:
        getattr(catalogue, kind)(name)


def test_every_model_and_data_set_of_every_suite_exists():
    for suite in map(catalogue.suite, catalogue.names("suites")):
        for entry in suite.models:
            assert (entry.data or suite.data) in catalogue.names("data")
            catalogue.preset(entry.model, entry.preset)


@pytest.mark.parametrize(
    ("text", "old", "new", "field", "complaint"),
    [
        (SUITE, "launches: 3", "launches: three", "launches", "needs a whole number, not 'three'"),
        (SUITE, "launches: 3", "launches: 0", "launches", "greater than 0, not 0"),
        (SUITE, "launches: 3", "launches: [3]", "launches", "needs a whole number"),
        (SUITE, "launches: 3", "launches: yes", "launches", "must be a number, not true or false"),
        (
            SUITE,
            "execution: {compilation: {mode: graph}}",
            "execution: {world: {devices: yes}}",
            "frameworks.1.execution.world.devices",
            "must be a number, not true or false",
        ),
        (SUITE, "launches: 3", "launches:", "launches", "needs a whole number, but nothing is given"),
        (SUITE, "launches: 3", "lanches: 3", "lanches", "unknown field; did you mean 'launches'"),
        (SUITE, "launches: 3", "launches: 3\nLAUNCHES: 4", "LAUNCHES", "unknown field; did you mean 'launches'"),
        (SUITE, "launches: 3", "launches: 3\nlaunches: 4", "launches", "given twice"),
        (
            SUITE,
            "mode: graph",
            "mode: grahp",
            "frameworks.1.execution.compilation.mode",
            "'grahp' is not one of them; did you mean 'graph'",
        ),
        (SUITE, "{mode: graph}", "{mod: graph}", "frameworks.1.execution.compilation.mod", "did you mean 'mode'"),
        (SUITE, "execution: {", "exection: {", "frameworks.1.exection", "did you mean 'execution'"),
        (
            SUITE,
            "execution: {compilation: {mode: graph}}",
            "execution: compiled",
            "frameworks.1.execution",
            "'compiled' is no part of an execution: give its fields, such as {compilation: {mode: graph}}",
        ),
        (SUITE, "preset: tiny", "preset: 7", "models.0.preset", "needs text, not 7"),
        (SUITE, "preset: tiny", "presets: tiny", "models.0.presets", "did you mean 'preset'"),
        (SUITE, "launches: 3", "precision: fp16", "precision", "unknown field; choose from: axes, .*, execution"),
        (CHIP, "{device: CPU", "{divice: CPU", "frameworks.mindspore.divice", "did you mean 'device'"),
        (CHIP, "mindspore: {device", "mindspor: {device", "frameworks.mindspor", "did you mean 'mindspore'"),
        (CHIP, "power_collectors: [rapl]", "power_collectors: rapl", "power_collectors", "a list, not 'rapl'"),
        (CHIP, "peak_tflops: {}", "peak_tflops: {fp23: 1}", "peak_tflops.fp23", "did you mean 'fp32'"),
        (
            CHIP,
            "peak_tflops: {}",
            "peak_tflops: {fp32: 1}",
            "peak_tflops.fp32",
            "needs fields and their values: {value: ..., source: ...}, not 1",
        ),
        (MODEL, "depth: 2}", "dept: 2}", "presets.tiny.network.dept", "did you mean 'depth'"),
        (
            MODEL,
            "embed_dim: 64,",
            "embed_dim: 60,",
            "presets.tiny.network",
            "num_blocks 8 does not divide embed_dim 60",
        ),
        (MODEL, "grid: [32, 64]", "grid: [32, -64]", "presets.tiny.grid.1", "greater than 0, not -64"),
        (MODEL, "grid: [32, 64]", "grid: [yes, 64]", "presets.tiny.grid.0", "must be a number, not true or false"),
        (MODEL, "grid: [32, 64]", "grid: [32]", "presets.tiny.grid.1", "required, but missing"),
        (MODEL, "epochs: 12,", "epochs: many,", "presets.tiny.training.stages.0.epochs", "whole number, not 'many'"),
        (MODEL, "lead_steps: [1, 2, 4, 8],", "lead_steps: [2, 1],", "presets.tiny.inference", "lead_steps must rise"),
        (MODEL, "architecture: fourcastnet", "architecture: forcastnet", "architecture", "did you mean 'fourcastnet'"),
        (MODEL, "architecture: fourcastnet", "architecture: 4", "architecture", "no architecture '4'"),
        (ROSSBY, "kind: rossby", "kind: rosby", "kind", "'rosby' is not one of them; did you mean 'rossby'"),
        (ROSSBY, "seed: 1", "sed: 1", "sed", "did you mean 'seed'"),
        (
            ROSSBY,
            "channels: [u, v, z, t]",
            "channels: [u, v, z, q]",
            "channels.3",
            "'q' is not one of them; choose from",
        ),
        (ROSSBY, "splits: {train: 0.7,", "splits: {train: 0.8,", "splits", "must add up to 1, not 1.1"),
        (STORM, "units: Pa", "unit: Pa", "channels.0.unit", "did you mean 'units'"),
        (STORM, "start: 1996-01-05 00:00:00", "start: soon", "time.start", "datetime.*not 'soon'"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(tmp_path, text, old, new, field, complaint):
    assert text.count(old) >= 1
    wrong = text.replace(old, new, 1)
    path = tmp_path / "wrong.yaml"
    path.write_text(wrong)
    line = line_of(wrong, new.splitlines()[-1])
    with pytest.raises(UserError, match=rf"^{re.escape(f'{path}:{line}: {field}: ')}.*{complaint}") as raised:
        READERS[text](str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "without", "expected"),
    [
        (SUITE, "models:\n  - {model: fourcastnet, preset: tiny}\n", "1: models: required, but missing"),
        (MODEL, "architecture: fourcastnet\n", "1: architecture: required, but missing"),
        (ROSSBY, "kind: rossby\n", "1: kind: required, but missing"),
    ],
)
def test_a_missing_field_is_told_where_it_belongs(tmp_path, text, without, expected):
    assert without in text
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace(without, ""))
    with pytest.raises(UserError, match=f"^{re.escape(f'{path}:{expected}')}"):
        READERS[text](str(path))


def test_several_mistakes_are_all_listed_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(SUITE.replace("launches: 3", "launches: 0\nlunches: 2\nseed: -1"))
    with pytest.raises(UserError) as raised:
        catalogue.suite(str(path))
    assert str(raised.value) == (
        f"{path}: 3 mistakes: (1) line 8: launches: must be greater than 0, not 0; "
        "(2) line 9: lunches: unknown field; did you mean 'launches'?; "
        "(3) line 10: seed: must be greater than or equal to 0, not -1"
    )


def test_many_mistakes_are_listed_up_to_ten(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(SUITE + "".join(f"unknown{number}: 1\n" for number in range(14)))
    with pytest.raises(UserError, match=r": 14 mistakes: \(1\) .*\(10\) line .*; and 4 more$"):
        catalogue.suite(str(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"models: [a\nlaunches: 3\n", ":2: not valid YAML: "),
        (b"a: 1\n\tb: 2\n", ":2: not valid YAML: "),
        (b"a: *nowhere\n", ":1: not valid YAML: "),
        (b"a: !!python/object:os.system {}\n", ":1: a: the tag !!python/object:os.system is not used here"),
        (b"---\na: 1\n---\nb: 2\n", ":3: not valid YAML: "),
        (b"a: 1\nb: \x07\n", ":2: not valid YAML: the character U\\+0007 is not allowed"),
        (b"launches: 3\ndescription: \xff\xfe\n", ":2: cannot be read: not UTF-8"),
        (b"models: 1\n[a, b]: 2\n", ":2: the name of a field must be plain text"),
        (b"models: 1\n{a: b}: 2\n", ":2: the name of a field must be plain text"),
        (b"a: 1\nmodels: &m\n  - *m\n", ":2: not valid here: the anchor is used inside itself"),
        (b"", ":1: file: .*nothing is given"),
        (b"- a\n", ":1: file: needs fields and their values"),
        (b"just words\n", ":1: file: needs fields and their values: .*, not 'just words'"),
    ],
)
def test_what_is_no_yaml_mapping_is_one_clear_line(tmp_path, content, expected):
    path = tmp_path / "wrong.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}{expected}") as raised:
        load(path, SuiteConfig)
    assert "\n" not in str(raised.value)


def test_a_number_without_a_point_before_its_exponent_is_a_number(tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text(MODEL.replace("learning_rate: 2.0e-3", "learning_rate: 2e-3"))
    assert catalogue.model(str(path)).presets["tiny"].training.stages[0].learning_rate == 0.002


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: catalogue.chip("a10"), "chip 'a10'.*did you mean 'a100'"),
        (lambda: catalogue.chip("CPU"), "did you mean 'cpu'"),
        (lambda: catalogue.suite("smokes"), "suite 'smokes'.*did you mean 'smoke'"),
        (
            lambda: catalogue.suite("../suites/smoke"),
            "suite '../suites/smoke'.*choose from: ablation, paper, rehearsal, scaling, smoke",
        ),
        (lambda: catalogue.data("qqq"), "data 'qqq'.*choose from: .*rossby, .*storm"),
        (lambda: catalogue.model("forecastnet"), "model 'forecastnet'.*did you mean 'fourcastnet'"),
        (lambda: catalogue.preset("fourcastnet", "papers"), "no preset 'papers'; did you mean 'paper'"),
        (lambda: catalogue.suite("absent.yaml"), "absent.yaml: no such file"),
        (lambda: catalogue.suite("smoke.yaml"), "smoke.yaml: no such file; did you mean 'smoke'"),
        (lambda: matrix_of(Selection(model="fourcast")), "not in suite 'smoke'; did you mean 'fourcastnet'"),
        (lambda: matrix_of(Selection(preset="tinny")), "no preset 'tinny'; did you mean 'tiny'"),
        (lambda: matrix_of(Selection(framework="torch")), "framework 'torch' is not in suite"),
        (lambda: matrix_of(Selection(mapping="storm")), "give its folder or file with DATA="),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(call, complaint):
    with pytest.raises(UserError, match=complaint):
        call()


def test_without_a_near_name_all_are_listed():
    assert nearest("xyz", ["b", "a"]) == "choose from: a, b"
    assert nearest("xyz", []) == "none are defined"


def test_a_patch_that_does_not_divide_the_grid_lists_those_that_do(tmp_path):
    (tmp_path / "odd.yaml").write_text(MODEL.replace("patch_size: 4,", "patch_size: 5,", 1))
    complaint = (
        "odd tiny on data 'rossby': patch_size 5 does not divide the grid 32x64; sizes that do: 1, 2, 4, 8, 16, 32$"
    )
    with pytest.raises(UserError, match=complaint):
        matrix_of(Selection(model=str(tmp_path / "odd.yaml"), preset="tiny"))


@pytest.mark.parametrize(
    ("architecture", "data"), [("fourcastnet", "rossby"), ("graphcast", "rossby_forced"), ("aigoms", "ocean")]
)
def test_a_model_file_of_ones_own_runs_on_the_data_of_its_architecture(tmp_path, architecture, data):
    path = tmp_path / "mine.yaml"
    path.write_text((SCENARIOS / f"models/{architecture}.yaml").read_text())
    assert {cell.data_name for cell in matrix_of(Selection(model=str(path))).cells} == {data}


def scenario():
    return matrix_of(Selection()).cells[0]


def changed(value):
    """Every copy of a value in which one leaf is another; empty and null leaves and descriptions are left alone."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields.keys() - {"description"}:
            yield from (value.model_copy(update={name: other}) for other in changed(getattr(value, name)))
    elif isinstance(value, dict):
        yield from ({**value, key: other} for key, child in value.items() for other in changed(child))
    elif isinstance(value, tuple | list):
        for index, child in enumerate(value):
            yield from ((*value[:index], other, *value[index + 1 :]) for other in changed(child))
    elif isinstance(value, int | float):
        yield value + 1
    elif isinstance(value, str):
        yield f"{value}x"


def test_every_setting_is_part_of_the_name_of_a_cell():
    first = scenario()
    free = {"suite", "idle_s", "time_limit_s", "data_root", "variant", "set_values", "files"}
    names = [first.cell]
    for field in Scenario.model_fields.keys() - free:
        names += [first.model_copy(update={field: other}).cell for other in changed(getattr(first, field))]
    assert len(names) > 60
    assert len(set(names)) == len(names)


def test_the_name_of_a_cell_does_not_depend_on_what_changes_no_measurement():
    first = scenario()
    place = Variant(design="full", position=3, name="precision.autocast: bf16")
    free = {"suite": "other", "time_limit_s": 1.0, "data_root": "/elsewhere", "idle_s": 7.0, "variant": place}
    free |= {"set_values": {"training.batch_size": 8}, "files": {"model": "mine.yaml"}}
    described = first.data.model_copy(update={"description": "the same in other words"})
    other = first.model_copy(update={**free, "data": described})
    reordered = first.model_copy(update={"network": dict(reversed(list(first.network.items())))})
    assert first.cell == other.cell == reordered.cell == scenario().cell


def test_the_cells_of_a_suite_have_different_names():
    cells = matrix_of(Selection()).cells
    assert len({cell.cell for cell in cells}) == len(cells) == 6
    assert all(re.fullmatch(r"[\w.-]+", cell.cell) for cell in cells)


class TestDataOfItsOwn:
    """A suite in which the second model has other data than the suite."""

    @pytest.fixture
    def suite(self, tmp_path):
        (tmp_path / "calm.yaml").write_text(ROSSBY.replace("channels: [u, v, z, t]", "channels: [z, t]"))
        (tmp_path / "second.yaml").write_text(MODEL)
        entries = (
            "  - {model: fourcastnet, preset: tiny}\n"
            f"  - {{model: {tmp_path}/second.yaml, preset: tiny, data: {tmp_path}/calm.yaml}}\n"
        )
        path = tmp_path / "mixed.yaml"
        path.write_text(SUITE.replace("  - {model: fourcastnet, preset: tiny}\n", entries))
        return path

    def cells(self, suite, **options):
        cells = matrix_of(Selection(suite=str(suite), framework="pytorch", **options)).cells
        return [(cell.model, cell.preset, cell.data_name, cell.channels) for cell in cells]

    def test_each_model_runs_on_its_own(self, suite):
        first, second = self.cells(suite)
        assert first == ("fourcastnet", "tiny", "rossby", ("u", "v", "z", "t"))
        assert second == ("second", "tiny", "calm", ("z", "t"))

    def test_another_preset_keeps_it(self, suite):
        assert [cell[1:3] for cell in self.cells(suite, preset="small")] == [("small", "rossby"), ("small", "calm")]

    def test_a_mapping_of_the_selection_goes_before_it(self, suite):
        assert {cell[2] for cell in self.cells(suite, mapping="rossby")} == {"rossby"}

    def test_an_archive_of_the_selection_goes_before_it_and_is_opened_once(self, suite, tmp_path, monkeypatch):
        times = np.datetime64("2020-01-01", "ns") + np.arange(40) * np.timedelta64(6, "h")
        axes = {"time": times, "latitude": np.linspace(-70.0, 70.0, 8), "longitude": np.arange(16) * 22.5}
        values = np.random.default_rng(0).normal(size=(40, 8, 16))
        xr.Dataset({"t2m": (list(axes), values)}, axes).to_netcdf(tmp_path / "a.nc")
        channels = [{"name": "t", "variable": "t2m", "units": "K"}]
        mapping = tmp_path / "mine.yaml"
        mapping.write_text(yaml.safe_dump({"kind": "archive", "files": "*.nc", "channels": channels}))
        opened = []
        monkeypatch.setattr(
            opening, "open_source", lambda *a, f=opening.open_source, **k: opened.append(a) or f(*a, **k)
        )
        found = self.cells(suite, data=tmp_path / "a.nc", mapping=str(mapping))
        assert [cell[2:] for cell in found] == [("mine", ("t",))] * 2
        assert len(opened) == 1

    def test_an_archive_without_its_folder_is_asked_for(self, suite, tmp_path):
        suite.write_text(suite.read_text().replace(f"data: {tmp_path}/calm.yaml", "data: storm"))
        with pytest.raises(
            UserError, match="data 'storm' are read from an archive: give its folder or file with DATA="
        ):
            self.cells(suite)

    def test_an_unknown_name_is_answered_with_the_nearest(self, suite, tmp_path):
        suite.write_text(suite.read_text().replace(f"data: {tmp_path}/calm.yaml", "data: rosby"))
        with pytest.raises(UserError, match=r"data 'rosby'.*did you mean 'rossby'"):
            self.cells(suite)

    def test_the_overview_names_it(self, suite, tmp_path, monkeypatch):
        (tmp_path / "suites").mkdir()
        suite.rename(tmp_path / "suites/mixed.yaml")
        monkeypatch.setenv("CROSSCAST_SCENARIOS", str(tmp_path))
        suites = overview()[0]
        row = dict(zip(suites.columns[0].cells, suites.columns[1].cells, strict=True))["mixed"]
        assert row == f"fourcastnet tiny, {tmp_path}/second.yaml tiny on {tmp_path}/calm.yaml"


def test_files_beside_the_repository_are_named_by_their_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SUITE)
    assert matrix_of(Selection(suite=str(path))).suite == "mine"
    assert isinstance(catalogue.path_of("suites", str(path)), Path)
