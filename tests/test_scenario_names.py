"""One rule for names: benches refuse before a launch what tables would not write."""

import pytest
import yaml

from harness.analysis.claims import writing as claims
from harness.analysis.figures.subject import file_stem
from harness.calibration import store
from harness.errors import UserError
from harness.launch.survey import matrix_of
from harness.porting.parity import certificate
from harness.scenario import names
from harness.scenario.scenario import Selection
from tests.shared import REPOSITORY

BAD = (".hidden", "a\tb", "a\x7fb", "a\u202eb", "x" * 61, " a", "-a", "a\\b")


@pytest.mark.parametrize("name", ["", "a/b", "a\0b", "a\ud800b", *BAD])
def test_bad_names(name):
    assert names.name_problem(name)


@pytest.mark.parametrize("name", ["smoke", "x" * 60, "größe 0.25°", "海洋", "era5_graphcast13", "a.b+c"])
def test_good_names(name):
    assert names.name_problem(name) is None
    assert names.suite_problem(name) is None


def test_every_folder_of_results_that_is_no_suite_is_reserved():
    published = {path.name for path in (REPOSITORY / "results").iterdir() if path.name in ("published", "README.md")}
    for name in {certificate.FOLDER, store.FOLDER, claims.FOLDER, "report.html", *published}:
        assert names.suite_problem(name)
        assert names.suite_problem(name.upper())


@pytest.mark.parametrize("name", [*BAD, "parity", "published"])
def test_a_bench_refuses_a_suite(tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    path.write_text((REPOSITORY / "scenarios/suites/smoke.yaml").read_text())
    with pytest.raises(UserError, match=r"the suite name .* rename it"):
        matrix_of(Selection(suite=str(path)))


@pytest.mark.parametrize("name", BAD)
def test_a_bench_refuses_models_data_and_presets_in_one_message(tmp_path, name):
    content = yaml.safe_load((REPOSITORY / "scenarios/models/fourcastnet.yaml").read_text())
    model, data = tmp_path / f"{name}.yaml", tmp_path / "data" / f"{name}.yaml"
    preset = "p" * 61
    model.write_text(yaml.safe_dump(content | {"presets": {preset: content["presets"]["tiny"]}}))
    data.parent.mkdir()
    data.write_text((REPOSITORY / "scenarios/data/rossby.yaml").read_text())
    with pytest.raises(UserError, match=r"^3 problems: ") as refused:
        matrix_of(Selection(model=str(model), preset=preset, mapping=str(data)))
    for kind, bad in (("model", name), ("preset", preset), ("data", name)):
        assert f"the {kind} name {bad!r} " in str(refused.value)


def test_names_that_are_too_long_together_are_refused(tmp_path):
    name = "海" * 59
    model, data = tmp_path / f"{name}a.yaml", tmp_path / f"{name}b.yaml"
    model.write_text((REPOSITORY / "scenarios/models/fourcastnet.yaml").read_text())
    data.write_text((REPOSITORY / "scenarios/data/rossby.yaml").read_text())
    with pytest.raises(UserError, match=r"takes 3\d\d bytes, more than the 255 of a file system"):
        matrix_of(Selection(model=str(model), preset="tiny", mapping=str(data)))


def test_stems_of_files_fit_and_stay_apart():
    stems = {file_stem(f"{'海' * 200}{end}") for end in "ab"}
    assert len(stems) == 2
    assert all(len(stem.encode()) <= 220 for stem in stems)
    assert file_stem("speed-a b") == "speed-a_b"
