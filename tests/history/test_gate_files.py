"""The command `gate`: its exit status, and files that say the same whoever reads them."""

import json

import pytest
from click.testing import CliRunner
from junitparser import JUnitXml

from harness.commands.cli import cli
from harness.history.gate import gate
from tests.analysis.made_records import ResultsFolder, make_certificate, make_failure
from tests.history.made_nights import make_night


class TestCommand:
    def run(self, *words):
        return CliRunner().invoke(cli, ["gate", *map(str, words)])

    @pytest.mark.parametrize(
        ("changes", "status"),
        [({}, 0), ({"slower": 1.2}, 1), ({"launches": 2}, 2), ({"leave": {1}}, 3)],
    )
    def test_exit_statuses(self, tmp_path, changes, status):
        baseline, candidate = make_night(tmp_path, **changes)
        done = self.run("--baseline", baseline, "--candidate", candidate)
        assert done.exit_code == status, done.output
        assert done.output.splitlines()[-1].startswith("2026-03-01: ")

    @pytest.mark.parametrize(
        ("changes", "told"),
        [({}, (0, 0, 0)), ({"slower": 1.2}, (1, 0, 0)), ({"launches": 2}, (0, 0, 1)), ({"leave": {1}}, (0, 1, 0))],
    )
    def test_the_file_of_junit_says_what_the_exit_status_says(self, tmp_path, changes, told):
        """At least one failure, error or skipped case, as the case may be, and none of what is worse."""
        sides = make_night(tmp_path, **changes)
        self.run("--baseline", sides[0], "--candidate", sides[1], "--output", tmp_path / "out")
        xml = JUnitXml.fromfile(str(tmp_path / "out/gate.xml"))
        assert tuple(map(bool, (xml.failures, xml.errors, xml.skipped))) == tuple(map(bool, told))
        assert "time=" not in (tmp_path / "out/gate.xml").read_text()

    def test_a_port_that_is_the_same_network_anew_is_no_failure(self, tmp_path):
        from harness.porting.parity.certificate import save

        baseline, candidate = make_night(tmp_path)
        save(make_certificate("failed"), baseline)
        save(make_certificate(), candidate)
        done = self.run("--baseline", baseline, "--candidate", candidate, "--output", tmp_path / "out")
        assert (done.exit_code, JUnitXml.fromfile(str(tmp_path / "out/gate.xml")).failures) == (0, 0)
        assert "parity: same network" in (tmp_path / "out/gate.xml").read_text()

    def test_what_a_terminal_would_obey_is_written_as_its_escape(self, tmp_path):
        baseline, candidate = make_night(tmp_path, slower=1.2, leave={1})
        holder = ResultsFolder(candidate / "failed")
        holder.add(make_failure("pytorch", 1, reason="killed: \x1b[31mred\x00\ufffe"))
        night = "\x1b]0;title\x07"
        words = ("--baseline", baseline, "--candidate", candidate, "--output", tmp_path / "out", "--night", night)
        done = self.run(*words)
        assert done.exit_code == 1
        assert not any(character in done.output for character in "\x1b\x00\x07")
        xml = JUnitXml.fromfile(str(tmp_path / "out/gate.xml"))
        assert xml.errors == 1
        assert "\\x1b[31mred" in (tmp_path / "out/gate.xml").read_text()

    def test_the_first_digit_that_differs_is_shown_of_a_loss(self, tmp_path):
        """The loss is that of 0.3 in the first epoch, 0.005 % larger in the candidate."""
        baseline, candidate = make_night(tmp_path, loss=0.4 * 1.00005)
        done = self.run("--baseline", baseline, "--candidate", candidate, "--output", tmp_path / "out")
        assert "loss of the first epoch +0.0050" in done.output
        markdown = (tmp_path / "out/gate.md").read_text()
        (row,) = (line for line in markdown.splitlines() if line.startswith("| loss of the first epoch |"))
        _, _, before, after, change, *_ = row.split("|")
        assert float(after) / float(before) == pytest.approx(1.00005, abs=3e-5)
        assert float(change.replace("%", "")) == pytest.approx(0.005, rel=1e-2)

    @pytest.mark.parametrize("words", [("--candidate", "nowhere"), ("--candidat", "x"), ("--margin", "speed=x")])
    def test_a_mistake_is_not_taken_for_undecided(self, tmp_path, words):
        baseline, candidate = make_night(tmp_path)
        done = self.run("--baseline", baseline, "--candidate", candidate, *words)
        assert done.exit_code == 3
        assert done.output.startswith("crosscast: ")
        assert len(done.output.splitlines()) == 1

    def test_all_files_say_the_same(self, tmp_path):
        baseline, candidate = make_night(tmp_path, slower=1.2, leave={1})
        done = self.run("--baseline", baseline, "--candidate", candidate, "--output", tmp_path / "out")
        assert done.exit_code == 1
        told = json.loads((tmp_path / "out/gate.json").read_text())
        assert told["exit_status"] == 1
        assert {each["change"]["title"] for each in told["findings"] if each["change"]} == {
            "epoch",
            "train step",
            "infer step",
            "first train step",
        }
        markdown = (tmp_path / "out/gate.md").read_text()
        assert "| found | " in markdown
        assert "launches 1 are missing" in markdown
        xml = JUnitXml.fromfile(str(tmp_path / "out/gate.xml"))
        assert (xml.failures, xml.errors) == (4, 1)
        assert xml.tests == len(told["cells"][0]["changes"]) + 1

    def test_files_hold_no_private_folder(self, tmp_path):
        baseline, candidate = make_night(tmp_path, slower=1.2)
        next(candidate.rglob("record.json")).write_text("{")
        self.run("--baseline", baseline, "--candidate", candidate, "--output", tmp_path / "out")
        for path in (tmp_path / "out").iterdir():
            assert str(tmp_path) not in path.read_text()
            assert "…/record.json" in path.read_text() or "\\u2026/record.json" in path.read_text()

    def test_the_page_escapes_and_loads_nothing(self, tmp_path):
        from harness.history.writing import to_html
        from tests.analysis.pages import Page

        result = gate(*make_night(tmp_path, slower=1.2)).model_copy(update={"night": "<script>alert(1)</script>"})
        page = Page(to_html(result))
        assert page.loads == ["data:,"]
        assert "<script>alert(1)" not in to_html(result)
        assert len(page.table("Findings").rows) == len(result.findings)
