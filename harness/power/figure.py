"""A power log as a file with its figure."""

from io import BytesIO
from pathlib import Path

import matplotlib as mpl

from harness.analysis.figures.power import power_figure
from harness.analysis.figures.style import PNG_DPI, STYLE
from harness.files import write_atomically
from harness.power.log import PowerLog


def write_figure(power: PowerLog, path: Path, file_format: str) -> None:
    """Write the figure as png or svg. Raises UserError where the file cannot be written."""
    drawn = BytesIO()
    figure = power_figure(power.log, power.phases, power.title)
    with mpl.rc_context(STYLE):
        figure.savefig(drawn, format=file_format, dpi=PNG_DPI)
    write_atomically(path, drawn.getvalue())
