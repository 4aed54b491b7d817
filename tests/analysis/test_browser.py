"""The page in a real browser: sorts, unfolds, stays usable when narrow, dark, printed or read aloud. Needs Chromium."""

import io
import re

import pytest
from made_records import ResultsFolder, make_environment, make_failure
from made_study import add_launch
from pages import Page
from reports import add_pair
from rich.console import Console

from harness.analysis.html_report import write_report
from tests.accessibility import serious
from tests.browsing import DARK, browse, needs_browser, probed

SORTING = """
const table = document.querySelector("#s0-model0-speed table");
const column = [...table.tHead.rows[0].cells].findIndex((head) => head.textContent.startsWith("median"));
const head = table.tHead.rows[0].cells[column];
const read = () => [...table.tBodies[0].rows].map((row) => row.cells[column].textContent.trim());
const click = () => { head.querySelector("button").click(); return [head.getAttribute("aria-sort"), read()]; };
const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
const found = { before: read(), first: click(), second: click(), loaded };
const figures = [...document.querySelectorAll("figure svg")].map((svg) => svg.getBoundingClientRect());
found.figures = figures.map((box) => [box.width, box.height]);
"""

MOVING = """
const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)));
const contents = document.querySelector(".contents");
const link = document.querySelector("#s0-model0-speed td a");
const target = document.getElementById(link.hash.slice(1));
const found = { folded: !target.open, open: contents.querySelector("details").open };
link.click();
await frame();
found.unfolded = target.open;
found.target = target.getBoundingClientRect().top;
const box = contents.getBoundingClientRect();
found.contents = [box.top, box.bottom, box.left, box.right];
found.current = contents.querySelector("[aria-current]")?.hash;
found.window = [innerWidth, innerHeight];
found.width = [document.documentElement.scrollWidth, document.documentElement.clientWidth];
"""

PRINTED = """
const right = document.documentElement.clientWidth;
const found = { width: right, tables: [], folds: [], contents: document.querySelector(".contents").checkVisibility() };
dispatchEvent(new Event("beforeprint"));
for (const table of document.querySelectorAll("table")) {
  if (table.checkVisibility({ contentVisibilityAuto: true })) {
    found.tables.push([table.caption.textContent, table.getBoundingClientRect().right]);
  }
}
for (const fold of document.querySelectorAll("details")) found.folds.push([fold.className, fold.open]);
dispatchEvent(new Event("afterprint"));
found.after = [...document.querySelectorAll("details.prints")].filter((fold) => fold.open).length;
"""
A4_PIXELS = 703
"""The width between the margins of a printed page, 186 mm at 96 dots per inch."""

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    results = ResultsFolder(tmp_path_factory.mktemp("browser") / "results")
    add_pair(results, launches=range(3))
    add_launch(results, "a100", "pytorch", 0, 0.4)
    results.add(make_failure("pytorch", 3))
    environment = make_environment(variables={f"VARIABLE_{number}": "1" for number in range(30)}, python="3.12.1")
    results.add(make_failure("mindspore", 3, environment=environment))
    write_report(results.path, suite=None, baseline=None, output=None, console=Console(file=io.StringIO()))
    return results.path / "report.html"


def test_it_loads_with_nothing_on_the_console(report):
    dom, console = browse(report, "--dump-dom")
    assert console == []
    sorted_by = [table.columns for table in Page(report.read_text()).tables if not table.caption.startswith("Medians")]
    assert dom.count('<button type="button" aria-label="sort by ') == sum(map(len, sorted_by))


def test_what_the_console_says_would_be_seen(tmp_path):
    (tmp_path / "page.html").write_text("<script>console.error('as expected')</script>")
    _, console = browse(tmp_path / "page.html", "--dump-dom")
    assert len(console) == 1
    assert "as expected" in console[0]


def test_a_click_sorts_by_the_numbers_and_another_turns_it_round_and_nothing_is_loaded(report, tmp_path):
    found = probed(report.read_text(), SORTING, tmp_path)
    table = Page(report.read_text()).table("fourcastnet tiny, chip a100")
    median = table.columns.index("median [95 %]")
    texts = [row[median][0] for row in table.rows]
    assert found["before"] == texts
    numbers = [(float(re.match(r"[\d.]+", text).group(0)), text) for text in texts if text[0].isdigit()]
    missing = [text for text in texts if not text[0].isdigit()]
    assert missing
    ascending = [text for _, text in sorted(numbers, key=lambda pair: pair[0])]
    assert found["first"] == ["ascending", ascending + missing]
    descending = [text for _, text in sorted(numbers, key=lambda pair: -pair[0])]
    assert found["second"] == ["descending", descending + missing]
    assert found["loaded"] == []
    assert len(found["figures"]) >= 5
    assert all(300 < width < 1200 and 100 < height < 1200 for width, height in found["figures"])


def test_a_link_unfolds_its_records_while_the_contents_stay_beside_them(report, tmp_path):
    found = probed(report.read_text(), MOVING, tmp_path, width=1400)
    assert (found["folded"], found["unfolded"], found["open"]) == (True, True, True)
    assert 0 <= found["target"] < found["window"][1]
    assert found["contents"][:3] == [0, found["window"][1], pytest.approx(0, abs=60)]
    assert found["current"] == "#s0-model0-records"
    assert found["width"][0] <= found["width"][1]


def test_on_a_narrow_window_the_contents_are_a_line_at_the_top_and_nothing_sticks_out(report, tmp_path):
    found = probed(report.read_text(), MOVING, tmp_path, width=400, height=800)
    assert found["window"][0] <= 500
    assert (found["open"], found["unfolded"]) == (False, True)
    top, bottom, *_ = found["contents"]
    assert top == 0
    assert bottom < 60
    assert bottom <= found["target"] < 800
    assert found["width"][0] <= found["width"][1]


@pytest.mark.parametrize(("options", "width"), [((), 1300), ((DARK,), 400)], ids=["light, wide", "dark, narrow"])
def test_it_can_be_read_aloud_used_by_keyboard_and_seen(report, tmp_path, options, width):
    assert serious(report.read_text(), tmp_path, *options, width=width, dark=DARK in options) == []


def test_on_paper_folds_are_open_contents_are_gone_and_no_table_is_cut(report, tmp_path):
    """As the rules for print lay it out, between the margins of an A4 page."""
    source = report.read_text().replace("@media print", "@media all").replace("@media screen", "@media not all")
    found = probed(source, PRINTED, tmp_path, width=A4_PIXELS)
    assert found["width"] == pytest.approx(A4_PIXELS, abs=20)
    assert found["contents"] is False
    assert len(found["tables"]) > 10
    assert [table for table in found["tables"] if table[1] > found["width"] + 1] == []
    assert {tuple(fold) for fold in found["folds"]} == {("", False), ("prints", True), ("records", False)}
    assert found["after"] == 0


def test_it_prints_to_pdf(report, tmp_path):
    path = tmp_path / "report.pdf"
    _, console = browse(report, f"--print-to-pdf={path}", "--no-pdf-header-footer")
    content = path.read_bytes()
    assert console == []
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 3
