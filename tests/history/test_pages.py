"""The pages of gate and history: what they hold, and what they do in a real browser. The latter needs Chromium."""

import json

import numpy as np
import pandas as pd
import pytest

from harness.history.baseline import Baseline, Move
from harness.history.gate import gate
from harness.history.gated import Gated
from harness.history.page import write_page
from harness.history.series import Group, failures_of, groups_of
from harness.history.state import load_state
from harness.history.store import refresh
from harness.history.writing import write_all
from tests.accessibility import serious
from tests.analysis.pages import Page
from tests.browsing import DARK, browse, needs_browser, probed
from tests.history.made_nights import BEFORE, make_night

PROBE = """
const series = [...document.querySelectorAll(".series")].find((each) => each.textContent.includes("train step"));
const svg = series.querySelector("svg");
const box = svg.getBoundingClientRect();
const texts = (row) => [...row.cells].map((cell) => cell.textContent);
const read = () => [...series.querySelectorAll(".launches tr")].map(texts);
svg.dispatchEvent(new MouseEvent("click", { clientX: box.left + 1, clientY: box.top + 5, bubbles: true }));
const first = { rows: read(), night: series.querySelector(".launches caption").textContent };
svg.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
const second = { rows: read(), night: series.querySelector(".launches caption").textContent };
svg.dispatchEvent(new MouseEvent("click", { clientX: box.right - 1, clientY: box.top + 5, bubbles: true }));
const last = { rows: read(), night: series.querySelector(".launches caption").textContent };
const found = { first, second, last, tables: series.querySelectorAll(".launches").length };
found.loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
found.width = [document.documentElement.scrollWidth, document.documentElement.clientWidth];
found.drawn = [...document.querySelectorAll(".series svg")].map((each) => each.getBoundingClientRect().width);
"""
NIGHTS, CHANGED = 12, 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A history page, and a gate page, of twelve nights of which the last five are slower."""
    folder = tmp_path_factory.mktemp("pages")
    for number in range(NIGHTS):
        slower, commits = (1.08 if number >= CHANGED else 1.0), (BEFORE, f"{number:x}" * 40)
        sides = make_night(folder / "results" / str(number), night=number, slower=slower, launches=4, commits=commits)
        result = gate(*sides, folder / "state.json")
        if number == CHANGED + 1:
            write_all(result, folder)
    index, _ = refresh(folder / "results")
    moves = Baseline(moves=(Move(commit="3" * 40, night="2026-03-04", reason="<b>wanted</b>"),))
    write_page(groups_of(index), failures_of(index), moves, load_state(folder / "state.json"), folder / "history.html")
    return folder


def test_findings_come_first_and_changes_name_night_and_commits(folder):
    page = Page((folder / "history.html").read_text())
    assert page.order[0] == "findings"
    changes = page.table("Changes of level")
    step = next(row for row in changes.rows if row[2][0] == "train step")
    assert step[0][0] == "2026-03-08"
    assert float(step[3][0].removesuffix(" %")) == pytest.approx(8, abs=0.5)
    assert step[5][0] == f"{'6' * 12} to {'7' * 12}"
    assert step[2][1][1:] in page.ids
    known = page.table("Findings of the gate")
    assert {row[0][0] for row in known.rows} == {"known"}


def test_foreign_text_is_text_and_nothing_is_loaded(folder):
    for name in ("history.html", "gate.html"):
        source = (folder / name).read_text()
        assert Page(source).loads == ["data:,"]
        assert "<b>wanted" not in source


@pytest.fixture
def alike(tmp_path):
    """A page of two losses that differ in the fifth digit and in the tenth, each in the last of twelve nights."""
    zeros = np.zeros(NIGHTS, int)
    values = np.full((NIGHTS, 2), 0.4)
    values[-1] *= 1.00005, 1 + 1e-9
    group = Group(
        cell="suite/cell",
        node="node",
        nights=tuple(f"2026-03-{number + 1:02d}" for number in range(NIGHTS)),
        commits=(BEFORE,),
        quantities=tuple(Gated(name=name, title=name, unit="", sort="numbers") for name in ("train step", "loss")),
        night=np.arange(NIGHTS),
        commit=zeros,
        launch=zeros,
        attempt=("a",) * NIGHTS,
        foreign=zeros.astype(bool),
        values=values,
    )
    failures = pd.DataFrame(columns=["night", "cell", "node", "launch", "status"])
    return write_page([group], failures, Baseline(), None, tmp_path / "history.html").read_text()


def test_numbers_that_differ_by_little_are_told_apart(alike):
    assert "0.4 to 0.40002<" in alike
    assert "0.4 to 0.4000000004<" in alike


@pytest.mark.slow
@needs_browser
def test_a_launch_is_shown_with_the_digits_that_differ(alike, tmp_path):
    for title, value in (("train step", 0.40002), ("loss", 0.4000000004)):
        found = probed(alike, PROBE.replace("train step", title), tmp_path)
        first, last = (float(found[name]["rows"][1][1]) for name in ("first", "last"))
        assert (first, last) == (0.4, pytest.approx(value, rel=1e-10))


def test_each_segment_is_a_line_of_its_own(folder):
    source = (folder / "history.html").read_text()
    step = source[source.index("<strong>train step</strong>") :]
    step = step[: step.index("</svg>")]
    assert step.count("<path") == 2
    assert step.count('class="start"') == step.count('class="change"') == 1


@pytest.mark.slow
@needs_browser
def test_a_click_and_the_arrow_keys_show_the_launches_of_a_night(folder, tmp_path):
    found = probed((folder / "history.html").read_text(), PROBE, tmp_path)
    assert [found[name]["night"] for name in ("first", "second", "last")] == [
        f"night of {night}" for night in ("2026-03-01", "2026-03-02", "2026-03-12")
    ]
    head, *rows = found["last"]["rows"]
    assert head == ["launch", "ms", "commit", "attempt", "other work"]
    records = [json.loads(path.read_text()) for path in sorted((folder / "results/11/candidate").rglob("record.json"))]
    expected = [
        [
            str(record["launch"]),
            pytest.approx(1000 * record["measurements"]["training"][0]["steady_steps"]["median_s"], rel=1e-4),
            record["environment"]["git_commit"][:12],
            record["attempt"],
            "no",
        ]
        for record in records
    ]
    assert [[row[0], float(row[1]), *row[2:]] for row in rows] == expected
    assert found["tables"] == 1
    assert found["loaded"] == []
    assert found["width"][0] <= found["width"][1]
    assert min(found["drawn"]) > 200


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("name", ["history.html", "gate.html"])
def test_it_runs_under_its_own_policy_with_nothing_on_the_console(folder, name):
    dom, console = browse(folder / name, "--dump-dom")
    assert console == []
    heads = sum(len(table.columns) for table in Page((folder / name).read_text()).tables)
    assert dom.count('<button type="button" aria-label="sort by ') == heads > 0


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(("name", "options"), [("history.html", (DARK,)), ("gate.html", ())])
def test_it_can_be_read_aloud_used_by_keyboard_and_seen(folder, tmp_path, name, options):
    assert serious((folder / name).read_text(), tmp_path, *options, width=500, dark=DARK in options) == []
