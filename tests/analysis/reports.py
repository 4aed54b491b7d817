"""Run the report on made records and read what it wrote."""

import io

import pandas as pd
from made_records import make_measurements, make_record
from rich.console import Console

from harness.analysis.tables.files import FORMATS
from harness.analysis.tables.writing import write_tables

STEPS_S = (0.50, 0.52, 0.49, 0.51, 0.53)


def run(results, *, suite=None, baseline=None, width=100, figures=False):
    """The report's terminal output; files are of every format."""
    console = Console(file=io.StringIO(), width=width)
    write_tables(results.path, suite=suite, baseline=baseline, console=console, formats=tuple(FORMATS), figures=figures)
    return console.file.getvalue()


def read(results, name):
    """A table's CSV by cell, and its Markdown."""
    folder = results.path / "smoke" / "tables"
    return pd.read_csv(folder / f"{name}.csv").set_index("cell"), (folder / f"{name}.md").read_text()


def frame_of(table):
    """The data of a table as a frame."""
    return pd.DataFrame(table.data.rows, columns=table.data.names)


def add_pair(results, *, factor=1.5, launches=range(5), **changes):
    """PyTorch launches with STEPS_S and MindSpore launches that take `factor` times as long."""
    for launch in launches:
        for framework, scale in (("pytorch", 1.0), ("mindspore", factor)):
            measured = make_measurements(launch=launch, step_s=STEPS_S[launch] * scale, **changes)
            results.add(make_record(framework, launch, measurements=measured))
