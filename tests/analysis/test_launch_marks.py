"""Medians of different launches never stand side by side without a word in the figure."""

import pandas as pd
import pytest
from drawing import one
from drawn_text import drawn_texts, overlapping
from made_records import make_measurements, make_record, make_scenario, make_window

from harness.analysis.figures import batch_size as scaling
from harness.analysis.figures import energy, loss, skill, speed
from harness.analysis.figures.launch_marks import COLUMN, mark, note
from harness.results.record import Energy, Phase, PhaseEnergy
from harness.scenario.schema import Stage, TrainingConfig

BIG = make_scenario(
    training=TrainingConfig(batch_size=16, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-3),))
)


def measured(launch, *, valid=True):
    """A launch with an inference window, and the energy of that."""
    phase = Phase(name="inference", t0_ns=0, t1_ns=1, steps=4, samples=8)
    window = make_window(100.0, 5.0, peak_power_w=30.0, reasons=() if valid else ("not valid",))
    energies = Energy(collector="nvml", reason=None, phases=(PhaseEnergy(phase="inference", window=window),))
    return {"measurements": make_measurements(launch=launch, phases=(phase,)), "energy": energies}


def add(results, **launches):
    for framework, numbers in launches.items():
        results.add(*[make_record(framework, n, **measured(n)) for n in numbers])


def texts(drawn):
    """All that is written in a figure, line breaks taken out."""
    found = [text for axes in drawn.figure.axes for text in axes.texts]
    found += [text for legend in drawn.figure.legends for text in legend.get_texts()]
    return [" ".join(text.get_text().split()) for text in found]


@pytest.mark.parametrize("module", [speed, loss, skill, energy])
def test_different_launches_are_named_in_figure_and_caption(results, module):
    add(results, pytorch=(0, 1, 2, 4), mindspore=(1, 3))
    drawn = one(results, module)
    for launches in ("launches 0-2, 4", "launches 1, 3"):
        assert any(launches in text for text in texts(drawn)), texts(drawn)
        assert launches in drawn.caption
    assert set(drawn.data["launch_numbers"]) - {""} == {"0 1 2 4", "1 3"}


@pytest.mark.parametrize("module", [speed, loss, skill, energy])
def test_equal_launches_are_not(results, module):
    add(results, pytorch=(0, 1, 2), mindspore=(0, 1, 2))
    drawn = one(results, module)
    assert not any("launches" in text for text in texts(drawn))
    assert "different launches" not in drawn.caption


def test_windows_of_different_launches_in_cells_of_equal_ones(results):
    add(results, pytorch=(0, 1))
    results.add(make_record("mindspore", 0, **measured(0)), make_record("mindspore", 1, **measured(1, valid=False)))
    expected = "Medians of different launches: pytorch eager launches 0, 1; mindspore graph launch 0."
    drawn = one(results, energy)
    assert set(drawn.caption.partition("Medians")[2].split(": ")[1].rstrip(".").split("; ")) == set(
        expected.split(": ")[1].rstrip(".").split("; ")
    )
    assert {"MindSpore graph (launch 0)", "PyTorch eager (launches 0, 1)"} <= set(texts(drawn))
    assert "different launches" not in one(results, speed).caption


def test_batch_sizes(results):
    add(results, pytorch=(0, 1, 2))
    results.add(make_record("pytorch", 0, scenario=BIG, attempt="big"))
    drawn = one(results, scaling)
    assert {"launches 0-2", "launch 0"} <= set(texts(drawn))


@pytest.mark.parametrize("module", [energy, scaling])
def test_of_many_cells_the_legend_has_them_and_nothing_lies_on_the_points(results, module):
    for size in range(1, 13):
        stages = (Stage(name="pretrain", epochs=3, learning_rate=1e-3),)
        scenario = make_scenario(training=TrainingConfig(batch_size=size, stages=stages))
        for launch in range(1 + size % 2):
            results.add(make_record(launch=launch, scenario=scenario, attempt=f"{size}-{launch}", **measured(launch)))
    figure = one(results, module).figure
    assert overlapping(drawn_texts(figure)) == []
    assert not [text.get_text() for axes in figure.axes for text in axes.texts if "launch" in text.get_text()]
    legend = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    assert "launches 0, 1" in legend
    assert "launch 0" in legend


def test_of_many_cells_the_caption_points_at_the_figure():
    rows = pd.DataFrame({"cell": list("abcde"), COLUMN: ["0", "1", "0", "1", "0"]})
    assert note(rows[:2], ()) == " Medians of different launches: a launch 0; b launch 1."
    assert note(rows, ()) == " Medians of different launches, which are written in the figure."


def test_numbers_in_words():
    assert [mark(text) for text in ("3", "0 1", "0 1 2 3", "0 2 3 4 7")] == [
        "launch 3",
        "launches 0, 1",
        "launches 0-3",
        "launches 0, 2-4, 7",
    ]
