"""The files of a table, read by what reads them: a TeX, an HTML parser, pandas."""

import io
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
from made_records import make_failure, make_measurements, make_record, make_scenario, make_skill
from reports import add_pair, run
from rich.console import Console

from harness.analysis.content import Count, Heading, Number, Verdict
from harness.analysis.number_format import MISSING
from harness.analysis.quantities.quantity import Quantity
from harness.analysis.tables.files import to_html, to_markdown
from harness.analysis.tables.latex import PREAMBLE, ROWS_PER_FLOAT, escape, to_latex
from harness.analysis.tables.table import Data, Section, Table, print_table
from harness.text import markdown_cell
from tests.typesetting import overfull, typeset

NASTY = '50 % of A&B_{x}^2 ~ #1 $5 \\ <b> "q" | µ é † 中'


def made_table(rows, columns, **changes):
    section = Section("Section", tuple(columns), tuple(map(tuple, rows)), **changes)
    return Table("made", "Made", (section,), Data)


def number(value, low=None, high=None, **shown):
    return Number(Quantity(value, low, high), **shown)


class TestText:
    """Each format writes the same typed cell in its own way."""

    @pytest.mark.parametrize(
        ("content", "plain", "latex"),
        [
            (number(1.23456, 1.2299, 1.2401), "1.235 [1.230, 1.240]", r"\num{1.235} [\num{1.230}, \num{1.240}]"),
            (number(0.51, divisor=1e-3), "510.0 *", r"\num{510.0} *"),
            (number(2.0, starred=False), "2.000", r"\num{2.000}"),
            (number(0.0123, divisor=0.01, signed=True, max_decimals=2), "+1.23 *", r"\num{+1.23} *"),
            (Number(Quantity(None, reason="no 5 % count")), f"{MISSING} no 5 % count", r"-- no 5 \% count"),
            (Count(24.0), "24", r"\num{24}"),
            (Heading("train step", "ms"), "train step, ms", r"train step, \unit{\milli\second}"),
            (Heading("salinity_b", "psu"), "salinity_b, psu", r"salinity\_b, psu"),
            (Heading("z500", "m**2 s**-2"), "z500, m**2 s**-2", r"z500, \unit{m^{2}.s^{-2}}"),
            (Heading("q", "kg/kg"), "q, kg/kg", r"q, \unit{kg.kg^{-1}}"),
            (Heading("T", "degC"), "T, degC", r"T, \unit{\degreeCelsius}"),
            (Verdict("slower", certified=False), "slower \N{DAGGER}", r"slower $\dagger$"),
            (number(1.5e10, 1.4e10, 1.6e10), "1.5e+10 [1.4e+10, 1.6e+10]", None),
        ],
    )
    def test_of_each_kind_of_content(self, content, plain, latex):
        table = made_table([[content]], ["a"])
        assert table.sections[0].texts == [[plain]]
        assert markdown_cell(plain) in " ".join(to_markdown(table, ()).split())
        page = Cells()
        page.feed(to_html(table, ()))
        assert page.texts == ["a", plain]
        if latex and content != number(1.23456, 1.2299, 1.2401):
            assert f"{latex} \\\\" in to_latex(table, ())

    def test_a_number_of_text_is_text(self):
        """Words that look like a number and its interval stay as they are: nothing is read out of them."""
        found = to_latex(made_table([["1.235 [1.230, 1.240]"]], ["a"]), ())
        assert "S[table-format" not in found
        assert "1.235 [1.230, 1.240]" in found


@pytest.fixture
def compile_latex(tmp_path):
    """Compile files in an article with default margins; returns log and text of the pages."""

    def compile_(*paths):
        inputs = "\n".join(rf"\input{{{path}}}" for path in paths)
        source = rf"\documentclass{{article}}{PREAMBLE}\begin{{document}}{inputs}\end{{document}}"
        (tmp_path / "paper.tex").write_text(source)
        return typeset(tmp_path)

    return compile_


class TestLatex:
    def test_what_a_star_means_stands_in_print_where_there_is_one(self):
        starred, whole = (to_latex(made_table([[cell]], ["a"]), ()) for cell in (number(0.5), number(0.5, 0.4, 0.6)))
        printed = [line for line in starred.splitlines() if not line.startswith("%")]
        assert [line for line in printed if "fewer than 3 launches or pairs" in line]
        assert "fewer than 3" not in whole

    def test_a_label_stays_when_launches_hosts_and_baselines_change(self, results):
        def labels():
            run(results)
            text = (results.path / "smoke" / "tables" / "speed.tex").read_text()
            return re.findall(r"\\label{(.*?)}", text)

        results.add(make_record("pytorch", 0, host="aaaabbbbcccc"))
        assert labels() == ["tab:smoke-speed-fourcastnet-tiny-chip-cpu-data-rossby"]
        results.add(make_record("mindspore", 0, host="aaaabbbbcccc"), make_record("pytorch", 1, host="aaaabbbbcccc"))
        results.add(make_record(scenario=make_scenario(model="graphcast"), attempt="g"))
        assert labels() == [
            "tab:smoke-speed-fourcastnet-tiny-chip-cpu-data-rossby",
            "tab:smoke-speed-graphcast-tiny-chip-cpu-data-rossby",
        ]

    def test_no_two_floats_have_one_label(self):
        sections = (
            Section("RMSE: a, host x", ("a",), (("b",),) * (ROWS_PER_FLOAT + 1)),
            Section("RMSE: a, host y", (), ()),
        )
        text = to_latex(Table("skill", "Skill, suite s", sections, Data), ())
        assert re.findall(r"\\label{(.*?)}", text) == ["tab:s-skill-rmse-a", "tab:s-skill-rmse-a-2"]

    def test_the_tables_of_a_report_compile_and_none_is_wider_than_the_text(self, results, compile_latex):
        add_pair(results)
        a100 = make_scenario(chip="a100", device="cuda")
        for launch in range(3):
            skill = make_skill(1.0 + 0.01 * launch)
            results.add(make_record("pytorch", launch, scenario=a100, measurements=make_measurements(skill=skill)))
        long = "killed by the out-of-memory killer of node_7 after 100 % of its 64 GiB & swap were used up"
        results.add(make_failure("mindspore", 0, scenario=make_scenario("mindspore", "eager"), reason=long))
        results.add_absent(chip="dcu-z100l", reason="MindSpore has no DCU back end")
        for baseline in (None, "a100/pytorch"):
            run(results, baseline=baseline)
            log = compile_latex(*sorted((results.path / "smoke" / "tables").glob("*.tex")))
            assert max(overfull(log), default=0.0) < 0.1
            assert "Missing character" not in log

    def test_many_wide_columns_are_made_to_fit(self, tmp_path, compile_latex):
        columns = [f"a rather long column name {number}" for number in range(12)]
        path = tmp_path / "made.tex"
        path.write_text(to_latex(made_table([[number(1.23456, 1.2299, 1.2401)] * 12] * 3, columns), ()))
        assert max(overfull(compile_latex(path)), default=0.0) < 0.1

    def test_any_text_compiles(self, tmp_path, compile_latex):
        rows = [[NASTY, number(1.2, 1.1, 1.3)], [Heading(NASTY, "m**2 s**-2"), NASTY], [Heading("T", "degC"), NASTY]]
        table = made_table(rows, [NASTY, Heading("q", "kg kg**-1")], notes=(NASTY,))
        path = tmp_path / "made.tex"
        path.write_text(to_latex(table, (NASTY,)))
        assert "Missing character" not in compile_latex(path)

    def test_numbers_stand_at_their_points_with_intervals_beside(self):
        step = Heading("step", "ms")
        rows = [[step, number(1.23456, 1.2299, 1.2401)], [step, number(12.5)], [step, "refused"]]
        found = to_latex(made_table(rows, ["quantity", "median"]), ())
        assert r"{@{}lS[table-format=2.3]@{\,}l@{}}" in found
        assert r"step, \unit{\milli\second} & 1.235 & [\num{1.230}, \num{1.240}] \\" in found
        assert r" & 12.50 & * \\" in found
        assert r" & \multicolumn{2}{l}{refused} \\" in found

    def test_signs_have_room(self):
        rows = [[number(*values, signed=True, max_decimals=1)] for values in ((1.2, -0.1, 2.5), (-0.3, -0.5, -0.1))]
        found = to_latex(made_table(rows, ["deviation"]), ())
        assert "S[table-format=+1.1]" in found

    def test_long_tables_go_on_in_floats_with_every_row(self):
        rows = [[f"row {number}"] for number in range(2 * ROWS_PER_FLOAT + 1)]
        found = to_latex(made_table(rows, ["a"]), ())
        assert found.count(r"\begin{table*}") == 3
        assert found.count("(continued)") == 2
        assert all(f"row {number} " in found for number in range(len(rows)))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a_b & 5 %", r"a\_b \& 5 \%"),
            ("{x}^~", r"\{x\}\textasciicircum{}\textasciitilde{}"),
            ("\\input", r"\textbackslash{}input"),
            ("é\N{EN DASH}中", "e--[U+4E2D]"),
            ("slower \N{DAGGER}", r"slower $\dagger$"),
        ],
    )
    def test_escapes(self, text, expected):
        assert escape(text) == expected

    def test_the_dagger_is_explained_below_each_float_that_holds_it(self):
        rows = [["plain"]] * ROWS_PER_FLOAT + [[Verdict("slower", certified=False)]]
        first, second = to_latex(made_table(rows, ["verdict"]), ()).split(r"\end{table*}")[:2]
        assert "parity certificate" not in first
        assert r"\par\raggedright $\dagger$: no parity certificate" in second

    def test_no_line_of_a_comment_becomes_text(self):
        table = Table("made", "suite\none", (), Data, ("a\nb",))
        assert all(line.startswith("%") for line in to_latex(table, ("c\nd",)).splitlines())


class Cells(HTMLParser):
    """The texts of the cells of a page, and every tag."""

    def __init__(self):
        super().__init__()
        self.texts, self.tags, self._open = [], set(), False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self._open = tag in ("td", "th")
        if self._open:
            self.texts.append("")

    def handle_endtag(self, tag):
        self._open = False

    def handle_data(self, data):
        if self._open:
            self.texts[-1] += data


class TestHtml:
    def test_every_cell_is_there_and_nothing_of_it_is_markup(self):
        rows = [[NASTY, "<script>alert(1)</script>"], ["&amp;", "2"]]
        parser = Cells()
        parser.feed(to_html(made_table(rows, ["a<b", "c"]), ["<i>w</i>"]))
        assert parser.texts == ["a<b", "c", *rows[0], *rows[1]]
        assert not parser.tags & {"script", "b", "i"}

    def test_the_files_of_a_report_say_the_same(self, results):
        add_pair(results)
        run(results)
        folder = results.path / "smoke" / "tables"
        parser = Cells()
        parser.feed((folder / "speed.html").read_text())
        markdown = [
            cell.strip()
            for line in (folder / "speed.md").read_text().splitlines()
            if line.startswith("|") and not line.startswith("|:")
            for cell in line.strip("|").split("|")
        ]
        assert parser.texts == markdown
        assert len(markdown) > 50


def test_markdown_keeps_a_cell_on_its_line_and_its_bars_out():
    found = to_markdown(made_table([["a|b", "two\nlines"]], ["x", "y"]), ())
    assert "| a\\|b | two lines |" in found


def test_markdown_keeps_titles_notes_and_warnings_on_their_lines():
    section = Section("a\n# b", ("x",), (("1",),), ("killed\n| c | d |",))
    table = Table("made", "suite\ntwo", (section,), Data, ("defined\nhere",))
    lines = to_markdown(table, ("beware\n- of it",)).splitlines()
    expected = ["# suite two", "## a # b", "- killed | c | d |", "- defined here", "- beware - of it"]
    assert [line for line in lines if line in expected] == expected
    assert not [line for line in lines if line.startswith(("# b", "| c", "- of", "two", "here"))]


class TestTerminal:
    ROWS = (
        ["train step (finetune), ms", "pytorch eager", "5", "1.235 [1.230, 1.240]", "1", "baseline"],
        ["train step (finetune), ms", "mindspore graph", "5", "12.35 [12.30, 12.40]", "9.9 [9.8, 10.0]", "slower"],
        ["all", "mindspore eager", "0", "did not run: killed by\nnode 7", MISSING, MISSING],
    )
    COLUMNS = ("quantity", "cell", "n", "median [95 %]", "ratio [95 %]", "verdict")

    def printed(self, width, rows=ROWS):
        console = Console(file=io.StringIO(), width=width)
        print_table(made_table([*rows], [*self.COLUMNS]), console)
        return console.file.getvalue()

    @pytest.mark.parametrize("width", [1, 20, 40, 60, 80])
    def test_no_word_is_lost_or_broken_however_narrow_it_is(self, width):
        expected = Counter(" ".join([*self.COLUMNS, *(cell for row in self.ROWS for cell in row)]).split())
        assert not expected - Counter(self.printed(width).split())

    def test_lines_fill_the_terminal_where_words_fit(self):
        lines = self.printed(80).splitlines()
        assert max(map(len, lines)) <= 80
        assert any(line.startswith("train step (finetune), ms ") for line in lines)

    def test_nothing_is_folded_where_there_is_room(self):
        lines = [line.rstrip() for line in self.printed(200).splitlines()]
        _, _, _, _, *rows = [line for line in lines if line]
        assert [row.split()[0] for row in rows] == [row[0].split()[0] for row in self.ROWS]
        assert "  did not run: killed by node 7  " in rows[-1]

    def test_a_very_long_word_does_not_widen_the_table(self):
        path = "/" + "x" * 150
        printed = self.printed(100, [["all", "a", "0", path, "1", "slower"]])
        assert max(map(len, printed.splitlines())) <= 100
        assert printed.count("x") == 150


def test_digits_follow_the_interval_in_every_file(results):
    rng = np.random.default_rng(0)
    for launch in range(5):
        results.add(make_record(launch=launch, measurements=make_measurements(step_s=float(rng.normal(0.5, 0.05)))))
    run(results)
    folder = results.path / "smoke" / "tables"
    markdown = re.sub(" +", " ", (folder / "speed.md").read_text())
    shown = re.search(r"train step, ms \| pytorch eager \| 5 \| (\d+) \[(\d+), (\d+)\]", markdown)
    assert shown
    value, low, high = shown.groups()
    assert rf"{value} & [\num{{{low}}}, \num{{{high}}}]" in (folder / "speed.tex").read_text()
    assert f"{value} [{low}, {high}]" in (folder / "speed.html").read_text()
