"""The page: offline, the answer first, each number linked to its records, differences of machines before the rest."""

import base64
import hashlib
import io
import re
import shutil
from math import log
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

from harness.analysis.figures.writing import ILLUSTRATORS
from harness.analysis.html_report import answer, models, write_report
from harness.analysis.tables.writing import write_tables
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

    def test_the_policy_lets_its_scripts_run_and_no_other(self, folder):
        source = folder[1].read_text()
        scripts = re.findall(r"<script>(.*?)</script>", source, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source).group(1).replace("&#39;", "'")
        allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
        assert policy.endswith(f"script-src {allowed}")
        assert policy.startswith("default-src 'none';")
        assert source.count("<script") == 2

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
                if len(row) == 1:
                    continue
                for column, (text, href) in list(zip(table.columns, row, strict=True))[first_values:]:
                    if re.search(r"\d", text):
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


def test_every_kind_of_figure_has_a_section():
    kinds = {illustrate.__module__.rsplit(".", 1)[-1] for illustrate in ILLUSTRATORS}
    assert kinds <= set(models.SECTION_OF_FIGURE)
    assert set(models.SECTION_OF_FIGURE.values()) == set(models.SECTIONS)


def opening_of(page):
    """The text before the first table of a model."""
    return page.text[: page.text.index(page.tables[1].caption)]


class TestOrder:
    def test_the_answer_comes_first_then_all_of_each_model(self, page):
        model = "s0-model0"
        of_model = ("speed", "skill", "energy", "ablation", "scaling", "history", "machines", "records")
        assert page.order == ["s0-answer", model, *(f"{model}-{part}" for part in of_model), "definitions"]

    def test_the_contents_lead_to_every_section(self, page):
        contents = page.links[1 : page.links.index("#definitions") + 1]
        assert [href.removeprefix("#") for href in contents] == page.order

    def test_all_that_a_reader_must_know_is_among_the_warnings(self, folder, page):
        _, _, problems = folder
        assert len(problems) == 1
        opening = opening_of(page)
        assert problems[0] in opening
        assert "launch 3 out of memory: killed <by> the kernel & co" in opening
        assert "did not run: no <b>DCU</b> back end" in opening
        assert "1 of the 3 launches that an interval needs" in opening

    def test_a_refused_comparison_is_a_warning(self, results):
        results.add(make_record(), make_record(scenario=make_scenario("mindspore", "graph", seed=3)))
        assert "mindspore graph: not compared: seed: 3 here, 100 in the baseline" in opening_of(read(results))

    def test_the_gravest_of_every_table_are_in_sight_and_the_rest_folded(self, results):
        for model in ("fourcastnet", "graphcast"):
            for launch in range(2):
                failed = make_failure(
                    "pytorch", launch, scenario=make_scenario(model=model), attempt=f"{model}{launch}"
                )
                results.add(failed)
        source = write(results)[0].read_text()
        seen, folded = re.findall(r'<ul class="warnings">(.*?)</ul>', source)
        assert [seen.count("launch 0"), seen.count("launch 1"), folded.count("launch 1")] == [2, 1, 1]
        assert "<summary>1 more warning</summary>" in source

    def test_each_suite_has_its_sections(self, results):
        results.add(make_record(), make_record(scenario=make_scenario(suite="paper")))
        assert read(results).order[:3] == ["s0-answer", "s1-answer", "s0-model0"]
        assert "s1-answer" not in read(results, suite="paper").order


class TestAnswer:
    def test_its_lines_are_those_of_the_screen(self, folder, page):
        """Cell by cell, but for the names that people know and the longer titles of columns."""
        console = Console(file=io.StringIO(), width=200)
        write_tables(folder[0].path, suite=None, baseline=None, console=console, brief=True)
        lines = console.file.getvalue().splitlines()
        screen = [re.split(r" {2,}", line.strip()) for line in lines if re.match("  [a-z]", line)]
        table = page.table("Medians over launches")
        rows = [[text for text, _ in row] for row in table.rows if len(row) > 1]
        assert len(rows) == len(screen) == 3
        assert [row[1:] for row in rows] == [line[1:] for line in screen]
        assert [row[0].lower() for row in rows] == [line[0] for line in screen]

    def test_bars_and_intervals_are_drawn_from_the_same_numbers(self, results):
        """Epochs of 1.22 s and 1.73 s; the axis goes from 0.8 to the greatest bound of the ratio, 1.42."""
        add_pair(results)
        source = write(results)[0].read_text()
        rows = re.findall(r'<tr><th scope="row">(.*?)</tr>', source[: source.index("</table>")], re.DOTALL)
        shares = [re.findall(r"--share: ([\d.]+)", row)[1] for row in rows]
        assert [float(share) for share in shares] == [1.0, pytest.approx(1.22 / 1.73, abs=1e-3)]
        ((one,),) = [re.findall(r'class="one" x1="([\d.]+)"', row) for row in rows if 'class="one"' in row]
        low, high = re.search(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="5"', rows[0]).groups()
        (value,) = re.findall(r'class="value" x1="([\d.]+)"', rows[0])
        assert float(one) == pytest.approx(4 + 92 * log(1 / 0.8) / log(1.42 / 0.8), abs=0.5)
        assert float(one) < float(low) <= float(value) <= float(high) == 96.0

    def test_of_many_cells_some_are_left_to_their_models(self, results, monkeypatch):
        monkeypatch.setattr(answer, "MOST_CELLS", 3)
        for model in ("aigoms", "fourcastnet", "graphcast"):
            for framework in ("pytorch", "mindspore"):
                results.add(
                    make_record(framework, scenario=make_scenario(framework, model=model), attempt=model + framework)
                )
        found = read(results)
        assert len([row for row in found.table("Medians over launches").rows if len(row) > 1]) == 2
        assert "4 more cells stand with their models below." in found.text


class TestHistory:
    def test_one_day_and_commit_are_told_in_a_line(self, page):
        assert f"Made on 2026-01-01 from {'c' * 12}; crosscast history" in page.text
        assert not any(table.caption.startswith("Days and commits") for table in page.tables)

    def test_each_day_and_commit_has_its_median(self, results):
        """Epochs of two steps and 0.2 s: of 0.5 and 0.6 s on the first day, of 0.4 s with another commit."""
        for launch, (step_s, day, commit) in enumerate(((0.5, 1, "c"), (0.6, 1, "c"), (0.4, 2, "d"))):
            measured = make_measurements(launch=launch, step_s=step_s)
            environment = make_environment(git_commit=commit * 40)
            started = f"2026-01-0{day}T00:00:00+00:00"
            results.add(make_record(launch=launch, measurements=measured, environment=environment, started_at=started))
        table = read(results).table("Days and commits: fourcastnet tiny")
        texts = [[text for text, _ in row] for row in table.rows]
        assert [row[1:4] for row in texts] == [["2026-01-01", "c" * 12, "2"], ["2026-01-02", "d" * 12, "1"]]
        epochs = [float(row[4].split()[0]) for row in texts]
        assert table.columns[4] == "epoch, s"
        assert epochs == pytest.approx([1.3, 1.0])


class TestMachines:
    def add(self, results, **changes):
        results.add(make_record())
        other = make_scenario(chip="a100")
        results.add(make_record(scenario=other, environment=make_environment(host="ffffeeeedddd", **changes)))

    def rows(self, results):
        """Values by property: of those that differ, and of all others."""
        found = read(results)
        captions = ("In what the machines that ran fourcastnet tiny, data rossby differ", "In what the machines")
        tables = [[table for table in found.tables if table.caption.startswith(caption)] for caption in captions]
        differing = tables[0]
        alike = [table for table in tables[1] if table not in differing]
        return tuple(
            {row[0][0]: [text for text, _ in row[1:]] for table in of for row in table.rows}
            for of in (differing, alike)
        )

    def test_what_differs_comes_first_and_nothing_else(self, results):
        self.add(results, python="3.12.1", threads={"OMP_NUM_THREADS": "4"})
        differing, alike = self.rows(results)
        assert differing == {"python": ["3.12.1", "3.11.9"], "threads": ["OMP_NUM_THREADS=4", "not set"]}
        assert alike["cpu name"] == ["some CPU"] * 2
        source = (results.path / "report.html").read_text()
        assert source.index("machines that ran fourcastnet tiny, data rossby differ") < source.index(" more properties")
        assert "they differ in python, threads</a>" in source

    def test_the_bits_of_the_product_stand_beside_the_machine(self, results):
        measured = make_measurements(numerics=make_numerics(11))
        results.add(make_record(), make_record("pytorch", 1, measurements=measured))
        results.add(make_record("mindspore", measurements=make_measurements(numerics=None)))
        differing, alike = self.rows(results)
        assert differing["pytorch bits of the matrix product"] == ["24 or 11"]
        assert alike["mindspore bits of the matrix product"] == ["unknown"]

    def test_a_machine_that_differs_from_itself_is_among_them(self, results):
        results.add(make_record(), make_record("pytorch", 1, environment=make_environment(cpu_count=4)))
        assert self.rows(results)[0] == {"cpu count": ["2 or 4"]}
        assert "its launches differ in cpu count" in (results.path / "report.html").read_text()

    def test_a_framework_that_ran_on_one_machine_alone_does_not_differ(self, results):
        self.add(results)
        results.add(make_record("mindspore"))
        assert "not run" in self.rows(results)[1]["mindspore version"]

    def test_long_texts_are_folded_and_whole(self, results):
        variables = {f"VARIABLE_{number}": "1" for number in range(20)}
        results.add(make_record(environment=make_environment(variables=variables)))
        source = write(results)[0].read_text()
        (summary, whole), *others = re.findall(
            r'class="prints"><summary>(VARIABLE.*?)</summary><a [^>]*>(.*?)</a>', source
        )
        assert others == []
        assert whole == ", ".join(f"{name}=1" for name in sorted(variables))
        assert summary == f"{whole[:80]} ..."


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


def test_records_below_a_figure_name_the_hosts_that_tell_them_apart(results):
    for host in ("aaaa11112222", "bbbb33334444"):
        measured = make_measurements(skill=None)
        environment = make_environment(host=host, cpu_name=host)
        results.add(make_record(attempt=host, environment=environment, measurements=measured))
    source = write(results)[0].read_text()
    captions = re.findall(r"<figcaption>.*? Records: (.*?)</figcaption>", source)
    assert captions
    for named in captions:
        labels = re.findall(r">([^<]+)</a>", named)
        assert labels == [f"pytorch eager on cpu, host {host}" for host in ("aaaa11112222", "bbbb33334444")]
