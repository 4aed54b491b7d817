"""A figure as SVG that stands inside a page beside others."""

import re

from matplotlib.figure import Figure

from harness.analysis.figures import rendered

IDENTIFIERS = re.compile(r'(\sid="|href="#|url\(#)')
IMAGE_IDENTIFIER = re.compile(r'\sid="image[0-9a-f]+"')
"""Nothing refers to it, and two equal images of a figure have the same."""

SIZE = re.compile(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"')


def inline_svg(figure: Figure, prefix: str) -> str:
    """The `svg` element alone; its identifiers begin with `prefix`, so that no other figure's are taken for them."""
    svg = rendered(figure, "svg").decode("utf-8")
    element = svg[svg.index("<svg") :]
    width_points = 72 * figure.get_figwidth()
    element = IMAGE_IDENTIFIER.sub("", element)
    element = SIZE.sub(rf'\1 style="width: {width_points:g}pt" aria-hidden="true"', element, count=1)
    return IDENTIFIERS.sub(rf"\g<1>{prefix}-", element)
