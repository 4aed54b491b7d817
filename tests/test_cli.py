"""The command line on mistakes of its user: one line that says what to do, exit status 2, nothing written."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from harness.commands import cli
from harness.commands.overview import overview
from harness.errors import UserError
from harness.machine.availability import cannot_run
from harness.scenario import catalogue
from tests.analysis.made_records import ResultsFolder, make_record
from tests.shared import REPOSITORY

HEAVY = {
    *("torch", "mindspore", "numpy", "pandas", "scipy", "xarray", "matplotlib"),
    *("dask", "jinja2", "netCDF4", "pint", "plotille", "pyarrow", "zarr"),
}
"""Packages whose import takes a good part of a second, or brings one that does."""


@pytest.fixture
def fail(tmp_path, capsys, monkeypatch):
    """Run a command that must fail; returns its one line. The results folder must not have been made."""

    def run(*arguments: object) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["crosscast", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        stderr = capsys.readouterr().err
        assert stderr.startswith("crosscast: ")
        assert stderr.count("\n") == 1
        assert not (tmp_path / "results").exists()
        return stderr.removeprefix("crosscast: ").rstrip("\n")

    return run


class TestNames:
    @pytest.mark.parametrize(
        ("option", "wrong", "meant"),
        [
            ("--chip", "ascend910", "ascend910b"),
            ("--suite", "smok", "smoke"),
            ("--model", "fourcastnt", "fourcastnet"),
            ("--framework", "torch", "pytorch"),
            ("--preset", "tinny", "tiny"),
        ],
    )
    def test_unknown_name_is_answered_with_the_nearest(self, fail, option, wrong, meant):
        message = fail("bench", option, wrong)
        assert repr(wrong) in message
        assert repr(meant) in message

    def test_unknown_command_and_option(self, fail):
        assert "No such command 'bensh'; did you mean 'bench'?" in fail("bensh")
        assert "No such option" in fail("bench", "--chips", "cpu")

    def test_zero_repeats(self, fail):
        assert "--repeats" in fail("bench", "--repeats", "0")

    def test_chip_that_is_not_here_names_every_framework_and_why(self, fail):
        message = fail("bench", "--chip", "dcu-z100l")
        assert "pytorch: no Hygon DCU Z100L here: /dev/*kfd does not exist" in message
        assert "mindspore: MindSpore has no DCU back end" in message

    def test_framework_that_is_not_installed_comes_with_the_way_to_get_it(self, fail, tmp_path):
        chip = yaml.safe_load((REPOSITORY / "scenarios/chips/cpu.yaml").read_text())
        for framework in chip["frameworks"].values():
            framework |= {"packages": ["a_framework_nobody_has"], "needs": {}}
        path = tmp_path / "bare.yaml"
        path.write_text(yaml.safe_dump(chip))
        message = fail("bench", "--chip", path)
        assert "pytorch: a_framework_nobody_has not installed; run: make venv" in message


class TestFiles:
    @pytest.mark.parametrize("value", [".inf", "-.Inf", ".nan"])
    def test_a_number_that_is_not_finite(self, fail, tmp_path, value):
        suite = tmp_path / "suite.yaml"
        text = (REPOSITORY / "scenarios/suites/paper.yaml").read_text()
        suite.write_text(f"{text.rstrip()}\nextra: {value}\n")
        assert f"extra: must be a finite number, not {value}" in fail("bench", "--suite", suite)

    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("power_collectors", ["rapl", "nvmll"], "power_collectors: 'nvmll' is not registered; did you mean 'nvml'"),
            ("device_name", "[", "device_name: "),
            ("device_nodes", "/", "device_nodes: "),
        ],
    )
    def test_a_chip_that_cannot_be(self, fail, tmp_path, field, value, why):
        chip = tmp_path / "own.yaml"
        content = yaml.safe_load((REPOSITORY / "scenarios/chips/cpu.yaml").read_text())
        chip.write_text(yaml.safe_dump(content | {field: value}))
        for command in ("bench", "doctor"):
            message = fail(command, "--chip", chip)
            assert message.startswith(f"{chip}:")
            assert why in message

    def test_a_preset_whose_name_leads_elsewhere(self, fail, tmp_path):
        model = tmp_path / "own.yaml"
        content = yaml.safe_load((REPOSITORY / "scenarios/models/fourcastnet.yaml").read_text())
        content["presets"] = {"../../elsewhere": content["presets"]["tiny"]}
        model.write_text(yaml.safe_dump(content))
        assert f"{model}:" in fail("bench", "--model", model, "--preset", "../../elsewhere")

    def test_more_launches_than_anybody_makes(self, fail):
        assert "10000" in fail("bench", "--repeats", 10**9)

    def test_a_standard_output_that_is_closed(self):
        command = [sys.executable, "-c", "from harness.commands.cli import main; main()", "list"]
        done = subprocess.run(
            ["sh", "-c", '"$@" >&-', "sh", *command], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")

    def test_suite_with_a_wrong_type_names_file_line_and_field(self, fail, tmp_path):
        suite = tmp_path / "mine.yaml"
        suite.write_text(
            (REPOSITORY / "scenarios/suites/smoke.yaml").read_text().replace("launches: 3", "launches: lots")
        )
        line = next(n for n, text in enumerate(suite.read_text().splitlines(), 1) if "lots" in text)
        assert fail("bench", "--suite", suite).startswith(f"{suite}:{line}: launches: ")

    def test_grid_that_the_patch_does_not_divide(self, fail, tmp_path):
        model = tmp_path / "odd.yaml"
        text = (REPOSITORY / "scenarios/models/fourcastnet.yaml").read_text()
        model.write_text(text.replace("grid: [32, 64]", "grid: [33, 64]"))
        message = fail("bench", "--model", model)
        assert "patch_size 4 does not divide the grid 33x64; sizes that do: 1" in message

    def test_results_that_cannot_be_written(self, fail, tmp_path):
        blocker = tmp_path / "file"
        blocker.write_text("")
        assert "Not a directory" in fail("bench", "--results", blocker / "results")

    def test_tables_are_written_though_nobody_reads_on(self, tmp_path):
        results = ResultsFolder(tmp_path / "results")
        results.add(make_record())
        command = [
            sys.executable,
            "-c",
            "from harness.commands.cli import main; main()",
            "tables",
            "--also",
            "tex",
            "--results",
            str(results.path),
        ]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 0
        suffixes = [path.suffix for path in (results.path / "smoke" / "tables").iterdir()]
        assert sorted(suffixes) == [".csv"] * 3 + [".md"] * 3 + [".tex"] * 3

    def test_tables_of_nothing(self, fail, tmp_path):
        assert "no records" in fail("tables", "--results", tmp_path)


class TestData:
    @pytest.fixture
    def archive(self, tmp_path):
        """A folder with one NetCDF file and the mapping that fits it."""
        folder = tmp_path / "archive"
        folder.mkdir()
        times = np.datetime64("2020-01-01", "ns") + np.arange(40) * np.timedelta64(6, "h")
        coordinates = {"time": times, "latitude": np.linspace(-70.0, 70.0, 8), "longitude": np.arange(16) * 22.5}
        values = np.random.default_rng(0).normal(size=(40, 8, 16))
        xr.Dataset({"t2m": (list(coordinates), values)}, coordinates).to_netcdf(folder / "a.nc")
        mapping = tmp_path / "mapping.yaml"
        channels = [{"name": "t", "variable": "t2m", "units": "K"}]
        mapping.write_text(yaml.safe_dump({"kind": "archive", "files": "*.nc", "channels": channels}))
        return folder, mapping

    def change(self, file: Path, function) -> None:
        with xr.open_dataset(file) as opened:
            changed = function(opened.load())
        changed.to_netcdf(file)

    def test_truncated_file(self, fail, archive):
        folder, mapping = archive
        file = folder / "a.nc"
        file.write_bytes(file.read_bytes()[:-4000])
        assert str(file) in fail("bench", "--data", folder, "--mapping", mapping)

    def test_variable_that_is_missing(self, fail, archive):
        folder, mapping = archive
        self.change(folder / "a.nc", lambda dataset: dataset.rename(t2m="skt"))
        message = fail("bench", "--data", folder, "--mapping", mapping)
        assert "t2m" in message
        assert str(folder) in message

    def test_value_that_is_missing(self, fail, archive):
        folder, mapping = archive
        self.change(folder / "a.nc", lambda dataset: dataset.where(dataset.time != dataset.time[7]))
        message = fail("bench", "--data", folder, "--mapping", mapping)
        assert "NaN" in message
        assert "t2m" in message
        assert "step 7" in message

    @pytest.mark.parametrize("name", ["rossby", "ocean"])
    def test_generated_data_are_no_mapping(self, fail, archive, name):
        message = fail("bench", "--data", archive[0], "--mapping", name)
        assert f"data {name!r} are generated, no mapping of DATA={archive[0]}" in message

    @pytest.mark.parametrize(
        ("longitude", "why"),
        [
            ([f"{number}E" for number in range(16)], "are no numbers"),
            ([0.0] * 16, "not all finite and different"),
            ([*range(15), np.nan], "not all finite and different"),
        ],
    )
    def test_coordinates_that_are_none(self, fail, archive, longitude, why):
        folder, mapping = archive
        self.change(folder / "a.nc", lambda dataset: dataset.assign_coords(longitude=longitude))
        message = fail("bench", "--data", folder, "--mapping", mapping)
        assert f"{folder / 'a.nc'}: the coordinate values of 'longitude' " in message
        assert why in message

    def test_a_bundle_is_to_be_unpacked(self, fail, tmp_path):
        packed = tmp_path / "crosscast-bundle.tar.gz"
        packed.write_bytes(b"")
        said = fail("tables", "--results", str(packed))
        assert f"{packed} is an archive: unpack it, and give the folder that was in it" in said

    def test_a_mapping_is_no_archive(self, fail, tmp_path):
        (tmp_path / "own.yaml").write_text("kind: archive\n")
        said = fail("bench", "--data", str(tmp_path / "own.yaml"))
        assert "own.yaml: a mapping and no archive: give it as MAPPING=" in said

    @pytest.mark.parametrize(
        ("folder", "why"),
        [("~nobody-of-this-name/x", "no such file or folder"), ("x" * 300, "300 bytes, more than the 255")],
    )
    def test_a_path_that_can_be_none(self, fail, folder, why):
        assert why in fail("bench", "--data", folder)

    def test_folder_that_no_mapping_fits(self, fail, archive):
        assert "mapping" in fail("bench", "--data", archive[0])

    def test_folder_that_does_not_exist(self, fail):
        assert "DATA=nowhere: no such file or folder" in fail("bench", "--data", "nowhere")


class TestRecords:
    @pytest.fixture
    def results(self, tmp_path):
        """A good record, and one that says it is of a later schema."""
        folder = tmp_path / "kept" / "smoke" / "cell"
        (folder / "00-good").mkdir(parents=True)
        record = make_record()
        (folder / "00-good" / "record.json").write_text(record.model_dump_json())
        shutil.copytree(folder / "00-good", folder / "01-later")
        later = json.loads(record.model_dump_json()) | {"schema_version": 99, "launch": 1}
        (folder / "01-later" / "record.json").write_text(json.dumps(later))
        return tmp_path / "kept"

    def test_newer_schema_is_named_and_the_rest_is_tabulated(self, fail, results):
        before = {path: path.read_bytes() for path in results.glob("*/*/*/record.json")}
        message = fail("tables", "--results", results)
        assert "01-later/record.json: schema version 99" in message
        assert "upgrade crosscast" in message
        assert (results / "smoke" / "tables" / "speed.md").exists()
        assert {path: path.read_bytes() for path in results.glob("*/*/*/record.json")} == before


class TestList:
    def run(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout

    def test_names_everything_and_says_why_a_pair_cannot_run(self):
        shown = " ".join(self.run("-m", "harness", "list").split())
        for name in ("smoke", "paper", "fourcastnet", "rossby", "storm", "ascend910b", "dcu-z100l", "cpu"):
            assert name in shown
        assert "no DCU" in shown

    def loaded(self, argument: str) -> tuple[str, set[str]]:
        """What the command prints, and the modules that it has loaded when it ends."""
        code = "import atexit, sys; atexit.register(lambda: print('modules', *sys.modules)); "
        code += f"from harness.commands.cli import main; sys.argv = ['crosscast', '{argument}']; main()"
        shown, loaded = self.run("-c", code).split("modules", 1)
        return shown, set(loaded.split())

    def test_imports_nothing_slow(self):
        shown, loaded = self.loaded("list")
        assert "runs here" in shown
        assert "rich.table" in loaded
        assert not loaded & HEAVY
        assert not loaded & {"pydantic", "packaging.requirements", "collectors.children"}

    def test_help_imports_nothing_but_what_parses_a_command_line(self):
        shown, loaded = self.loaded("--help")
        for name in cli.COMMANDS:
            assert f"\n  {name} " in shown
        assert "harness.commands.bench" in loaded
        assert not loaded & HEAVY
        assert not loaded & {"pydantic", "rich", "yaml", "msgspec", "packaging", "importlib.metadata"}

    def test_shows_of_every_file_what_a_check_of_all_of_it_gives(self):
        suites, models, data, chips = overview()
        assert [*suites.columns[2].cells] == [str(catalogue.suite(name).launches) for name in catalogue.names("suites")]
        presets = [each for name in catalogue.names("models") for each in catalogue.model(name).presets.values()]
        assert [*models.columns[2].cells] == [f"{each.grid[0]}x{each.grid[1]}" for each in presets]
        assert [*models.columns[3].cells] == [each.description for each in presets]
        assert [*data.columns[1].cells] == [catalogue.data(name).kind for name in catalogue.names("data")]
        checked = [catalogue.chip(name) for name in catalogue.names("chips")]
        assert [*chips.columns[2].cells] == [cannot_run(chip, "mindspore") or "runs here" for chip in checked]

    @pytest.mark.parametrize(
        ("kind", "text", "message"),
        [
            ("suites", "launches: many\n", r"own\.yaml: 2 mistakes: \(1\) line 1: models: required"),
            ("chips", "title: x\nframeworks: {pytorch: {device: d, packages: [os.path]}}\n", "own.yaml:"),
            ("chips", "title: x\nframeworks: {}\ndevice_nodes: /**/x\n", "own.yaml:"),
            ("data", "description: [1]\n", "own.yaml:"),
        ],
    )
    def test_a_file_that_does_not_fit_is_named(self, tmp_path, monkeypatch, kind, text, message):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "own.yaml").write_text(text)
        monkeypatch.setenv("CROSSCAST_SCENARIOS", str(tmp_path))
        with pytest.raises(UserError, match=message):
            overview()


class TestClaimsAndExport:
    def test_unknown_ledger(self, fail):
        assert "claim '2510': no such file in scenarios/claims; choose from: 2510.17852" in fail(
            "claims", "--ledger", "2510"
        )

    def test_a_ledger_of_ones_own_with_a_mistake_names_file_line_and_field(self, fail, tmp_path):
        text = (REPOSITORY / "scenarios/claims/2510.17852.yaml").read_text()
        path = tmp_path / "mine.yaml"
        path.write_text(text.replace("quantity: rmse", "quantity: rsme"))
        line = 1 + text[: text.index("quantity: rmse")].count("\n")
        message = fail("claims", "--ledger", path)
        assert f"{path}:{line}: claims.0.quantity: 'rsme' is not one of them; did you mean 'rmse'?" in message

    def test_no_results(self, fail):
        assert "results: no such folder of results; name another with --results" in fail("claims")
        assert "results: no such folder of results" in fail("export", "--pytest-benchmark", "out.json")

    def test_export_without_a_format(self, fail):
        assert "--pytest-benchmark" in fail("export")
