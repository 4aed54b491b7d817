"""A figure inside a page: what matplotlib draws, in fewer characters, beside others of the same names."""

import re
from xml.etree import ElementTree

import pytest

from harness.analysis.figures import rendered
from harness.analysis.figures.style import new_figure
from harness.analysis.html_report.svg import Drawings

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@pytest.fixture
def figure():
    made = new_figure(3.0, 2.0)
    axes = made.add_subplot()
    axes.plot([1, 2, 3], [1, 4, 9], marker="o", label="squares")
    axes.vlines([1, 2, 3], [0, 3, 8], [2, 5, 10], color="red", linewidth=1)
    axes.fill_between([1, 3], [0, 1], [2, 3], alpha=0.2)
    axes.imshow([[0.1, 0.2], [0.3, 0.4]], extent=(1, 2, 1, 2), aspect="auto")
    axes.set_title("Title 0.5")
    return made


def elements(text):
    return list(ElementTree.fromstring(text).iter())


def tag(element):
    return element.tag.rpartition("}")[2]


def attribute(element, name):
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), None)


def points(found):
    """All points of all lines, in order, as numbers."""
    return [
        float(number)
        for element in found
        if tag(element) == "path" and not (element.get("id") or "").startswith("DejaVu")
        for number in NUMBER.findall(element.get("d", ""))
    ]


def marks(found):
    return [
        (float(element.get("x")), float(element.get("y")))
        for element in found
        if tag(element) == "use" and element.get("y")
    ]


def test_it_draws_the_same_points_in_a_fraction_of_the_bytes(figure):
    whole = rendered(figure, "svg").decode()
    drawings = Drawings()
    inline = drawings.inline(figure, "a")
    before, after = elements(whole), elements(inline)
    assert points(after) == pytest.approx(points(before), abs=0.0101)
    assert len(points(after)) > 50
    assert marks(after) == [pytest.approx(mark, abs=0.0101) for mark in marks(before)]
    letters = [
        len([each for each in found if "DejaVu" in (attribute(each, "href") or "")]) for found in (before, after)
    ]
    assert letters[0] == letters[1] > 10
    assert len(inline) < 0.5 * len(whole)
    assert str(drawings.glyphs).count("<path") == whole.count('<path id="DejaVu')


def test_every_style_is_kept_by_its_class(figure):
    whole, inline = rendered(figure, "svg").decode(), Drawings().inline(figure, "a")
    (rules,) = (
        element.text for element in elements(inline) if tag(element) == "style" and ".ac0" in (element.text or "")
    )
    said = set(re.findall(r"\.ac\d+\{(?:clip-path: [^;]*; )?([^}]*)\}", rules))
    styles = {element.get("style") for element in elements(whole) if element.get("style")}
    shorter = {re.sub(r"(\.\d\d)\d+", r"\1", style) for style in styles}
    assert said == shorter
    used = {element.get("class") for element in elements(inline)} - {None}
    assert used == set(re.findall(r"\.(ac\d+)\{", rules))


def test_all_that_is_referred_to_is_there_once(figure):
    drawings = Drawings()
    both = [drawings.inline(figure, prefix) for prefix in ("a", "b")]
    page = f"{drawings.glyphs}{''.join(both)}"
    names = re.findall(r' id="([^"]*)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:href="|url\()#([^")]*)', page)) == set(names)


def test_the_picture_in_a_figure_is_whole(figure):
    image = r'data:image/png;base64,([^"]+)"'
    whole = re.search(image, rendered(figure, "svg").decode(), re.DOTALL)
    inline = re.search(image, Drawings().inline(figure, "a"))
    assert "".join(whole[1].split()) == "".join(inline[1].split())
