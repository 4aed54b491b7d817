"""Which texts a figure really draws, and where: tick labels out of view, for example, exist but are never drawn."""

from itertools import combinations
from unittest.mock import patch

from matplotlib.text import Text

TOLERANCE_PIXELS = 1.0


def drawn_texts(figure):
    """Pairs of text and its box in pixels, of everything that is drawn."""
    drawn = []
    draw = Text.draw

    def record(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip():
            drawn.append(text)
        draw(text, renderer, *args, **kwargs)

    figure.draw_without_rendering()
    with patch.object(Text, "draw", record):
        figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    return [(text.get_text(), text.get_window_extent(renderer)) for text in drawn]


def clipped(figure, drawn):
    """Texts that reach over the edge of the figure, of those that it draws."""
    width, height = figure.bbox.width, figure.bbox.height
    return [name for name, box in drawn if min(box.x0, box.y0, width - box.x1, height - box.y1) < -TOLERANCE_PIXELS]


def overlapping(drawn):
    """Pairs of drawn texts that cover each other."""
    return [
        (first, second)
        for (first, one), (second, other) in combinations(drawn, 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > TOLERANCE_PIXELS
        and min(one.y1, other.y1) - max(one.y0, other.y0) > TOLERANCE_PIXELS
    ]
