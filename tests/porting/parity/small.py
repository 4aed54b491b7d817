"""The three models at sizes that a comparison takes a second for."""

from pathlib import Path

from harness.launch.survey import matrix_of
from harness.scenario.scenario import Selection

DATA = {"fourcastnet": "rossby", "graphcast": "rossby_forced", "aigoms": "ocean"}


def small_scenario(model):
    """The scenario of a model in MindSpore, with the preset `small` of the file beside this one."""
    path = Path(__file__).with_name(f"{model}.yaml")
    return matrix_of(Selection(model=str(path), preset="small", framework="mindspore", mapping=DATA[model])).cells[0]
