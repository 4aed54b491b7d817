"""Scaling over devices by records with chosen numbers: speed-up, efficiency, what is refused, table, figure, claim."""

import io

import numpy as np
import pytest
import yaml
from rich.console import Console
from scipy.stats import t as student_t

from harness.analysis.cells import load_results
from harness.analysis.claims.judging import judge
from harness.analysis.comparison.kinds import SCALING
from harness.analysis.comparison.scaling import compared, curves, devices_of, efficiency, speed_up
from harness.analysis.figures import devices
from harness.analysis.figures.subject import NotDrawn, subjects
from harness.analysis.html_report import write_report
from harness.analysis.tables.files import write_table
from harness.analysis.tables.scaling import scaling_table
from harness.analysis.tables.writing import write_tables
from harness.results.record import Communication
from harness.scenario.claims import Ledger
from harness.scenario.execution import EAGER, Execution, World
from harness.scenario.schema import Stage, TrainingConfig
from tests.analysis.made_records import (
    ResultsFolder,
    make_epoch,
    make_measurements,
    make_record,
    make_scenario,
    make_stage,
)
from tests.analysis.reports import frame_of

RATE = "train_rate_samples_per_s"


def record(number: int, batch: int, step_s: float, launch: int, exchange: float = 0.25, **world):
    """A launch on some devices, whose epoch has two steps of `step_s` and data that take none.

    The exchange takes a part of a step, which noise may make negative.
    """
    training = TrainingConfig(batch_size=batch, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-3),))
    execution = Execution(world=World(devices=number, **world)) if number > 1 else EAGER
    epoch = make_epoch(step_s=(step_s, step_s), data_s=(0.0, 0.0))
    stage = make_stage(*[epoch] * 3).model_copy(update={"samples_per_epoch": 2 * batch * number})
    changes = {"training": (stage,)}
    if number > 1:
        changes["communication"] = Communication(
            step_s=(step_s,) * 3, without_exchange_s=((1 - exchange) * step_s,) * 3
        )
    scenario = make_scenario(execution=execution, training=training)
    return make_record(scenario=scenario, launch=launch, measurements=make_measurements(launch=launch, **changes))


NOISE = (0.98, 1.0, 1.03, 0.99)
"""Of all cells alike, so that the ratios of launches of the same number are exact."""


@pytest.fixture
def folder(tmp_path):
    """One device with batches of 8, two and four of them; weak scaling, and strong on two."""
    made = ResultsFolder(tmp_path / "results")
    for launch, noise in enumerate(NOISE):
        made.add(
            record(1, 8, 1.0 * noise, launch),
            record(2, 8, 1.25 * noise, launch),
            record(4, 8, 1.6 * noise, launch),
            record(2, 4, 0.625 * noise, launch),
            record(2, 8, 1.5 * noise, launch, parallel="sharded_optimiser"),
        )
    return made


def test_speed_ups_are_ratios_of_rates_and_efficiencies_those_over_the_devices(folder):
    (group,) = load_results(folder.path).groups()
    found = {
        (curve.scaling, curve.parallel): [
            (speed_up(each, RATE).value, efficiency(each, RATE).value) for each in curve.points
        ]
        for curve in curves(group)
    }
    assert found == {
        ("weak", "data"): [pytest.approx((1.6, 0.8)), pytest.approx((2.5, 0.625))],
        ("weak", "sharded_optimiser"): [pytest.approx((4 / 3, 2 / 3))],
        ("strong", "data"): [pytest.approx((1.6, 0.8))],
    }
    for curve in curves(group):
        for point in curve.points:
            share = efficiency(point, RATE)
            assert share.number == len(NOISE)
            assert share.low <= share.value <= share.high


def test_the_table_holds_ideal_exchange_and_memory_in_every_format(folder, tmp_path):
    groups = load_results(folder.path).groups()
    table = scaling_table("smoke", groups, {})
    assert [len(section.rows) for section in table.sections] == [3, 2, 2]
    data = frame_of(table)
    weak = data[(data.scaling == "weak") & (data.parallel == "data")]
    assert list(weak.devices) == list(weak.ideal_speed_up) == [1, 2, 4]
    np.testing.assert_allclose(weak.speed_up, [1, 1.6, 2.5])
    np.testing.assert_allclose(weak.exchange_fraction.iloc[1:].astype(float), 0.25)
    assert set(weak.memory_bytes) == {512 * 2**20}
    assert "weak scaling" in table.sections[0].title
    assert "no sensor" in " ".join(table.sections[0].notes)
    paths = write_table(table, (), tmp_path / "tables")
    latex = next(path for path in paths if path.suffix == ".tex").read_text()
    assert "speed-up" in latex


def test_the_interval_of_a_small_share_is_that_of_what_remains(tmp_path):
    """Three shares: Student's t on the logarithms of the rest, which has two degrees of freedom."""
    made = ResultsFolder(tmp_path / "results")
    shares = (0.001, 0.02, 0.05)
    for launch, exchange in enumerate(shares):
        made.add(record(1, 8, 1.0, launch), record(2, 8, 1.25, launch, exchange))
    (row,) = frame_of(scaling_table("smoke", load_results(made.path).groups(), {})).query("devices == 2").itertuples()
    rest = np.log1p(-np.array(shares))
    half = student_t.ppf(0.975, 2) * rest.std(ddof=1) / np.sqrt(3)
    centre = rest.mean()
    assert row.exchange_fraction == pytest.approx(0.02)
    assert row.exchange_fraction_low95 == pytest.approx(1 - np.exp(centre + half), abs=1e-6)
    assert row.exchange_fraction_high95 == pytest.approx(1 - np.exp(centre - half), abs=1e-6)


def test_steps_that_noise_makes_longer_without_the_exchange_are_kept(tmp_path):
    made = ResultsFolder(tmp_path / "results")
    for launch, exchange in enumerate((0.1, -0.18, -0.06)):
        made.add(record(1, 8, 1.0, launch), record(2, 8, 1.25, launch, exchange))
    found = load_results(made.path)
    assert not found.problems
    (row,) = frame_of(scaling_table("smoke", found.groups(), {})).query("devices == 2").itertuples()
    assert row.exchange_fraction == pytest.approx(-0.06)
    console = Console(file=io.StringIO(), width=200)
    write_tables(made.path, suite=None, baseline=None, console=console)
    write_report(made.path, suite=None, baseline=None, output=None, console=console)
    (shown,) = (
        line
        for line in (made.path / "smoke/tables/speed.md").read_text().splitlines()
        if line.startswith("| exchange of gradients, %")
    )
    assert "| -6.0 [" in shown


def test_the_rank_that_others_wait_for_is_named(tmp_path):
    """Rank 1 of two takes 1.3 times as long in the middle of three launches; one a twentieth slower is not named."""
    made = ResultsFolder(tmp_path / "results")
    for launch, (of_two, of_four) in enumerate(zip((1.3, 1.2, 1.5), (1.05, 1.0, 1.05), strict=True)):
        made.add(record(1, 8, 1.0, launch))
        for number, slow in ((2, of_two), (4, of_four)):
            plain = record(number, 8, 1.25, launch)
            of_each_s = (0.5,) * (number - 1) + (0.5 * slow,)
            timed = plain.measurements.communication.model_copy(update={"of_each_s": of_each_s})
            measured = plain.measurements.model_copy(update={"communication": timed})
            made.add(plain.model_copy(update={"measurements": measured}))
    (section,) = scaling_table("smoke", load_results(made.path).groups(), {}).sections
    (line,) = (note for note in section.notes if "quickest" in note)
    assert line.startswith("2 devices: rank 1 takes 1.30 times as long as the quickest for a step without exchange")


def test_what_differs_in_more_than_devices_is_no_scaling(tmp_path):
    made = ResultsFolder(tmp_path / "results")
    made.add(record(1, 8, 1.0, 0), record(2, 6, 1.0, 0))
    (group,) = load_results(made.path).groups()
    assert curves(group) == ()
    assert scaling_table("smoke", [group], {}).sections == ()
    (item,) = devices.illustrate(subjects([group])[0])
    assert isinstance(item, NotDrawn)


def test_other_samples_are_refused_with_their_reason(tmp_path):
    made = ResultsFolder(tmp_path / "results")
    wide = record(2, 8, 1.0, 0)
    prints = wide.measurements.fingerprints.model_copy(update={"data": "e" * 64})
    made.add(
        record(1, 8, 1.0, 0),
        wide.model_copy(update={"measurements": wide.measurements.model_copy(update={"fingerprints": prints})}),
    )
    groups = load_results(made.path).groups()
    (section,) = scaling_table("smoke", groups, {}).sections
    assert section.texts[1][4:6] == ["refused", "see below"]
    assert any("data: fingerprints differ" in note for note in section.notes)


def test_the_figure_shows_each_curve_from_one_device_on(folder):
    (item,) = devices.illustrate(subjects(load_results(folder.path).groups())[0])
    assert len(item.cells) == 5
    up, share = item.figure.axes
    lines = {line.get_label(): list(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in up.lines}
    (weak,) = (points for label, points in lines.items() if label.endswith("weak scaling"))
    np.testing.assert_allclose(weak, [(1, 1), (2, 1.6), (4, 2.5)])
    assert share.get_ylabel() == "Efficiency"


def test_as_many_devices_on_more_nodes_are_a_line_and_a_row_of_their_own(tmp_path):
    made = ResultsFolder(tmp_path / "results")
    for launch, noise in enumerate(NOISE):
        made.add(
            record(1, 8, 1.0 * noise, launch),
            record(2, 8, 1.6 * noise, launch, nodes=2),
            record(2, 8, 1.25 * noise, launch),
            record(4, 8, 2.0 * noise, launch, nodes=2),
        )
    groups = load_results(made.path).groups()
    (section,) = scaling_table("smoke", groups, {}).sections
    assert [row[0] for row in section.texts] == ["1", "2", "2 on 2 nodes", "4 on 2 nodes"]
    (item,) = devices.illustrate(subjects(groups)[0])
    (up, _) = item.figure.axes
    points = {line.get_label(): list(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in up.lines}
    (near,) = (points[label] for label in points if label.endswith("weak scaling"))
    (far,) = (points[label] for label in points if label.endswith("weak scaling, 2 nodes"))
    np.testing.assert_allclose(near, [(1, 1), (2, 1.6)])
    np.testing.assert_allclose(far, [(1, 1), (2, 1.25), (4, 2)])
    hollow = [line for line in up.lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in hollow] == [[2, 4]]
    assert item.caption.endswith("Hollow: on several nodes.")


LEDGER = """
title: t
source: s
suite: smoke
claims:
  - name: scales
    says: it scales
    reading: at 70 % at least
    models: [fourcastnet]
    cells: [cpu/pytorch-eager-{devices}-devices]
    baseline: cpu/pytorch-eager
    quantity: {quantity}
    {more}
    expect: {{at_least: {least}}}
"""


@pytest.mark.parametrize(
    ("number", "quantity", "more", "least", "outcome"),
    [
        (2, "scaling_efficiency", "scaling: weak", 0.7, "confirmed"),
        (2, "scaling_efficiency", "scaling: strong", 0.7, "confirmed"),
        (4, "scaling_efficiency", "scaling: weak", 0.7, "refuted"),
        (4, "speed_up", "", 2.4, "confirmed"),
        (4, "scaling_efficiency", "scaling: strong", 0.7, "not measured"),
        (8, "speed_up", "", 2.4, "not measured"),
    ],
)
def test_that_it_scales_is_a_claim(folder, number, quantity, more, least, outcome):
    text = LEDGER.format(devices=number, quantity=quantity, more=more, least=least)
    (judged,) = judge(Ledger.model_validate(yaml.safe_load(text)), load_results(folder.path))
    assert judged.outcome == outcome
    if outcome != "not measured":
        assert all(evidence.of.endswith("scaling") for evidence in judged.evidence)
        assert all(len(evidence.records) == 2 * len(NOISE) for evidence in judged.evidence)
    elif number == 8:
        assert "--devices 1,8" in judged.missing[0].command


def test_several_devices_are_no_base(folder):
    cells = load_results(folder.path).cells
    four, *_ = (cell for cell in cells if devices_of(cell) == 4)
    for base in (cell for cell in cells if devices_of(cell) < 4):
        refusal = compared(four, base, SCALING).refusal
        assert ("world.devices: 2 in the baseline, which must be 1" in refusal) == (devices_of(base) == 2)
