"""Drawing costs what it must: once a file, on one thread."""

import os
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.analysis.figures.style import STYLE, add_legend, add_title, handle, looks, new_figure
from harness.analysis.figures.writing import rendered
from tests.shared import REPOSITORY


def fill(figure):
    """Two panels, a title and a legend, whose room the layout finds."""
    with mpl.rc_context(STYLE):
        for axes in figure.subplots(1, 2):
            axes.plot(np.arange(9), np.arange(9) ** 2.0)
            axes.set_ylabel("loss (dimensionless)")
        add_title(figure, "a title")
        add_legend(figure, [handle("pytorch eager", looks(["a100"], ["pytorch"])[0])])
    return figure


@pytest.mark.parametrize("file_format", ["pdf", "png", "svg"])
def test_a_file_is_what_matplotlib_makes_of_an_ordinary_figure(monkeypatch, file_format):
    with mpl.rc_context(STYLE):
        ordinary = Figure(figsize=(6.9, 2.3), layout="constrained")
        FigureCanvasAgg(ordinary)
        ours = new_figure(6.9, 2.3)
    expected = rendered(fill(ordinary), file_format)
    drawn = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda *given: drawn.append(given) or draw(*given))
    assert rendered(fill(ours), file_format) == expected
    assert len(drawn) == 1


@pytest.mark.parametrize(
    ("before", "given", "expected"), [("", None, "1"), ("", "2", "2"), ("import numpy; ", None, "None")]
)
def test_linear_algebra_has_one_thread_where_that_can_still_be_said(before, given, expected):
    code = f"{before}import os; from harness.commands.options import on_one_thread; on_one_thread(); "
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment |= {} if given is None else {"OPENBLAS_NUM_THREADS": given}
    command = [sys.executable, "-c", f"{code}print(os.environ.get('OPENBLAS_NUM_THREADS'))"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
