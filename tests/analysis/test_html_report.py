"""The page: offline, warnings first, each number linked to its records, differences of machines marked."""

import base64
import hashlib
import io
import re
import shutil
from urllib.parse import unquote

import pytest
from made_records import (
    ResultsFolder,
    make_environment,
    make_failure,
    make_measurements,
    make_numerics,
    make_record,
    make_scenario,
)
from made_study import add_launch
from pages import Page
from reports import STEPS_S, add_pair
from rich.console import Console

from harness.analysis.html_report import write_report
from harness.errors import UserError
from harness.results.record import load


def write(results, *, suite=None, baseline=None, output=None):
    """The page's path and the problems that were returned."""
    problems = write_report(
        results.path, suite=suite, baseline=baseline, output=output, console=Console(file=io.StringIO())
    )
    return output or results.path / "report.html", problems


def read(results, **options):
    return Page(write(results, **options)[0].read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two frameworks on the CPU, one launch on an A100 with power and forecast, one failure, one damaged record."""
    results = ResultsFolder(tmp_path_factory.mktemp("page") / "results")
    add_pair(results, launches=range(3))
    add_launch(results, "a100", "pytorch", 0, 0.4)
    results.add(make_failure("pytorch", 3, reason="killed <by> the kernel & co"))
    results.add(make_record("pytorch", 4)).write_text("{")
    results.add_absent(chip="dcu", reason="no <b>DCU</b> back end")
    path, problems = write(results)
    return results, path, problems


@pytest.fixture(scope="module")
def page(folder):
    return Page(folder[1].read_text())


class TestOffline:
    def test_nothing_is_loaded(self, page):
        assert all(loaded.startswith(("data:", "#")) for loaded in page.loads)
        assert sum(loaded.startswith("data:image/png;base64,") for loaded in page.loads) >= 9

    def test_the_policy_lets_this_script_run_and_no_other(self, folder):
        source = folder[1].read_text()
        script = re.search(r"<script>(.*?)</script>", source, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source).group(1).replace("&#39;", "'")
        assert f"script-src 'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'none';")
        assert source.count("<script") == 1

    def test_identifiers_are_unique_though_figures_share_theirs(self, page):
        assert len(page.ids) == len(set(page.ids))
        assert len(page.ids) > 100

    def test_what_a_record_says_is_not_taken_for_markup(self, folder, page):
        assert "killed <by> the kernel & co" in page.text
        assert "<b>DCU" not in folder[1].read_text()


class TestLinks:
    def test_each_leads_to_a_place_of_the_page_or_to_a_file(self, folder, page):
        for href in set(page.links):
            if href.startswith("#"):
                assert href[1:] in page.ids, href
            else:
                assert (folder[1].parent / unquote(href)).is_file(), href

    def test_every_number_in_the_tables_has_one(self, page):
        checked = 0
        for table in page.tables:
            first_values = 1 if table.columns[0] in ("quantity", "property", "activity") else 0
            for row in table.rows:
                for column, (text, href) in list(zip(table.columns, row, strict=True))[first_values:]:
                    if re.search(r"\d", text) and column not in ("differs",):
                        assert href, (table.caption, column, text)
                        checked += 1
        assert checked > 300

    def test_a_median_leads_to_the_launches_of_its_cell(self, page):
        table = page.table("fourcastnet tiny, chip cpu")
        row = next(row for row in table.rows if row[0][0] == "epoch, s" and row[1][0] == "mindspore graph")
        launches = next(table for table in page.tables if table.within[-1] == row[3][1][1:])
        assert launches.caption.startswith("mindspore graph, fourcastnet-tiny.mindspore-graph.cpu")
        epochs = next(values for values in launches.rows if values[0][0] == "epoch, s")
        assert [text for text, _ in epochs[1:]] == [f"{2 * 1.5 * step_s + 0.2:.3f}" for step_s in STEPS_S[:3]]

    def test_a_value_of_a_launch_leads_to_its_record(self, folder, page):
        table = next(table for table in page.tables if ".pytorch-eager.cpu." in table.caption)
        values = {row[0][0]: row for row in table.rows}
        for column, number in zip(table.columns[1:], (0, 1, 2, 3), strict=True):
            position = table.columns.index(column)
            record = load(folder[1].parent / unquote(values["record"][position][1]))
            assert (column, record.launch) == (f"launch {number}", number)
            assert values["status"][position][0].startswith(record.status.replace("_", " "))
            assert {row[position][1] for row in table.rows} == {values["record"][position][1]}

    def test_skill_of_a_column_leads_to_its_cell(self, page):
        table = page.table("RMSE: fourcastnet tiny, chip cpu")
        targets = {}
        for column, (_, href) in zip(table.columns, table.rows[0], strict=True):
            targets[column] = href
        cells = {table.within[-1]: table.caption for table in page.tables if table.within}
        assert cells[targets["pytorch eager"][1:]].startswith("pytorch eager")
        assert cells[targets["mindspore graph"][1:]].startswith("mindspore graph")

    def test_deviations_lead_to_the_cell_that_deviates(self, page):
        table = page.table("Deviation of mindspore graph")
        cells = {table.within[-1]: table.caption for table in page.tables if table.within}
        assert cells[table.rows[0][3][1][1:]].startswith("mindspore graph")

    def test_links_hold_where_the_page_lies_elsewhere(self, results, tmp_path):
        results.add(make_record())
        path, _ = write(results, output=tmp_path / "other place" / "page.html")
        files = {href for href in Page(path.read_text()).links if not href.startswith("#")}
        assert len(files) == 1
        assert all((path.parent / unquote(href)).is_file() for href in files)


class TestOrder:
    def test_warnings_come_first(self, page):
        assert page.order == ["warnings", "machines0", "s0-table0", "s0-table1", "s0-table2", "figures0", "records0"]

    def test_all_that_a_reader_must_know_is_among_them(self, folder, page):
        _, _, problems = folder
        assert len(problems) == 1
        warnings = page.text[page.text.index("Warnings") : page.text.index("Machines of suite")]
        assert problems[0] in warnings
        assert "launch 3 out of memory: killed <by> the kernel & co" in warnings
        assert "did not run: no <b>DCU</b> back end" in warnings
        assert "1 of the 3 launches that an interval needs" in warnings

    def test_a_refused_comparison_is_a_warning(self, results):
        results.add(make_record(), make_record(scenario=make_scenario("mindspore", "graph", seed=3)))
        found = read(results)
        warnings = found.text[: found.text.index("Machines of suite")]
        assert "mindspore graph: not compared: seed: 3 here, 100 in the baseline" in warnings

    def test_each_suite_has_its_sections(self, results):
        results.add(make_record(), make_record(scenario=make_scenario(suite="paper")))
        assert {"machines0", "machines1", "records1"} <= set(read(results).order)
        assert "machines1" not in read(results, suite="paper").order


class TestMachines:
    def add(self, results, **changes):
        results.add(make_record())
        other = make_scenario(chip="a100")
        results.add(make_record(scenario=other, environment=make_environment(host="ffffeeeedddd", **changes)))

    def rows(self, results):
        table = read(results).table("Machines that ran fourcastnet tiny")
        pairs = zip(table.rows, table.classes, strict=True)
        return {row[0][0]: ([text for text, _ in row[1:]], found) for row, found in pairs}

    def test_what_differs_is_marked_and_nothing_else(self, results):
        self.add(results, python="3.12.1", threads={"OMP_NUM_THREADS": "4"})
        rows = self.rows(results)
        assert rows["python"] == (["3.12.1", "3.11.9", "differs"], "differs")
        assert rows["threads"] == (["OMP_NUM_THREADS=4", "not set", "differs"], "differs")
        assert {name for name, (_, found) in rows.items() if found} == {"python", "threads"}

    def test_the_bits_of_the_product_stand_beside_the_machine(self, results):
        measured = make_measurements(numerics=make_numerics(11))
        results.add(make_record(), make_record("pytorch", 1, measurements=measured))
        results.add(make_record("mindspore", measurements=make_measurements(numerics=None)))
        assert self.rows(results)["pytorch bits of the matrix product"] == (["24 or 11", "differs"], "differs")
        assert self.rows(results)["mindspore bits of the matrix product"] == (["unknown", ""], "")

    def test_a_machine_that_differs_from_itself_is_marked(self, results):
        results.add(make_record(), make_record("pytorch", 1, environment=make_environment(cpu_count=4)))
        assert self.rows(results)["cpu count"] == (["2 or 4", "differs"], "differs")

    def test_a_framework_that_ran_on_one_machine_alone_does_not_differ(self, results):
        self.add(results)
        results.add(make_record("mindspore"))
        texts, found = self.rows(results)["mindspore version"]
        assert found == ""
        assert "not run" in texts


class TestFolders:
    def test_no_record(self, results):
        with pytest.raises(UserError, match="no records"):
            write(results)

    def test_an_unknown_suite(self, results):
        results.add(make_record())
        with pytest.raises(UserError, match="did you mean 'smoke'"):
            write(results, suite="smok")

    def test_an_unknown_baseline(self, results):
        results.add(make_record())
        with pytest.raises(UserError, match="unknown framework 'jax'"):
            write(results, baseline="jax")

    def test_a_file_that_cannot_be_written(self, results):
        results.add(make_record())
        (results.path / "report.html").mkdir()
        with pytest.raises(UserError, match=r"report\.html: cannot be written"):
            write(results)

    def test_failures_alone(self, results):
        results.add(make_failure("pytorch"))
        found = read(results)
        assert "No cell has a completed launch." in found.text
        assert "killed: out of memory" in found.text

    def test_the_same_records_give_the_same_page(self, results):
        results.add(make_record())
        first = write(results)[0].read_bytes()
        assert write(results)[0].read_bytes() == first

    def test_records_that_were_copied_are_found_where_they_are(self, results, tmp_path):
        results.add(make_record(measurements=make_measurements()))
        shutil.move(results.path / "smoke", results.path / "from-elsewhere")
        files = {href for href in read(results).links if not href.startswith("#")}
        assert all(href.startswith("from-elsewhere/") for href in files)
        assert files
