"""The page in a real browser: no error, sorts, prints. Skipped where there is no Chromium."""

import io
import re

import pytest
from made_records import ResultsFolder, make_failure
from made_study import add_launch
from pages import Page
from reports import add_pair
from rich.console import Console

from harness.analysis.html_report import write_report
from tests.browsing import browse, needs_browser, probed

PROBE = """
const table = document.querySelector("#s0-table0 table");
const column = [...table.tHead.rows[0].cells].findIndex((head) => head.textContent.startsWith("median"));
const head = table.tHead.rows[0].cells[column];
const read = () => [...table.tBodies[0].rows].map((row) => row.cells[column].textContent.trim());
const click = () => { head.querySelector("button").click(); return [head.getAttribute("aria-sort"), read()]; };
const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
const found = { before: read(), first: click(), second: click(), loaded };
const figures = [...document.querySelectorAll("figure svg")].map((svg) => svg.getBoundingClientRect());
found.figures = figures.map((box) => [box.width, box.height]);
found.width = [document.documentElement.scrollWidth, document.documentElement.clientWidth];
"""

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    results = ResultsFolder(tmp_path_factory.mktemp("browser") / "results")
    add_pair(results, launches=range(3))
    add_launch(results, "a100", "pytorch", 0, 0.4)
    results.add(make_failure("pytorch", 3))
    write_report(results.path, suite=None, baseline=None, output=None, console=Console(file=io.StringIO()))
    return results.path / "report.html"


def test_it_loads_with_nothing_on_the_console(report):
    dom, console = browse(report, "--dump-dom")
    assert console == []
    assert dom.count('<th scope="col"><button') == sum(len(table.columns) for table in Page(report.read_text()).tables)


def test_what_the_console_says_would_be_seen(tmp_path):
    (tmp_path / "page.html").write_text("<script>console.error('as expected')</script>")
    _, console = browse(tmp_path / "page.html", "--dump-dom")
    assert len(console) == 1
    assert "as expected" in console[0]


def test_a_click_sorts_by_the_numbers_and_another_turns_it_round(report, tmp_path):
    found = probed(report.read_text(), PROBE, tmp_path)
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


def test_nothing_is_loaded_and_figures_fit_the_page(report, tmp_path):
    found = probed(report.read_text(), PROBE, tmp_path)
    assert found["loaded"] == []
    assert len(found["figures"]) >= 5
    assert all(300 < width < 1200 and 100 < height < 1200 for width, height in found["figures"])
    assert found["width"][0] <= found["width"][1]


def test_it_prints_to_pdf(report, tmp_path):
    path = tmp_path / "report.pdf"
    _, console = browse(report, f"--print-to-pdf={path}", "--no-pdf-header-footer")
    content = path.read_bytes()
    assert console == []
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 3
