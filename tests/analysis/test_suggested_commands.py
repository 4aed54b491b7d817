"""Every command that an output suggests works as it is printed: it is run, or read by the command line."""

import ast
import io
import shlex
from pathlib import Path

import pytest
from ledgers import add, write_ledger
from made_records import make_environment, make_record, make_scenario
from rich.console import Console
from suggested import command_of, parse, suggested

from harness.analysis.claims.writing import write_claims
from harness.analysis.figures import write_figures
from harness.analysis.selection import load_chosen
from harness.analysis.tables.writing import write_tables
from harness.errors import UserError
from harness.launch.survey import matrix_of
from harness.porting.parity.check import scenarios_of
from harness.results.deep_report import remark
from harness.scenario.folders import ROOT
from harness.scenario.scenario import OwnPort, Selection
from tests.shared import REPOSITORY


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder of a lab with a model, a chip and a suite of its own, from which commands are typed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab").mkdir()
    for kind, name, own in (("models", "fourcastnet", "labnet"), ("chips", "cpu", "labchip")):
        (tmp_path / "lab" / f"{own}.yaml").write_text((ROOT / kind / f"{name}.yaml").read_text())
    return tmp_path


def own_files(framework="mindspore", **changes):
    files = {"model": "lab/labnet.yaml", "chip": "lab/labchip.yaml"}
    execution = "eager" if framework == "pytorch" else "graph"
    return make_scenario(framework, execution, model="labnet", chip="labchip", files=files, **changes)


def console():
    return Console(file=io.StringIO(), width=100)


def tables(folder, **options):
    """All that `crosscast tables` prints."""
    printed = console()
    write_tables(folder, suite=None, baseline=None, console=printed, **options)
    return printed.file.getvalue()


class TestOwnFiles:
    """Records of a model and a chip of a lab's own, in a folder of results that is not the usual one."""

    @pytest.fixture
    def records(self, lab, results):
        for framework in ("pytorch", "mindspore"):
            for launch in range(3):
                results.add(make_record(framework, launch, scenario=own_files(framework)))
        return results

    def test_parity_names_the_files_the_framework_and_the_results(self, records):
        (command,) = {each for each in suggested(tables(records.path)) if each[0] == "parity" and len(each) > 1}
        given = parse(command)
        assert (given["model"], given["chip"]) == ("lab/labnet.yaml", "lab/labchip.yaml")
        assert (given["results"], given["preset"], given["execution"]) == (records.path, "tiny", "graph")
        (scenario,) = scenarios_of(given["model"], given["preset"], given["framework"], given["chip"])
        assert (scenario.model, scenario.chip, scenario.framework) == ("labnet", "labchip", "mindspore")

    def test_parity_of_a_port_names_it(self, lab, results):
        for launch in range(3):
            results.add(make_record("pytorch", launch, scenario=own_files("pytorch")))
            port = OwnPort(name="lab.afno:net", source="f" * 64)
            results.add(make_record("mindspore", launch, scenario=own_files(port=port)))
        (command,) = {each for each in suggested(tables(results.path)) if each[0] == "parity" and len(each) > 1}
        assert parse(command)["port"] == "lab.afno:net"

    def test_the_screen_names_the_model_and_the_results(self, records):
        found = {each[0]: parse(each) for each in suggested(tables(records.path, brief=True)) if each[1:]}
        assert set(found) >= {"parity", "tables", "report"}
        assert {given["results"] for given in found.values()} == {records.path}
        assert found["parity"]["model"] == "lab/labnet.yaml"

    def test_figures_that_lack_records_name_the_bench(self, records):
        printed = console()
        write_figures(records.path, suite=None, console=printed)
        (command,) = [each for each in suggested(printed.file.getvalue()) if each[0] == "bench"]
        given = parse(command)
        assert (given["model"], given["devices"], given["results"]) == ("lab/labnet.yaml", (1, 2), records.path)

    def test_the_usual_folder_of_results_is_not_repeated(self, lab, records):
        assert records.path == lab / "results"
        (command,) = {each for each in suggested(tables(Path("results"))) if each[0] == "parity" and len(each) > 1}
        assert "--results" not in command


def test_a_baseline_on_another_host_is_compared_by_the_command_that_is_printed(results):
    for launch in range(3):
        environment = make_environment(host="aaaa00001111", cpu_count=8)
        results.add(make_record("pytorch", launch, environment=environment))
        results.add(make_record("mindspore", launch, host="bbbb00001111"))
    (command,) = {each for each in suggested(tables(results.path)) if each[0] == "tables" and "--baseline" in each}
    given = parse(command)
    printed = console()
    write_tables(given["results"], suite=given["suite"], baseline=given["baseline"], console=printed)
    assert "on another" not in printed.file.getvalue()
    assert "one on host" not in printed.file.getvalue()


class TestClaims:
    def commands(self, results, lab, **changes):
        printed = console()
        write_claims(results.path, str(write_ledger(lab, **changes)), printed)
        return [parse(each) for each in suggested(printed.file.getvalue()) if each[0] == "bench"]

    def test_results_are_named(self, results, lab):
        add(results, "a100", preset="paper")
        (given,) = self.commands(results, lab, preset="paper")
        assert (given["results"], given["chip"], given["data"]) == (results.path, "ascend910b", None)

    def test_an_archive_and_its_mapping_are_those_of_the_records(self, results, lab):
        files = {"data": "lab/mine.yaml"}
        add(results, "a100", data_name="mine", data_root="archive", data_digest="d", files=files)
        (given,) = self.commands(results, lab)
        assert (given["data"], given["mapping"]) == ("archive", "lab/mine.yaml")

    def test_a_chip_of_ones_own_is_its_file(self, results, lab):
        add(results, "a100")
        (given,) = self.commands(results, lab, cells=["lab/labchip.yaml/pytorch"], suite="smoke")
        assert given["chip"] == "lab/labchip.yaml"


def test_a_folder_without_records_names_the_bench_that_fills_it(results):
    with pytest.raises(UserError) as error:
        load_chosen(results.path, None)
    ((command, *_),) = [suggested(str(error.value))]
    assert parse(command)["results"] == results.path


def test_the_deep_doctor_of_a_chip_of_ones_own(tmp_path):
    (command,) = suggested(remark(tmp_path, "labchip", "0123456789ab", "lab/labchip.yaml"))
    given = parse(command)
    assert (given["chip"], given["results"], given["deep"]) == ("lab/labchip.yaml", tmp_path, True)


def test_files_of_ones_own_are_in_the_scenario(lab):
    (found,) = matrix_of(Selection("lab/labchip.yaml", model="lab/labnet.yaml", framework="pytorch")).cells
    assert found.files == {"chip": "lab/labchip.yaml", "model": "lab/labnet.yaml"}
    (plain,) = matrix_of(Selection(model="fourcastnet", framework="pytorch")).cells
    assert plain.files == {}


def trees_with(text):
    """The modules of the harness that hold a text, parsed."""
    sources = (path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "harness").rglob("*.py")))
    return [ast.parse(source) for source in sources if text in source]


def texts_of(tree):
    """Every text in a module, what is filled in as `X`; docstrings are texts, too."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def test_every_command_in_a_text_of_the_harness_exists_with_its_options():
    found = set()
    for tree in trees_with("crosscast "):
        for text in texts_of(tree):
            found |= set(suggested(text))
    assert {"bench", "parity", "tables", "doctor", "mapping"} <= {each[0] for each in found}


def test_every_command_that_is_put_together_exists_with_its_options():
    """Calls of harness.suggesting.command: their first word is a command, their literal options are its own."""
    seen = set()
    for tree in trees_with("from harness.suggesting import"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "command":
                literal = [each.value for each in node.args if isinstance(each, ast.Constant)]
                if not literal or literal[0].startswith("--"):
                    continue
                seen.add(literal[0])
                options = {name for each in command_of(literal[0]).params for name in each.opts}
                given = {each for each in literal[1:] if each.startswith("--")}
                given |= {f"--{keyword.arg}" for keyword in node.keywords}
                assert given <= options, shlex.join(literal)
    assert {"bench", "tables", "parity", "doctor", "status"} <= seen


def test_the_reader_of_commands_refuses_what_is_none():
    assert suggested("run crosscast tables --suite smoke shows all; or not") == [("tables", "--suite", "smoke")]
    with pytest.raises(AssertionError, match="crosscast bench has no option --folder"):
        suggested("crosscast bench --folder x")
