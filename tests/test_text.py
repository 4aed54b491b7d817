import csv
import html
import io

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.text import counted, csv_file, csv_text, escaped, listed, markdown, markdown_cell, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain  text\nof two lines", "plain text of two lines"),
        ("\x1b]0;title\x07red\x1b[31m", "\\x1b]0;title\\x07red\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("safe\u202etxt.exe", "safe\\u202etxt.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("folder-\udcff", "folder-\\udcff"),
        ("昇腾 910B, 5 µs, 3 °C, naïve", "昇腾 910B, 5 µs, 3 °C, naïve"),
    ],
)
def test_text_of_others_is_one_line_that_no_terminal_obeys(text, shown):
    assert one_line(text) == shown


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec=None), max_size=40))
def test_what_is_shown_can_be_printed_and_encoded(text):
    assert all(character.isprintable() or character.isspace() for character in escaped(text))
    assert one_line(text).encode("utf-8").decode() == one_line(text)


def test_a_long_list_is_shortened():
    assert listed([3, 1, 2]) == "3, 1, 2"
    assert listed([]) == ""
    assert listed(range(648), most=3) == "0, 1, 2, ... (648 in all)"


def test_a_spreadsheet_runs_no_cell_and_numbers_stay_numbers():
    frame = pd.DataFrame(
        {
            "=name": ["=HYPERLINK(1)", "+1+2", "-2+3", "@SUM(A1)", "\t=1", "plain"],
            "value": [-1.5, 2.0, None, 0.0, 1.0, 3.0],
            "text number": ["-1.5", "+2e3", "-.5", "1", "-", "--1"],
        }
    )
    head, *rows = csv.reader(io.StringIO(csv_file(frame)))
    assert head == ["'=name", "value", "text number"]
    assert [row[0] for row in rows] == ["'=HYPERLINK(1)", "'+1+2", "'-2+3", "'@SUM(A1)", "'=1", "plain"]
    assert [row[1] for row in rows] == ["-1.5", "2.0", "", "0.0", "1.0", "3.0"]
    assert [row[2] for row in rows] == ["-1.5", "+2e3", "-.5", "1", "'-", "'--1"]


@pytest.mark.parametrize("float_format", [None, "%.9g"])
def test_rows_are_written_as_pandas_writes_the_frame_of_them(float_format):
    columns = {
        "text": ["1", "a b", None, '"q", x'],
        "whole": [1, 2, 3, 4],
        "whole with a gap": [1, None, 3, 4],
        "whole and not": [1, 0.5, 1e-7, float("inf")],
        "number": [0.1 + 0.2, None, float("nan"), 1e300],
        "true": [True, False, None, True],
        "mixed": [5, "-5", None, "5"],
        "nothing": [None] * 4,
    }
    written = csv_text(list(columns), zip(*columns.values(), strict=True), float_format)
    expected = pd.DataFrame(columns).to_csv(index=False, float_format=float_format)
    assert written == expected == csv_file(pd.DataFrame(columns), float_format)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("<!-- hidden", "&lt;!-- hidden"),
        ("n < 3, 5 <6", "n < 3, 5 <6"),
        ("[click](https://example.org)", "[click]\\(https://example.org)"),
        ("0.78 [0.57, 1.27]", "0.78 [0.57, 1.27]"),
        ("&lt;b>", "&amp;lt;b>"),
        ("R & D", "R & D"),
        ("`code`", "\\`code\\`"),
        ("back\\`slash", "back\\\\\\`slash"),
    ],
)
def test_markdown_shows_text_as_it_is(text, shown):
    assert markdown(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "z500, m**2 s**-2",
        "a_b_c, t_ and _t_",
        "1.2 * 3",
        "0.51 *",
        "*: no interval",
        "5 ~ 6, ~~x~~",
        "*_~_*",
        "__init__",
    ],
)
def test_markdown_takes_no_units_or_names_for_emphasis(text):
    """As markdown-it reads it, with the strikethrough that forges add."""
    reader = MarkdownIt("commonmark").enable("strikethrough")
    assert html.unescape(reader.renderInline(markdown(text))) == text


def test_a_bar_does_not_end_a_cell():
    assert markdown_cell("a|b") == "a\\|b"


def test_one_thing_is_one():
    assert [counted(number, "night") for number in (0, 1, 2)] == ["0 nights", "1 night", "2 nights"]
