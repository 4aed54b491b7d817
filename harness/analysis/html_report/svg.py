"""Figures as SVG that stand inside a page beside each other, each in a few kilobytes.

What matplotlib writes is four times as long: for every glyph of every figure its shape, for every line its style, and
six decimals of a point. Here a glyph is drawn once a page and a style said once a figure; lengths have two decimals.
"""

import re
from collections.abc import Mapping
from itertools import count

from markupsafe import Markup
from matplotlib.figure import Figure

from harness.analysis.figures import rendered

GLYPH = re.compile(r'<path id="(DejaVu[\w-]+)" ((?:d="[^"]*" )?transform="scale\(0\.015625\)")/>')
REFERENCE = re.compile(r'(href="#|url\(#)([^")]+)')
IDENTIFIER = re.compile(r' id="([^"]*)"')
PATH = re.compile(r' d="([^"]*)"')
STYLE = re.compile(r' style="([^"]*)"')
SIZE = re.compile(r'<svg[^>]*? viewBox="([^"]*)"[^>]*>')
SHORTER = (
    (re.compile(r"<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL), ""),
    (re.compile(r">\s+<"), "><"),
    (re.compile(r'\s*\n"'), '"'),
    (re.compile(r"\s*\n\s*"), " "),
    (re.compile(r"(?<!scale\(0)(\.\d\d)\d+"), r"\1"),
    (re.compile(r' d="M '), ' d="M'),
    (re.compile(r" ([MLCQ]) "), r"\1"),
    (re.compile(r'clip-path="([^"]*)" style="'), r'style="clip-path: \1; '),
    (re.compile(r"xlink:href"), "href"),
    (re.compile(r'(<use href="#[^"]*") transform="translate\((\S+) 0\)"/>'), r'\1 x="\2"/>'),
)
"""What says nothing in a page, and how the rest is said in fewer characters."""

LINES = re.compile(
    r'<path d="[^"]*"( style="(?:clip-path: [^;]*; )?fill: none; stroke: [^"]*"/>)'
    r'(?:<path d="[^"]*"\1)+'
)
"""Several that look alike, one after the other, are one."""

MARKS = re.compile(r'<g( clip-path="[^"]*")>((?:<use href="#[^"]*" x="[^"]*" y="[^"]*" style="[^"]*"/>)+)</g>')
PLAIN_GROUP = re.compile(r"<g>([^<]*(?:<(?!/?g[ >])[^<]*)*)</g>")
NESTED_GROUPS = 4
"""Groups of groups that matplotlib makes, of which only the identifiers told anything."""


class Drawings:
    """The figures of one page, which share the shapes of their glyphs."""

    def __init__(self) -> None:
        self._glyphs: dict[str, str] = {}

    @property
    def glyphs(self) -> Markup:
        """The shapes to which the figures refer, in an element that takes no room."""
        shapes = "".join(f'<path id="{name}" {shape}/>' for name, shape in self._glyphs.items())
        hidden = 'width="0" height="0" style="position: absolute" aria-hidden="true"'
        return Markup(f"<svg {hidden}><defs>{shapes}</defs></svg>" if shapes else "")

    def inline(self, figure: Figure, prefix: str) -> Markup:
        """The `svg` element alone; its identifiers begin with `prefix`, so that no other figure's are taken for them.

        Raises what matplotlib raises where it cannot draw.
        """
        element = rendered(figure, "svg").decode("utf-8")
        element = element[element.index("<svg") :].strip()
        for pattern, shorter in SHORTER:
            element = pattern.sub(shorter, element)
        self._glyphs |= dict(GLYPH.findall(element))
        element = _renamed(GLYPH.sub("", element), prefix, {name: name for name in self._glyphs})
        element = MARKS.sub(_alike, LINES.sub(_joined, element))
        for _ in range(NESTED_GROUPS):
            element = PLAIN_GROUP.sub(r"\1", element)
        width_points = 72 * figure.get_figwidth()
        body, styles = _with_classes(element.replace("<defs></defs>", ""), prefix)
        head = rf'<svg style="width: {width_points:g}pt" aria-hidden="true" viewBox="\1"><style>{styles}</style>'
        return Markup(SIZE.sub(head, body, count=1))


def _joined(lines: "re.Match[str]") -> str:
    return f'<path d="{"".join(PATH.findall(lines[0]))}"{lines[1]}'


def _alike(marks: "re.Match[str]") -> str:
    """Marks of one style as a group of that style."""
    styles = set(STYLE.findall(marks[2]))
    if len(styles) > 1:
        return marks[0]
    return f'<g{marks[1]} style="{styles.pop()}">{STYLE.sub("", marks[2])}</g>'


def _renamed(element: str, prefix: str, names: dict[str, str]) -> str:
    """Identifiers that something refers to, short and with the prefix but for the `names` given; no others."""
    number = count()
    for _, name in REFERENCE.findall(element):
        if name not in names:
            names[name] = f"{prefix}-{next(number)}"
    element = REFERENCE.sub(lambda found: found[1] + names[found[2]], element)
    return IDENTIFIER.sub(lambda found: f' id="{names[found[1]]}"' if found[1] in names else "", element)


def _with_classes(element: str, prefix: str) -> tuple[str, str]:
    """The element with a class for every style in it but its own, and the rules of these classes."""
    head, body = element.split(">", 1)
    names: Mapping[str, str] = {
        style: f"{prefix}c{number}" for number, style in enumerate(dict.fromkeys(STYLE.findall(body)))
    }
    classed = STYLE.sub(lambda found: f' class="{names[found[1]]}"', body)
    return f"{head}>{classed}", "".join(f".{name}{{{style}}}" for style, name in names.items())
