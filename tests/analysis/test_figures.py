"""What each figure shows, against values by hand."""

import json
import math

import matplotlib.collections as collections
import numpy as np
import pandas as pd
import pytest
from drawing import draw, one
from made_records import (
    make_epoch,
    make_failure,
    make_measurements,
    make_record,
    make_scenario,
    make_skill,
    make_stage,
)
from made_study import IDLE_W, POWER_W, SENSOR, add_launch, add_study, make_forecast, make_log, make_phases
from reports import run

from collectors.samples import CounterReading, Header, SampleLog
from harness.analysis.figures import batch_size as scaling
from harness.analysis.figures import energy, forecast, loss, power, rendered, skill, speed
from harness.analysis.figures.subject import Illustration, NotDrawn


def set_energy(folder, phase, energy_j):
    """Give the phases of a launch whose names begin with `phase` another energy."""
    path = folder / "record.json"
    content = json.loads(path.read_text())
    for entry in content["energy"]["phases"]:
        if entry["phase"].startswith(phase):
            for measured in (entry["window"], *entry["window"]["devices"]):
                measured |= {"energy_j": energy_j, "integral_j": energy_j, "mean_power_w": 0.0, "peak_power_w": 0.0}
    path.write_text(json.dumps(content))


class TestLoss:
    def add(self, results):
        for launch, loss_value in enumerate((1.0, 2.0, 6.0)):
            stages = (
                make_stage(make_epoch(loss=(loss_value, 3 * loss_value), validation_loss=10 * loss_value)),
                make_stage(make_epoch(loss=(0.1, 0.3), validation_loss=0.5), name="finetune"),
            )
            results.add(make_record("pytorch", launch, measurements=make_measurements(launch=launch, training=stages)))
            results.add(make_record("mindspore", launch))

    def test_median_and_range_over_launches(self, results):
        self.add(results)
        data = one(results, loss).data
        first, second = data[data["cell"] == "pytorch eager"].to_dict("records")
        assert (first["stage"], first["epoch"], first["launches"]) == ("pretrain", 1, 3)
        assert (first["training_loss_min"], first["training_loss_median"], first["training_loss_max"]) == (2, 4, 12)
        assert (first["validation_loss_median"], first["validation_loss_max"]) == (20, 60)
        assert (second["stage"], second["epoch"]) == ("finetune", 2)
        assert second["training_loss_median"] == pytest.approx(0.2)

    def test_training_is_solid_and_validation_dashed(self, results):
        self.add(results)
        (axes,) = one(results, loss).figure.axes
        lines = {line.get_label(): line for line in axes.lines}
        assert lines["pytorch eager, training"].get_linestyle() == "-"
        dashed = lines["pytorch eager, validation"]
        assert dashed.get_linestyle() == "--"
        assert list(dashed.get_ydata()) == [20, 0.5]
        assert dashed.get_color() != lines["mindspore graph, training"].get_color()
        assert sum(isinstance(artist, collections.PolyCollection) for artist in axes.collections) == 4

    def test_the_tables_leave_the_loss_curves(self, results):
        self.add(results)
        run(results, figures=True)
        stem = results.path / "smoke" / "figures" / "loss-fourcastnet-tiny-rossby"
        assert stem.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert len(pd.read_csv(stem.with_suffix(".csv"))) == 5

    def test_without_a_training_there_is_none(self, results):
        results.add(make_failure("pytorch"))
        assert one(results, loss).reason == "no cell has a completed training"


class TestSpeed:
    def test_a_bar_for_each_cell_and_quantity_with_its_launches(self, results):
        for launch, step_s in enumerate((0.5, 0.6, 0.7, 0.8, 0.9)):
            results.add(make_record(launch=launch, measurements=make_measurements(launch=launch, step_s=step_s)))
        item = one(results, speed)
        epoch, inference = item.data.to_dict("records")
        assert (epoch["quantity"], inference["quantity"]) == ("time per epoch", "inference step")
        assert epoch["median_s"] == pytest.approx(2 * 0.7 + 2 * 0.1)
        assert inference["median_s"] == pytest.approx(0.07)
        assert epoch["launch_values_s"] == "1.2 1.4 1.6 1.8 2"
        assert epoch["median_s_low95"] <= epoch["median_s"] <= epoch["median_s_high95"]
        first, second = item.figure.axes
        assert [bar.get_width() for bar in first.patches] == [pytest.approx(1.6)]
        assert [bar.get_width() for bar in second.patches] == [pytest.approx(70)]
        assert second.get_xlabel() == "Inference step (ms)"
        assert list(second.lines[0].get_xdata()) == pytest.approx([50, 60, 70, 80, 90])
        assert first.get_xlim()[0] == 0

    def test_what_did_not_run_is_a_row_with_its_reason(self, results):
        results.add(make_record(), make_failure("mindspore", reason="killed: out of memory"))
        item = one(results, speed)
        (axes, _) = item.figure.axes
        assert len(axes.patches) == 1
        assert [text.get_text() for text in axes.get_yticklabels()] == ["MindSpore graph", "PyTorch eager"]
        reasons = item.data.set_index("cell")["reason"].to_dict()
        assert reasons["mindspore graph"] == "did not run: out of memory: killed: out of memory"
        texts = " ".join(text.get_text() for text in axes.texts)
        assert "out of memory" in texts

    def test_an_absent_cell_stands_beside_those_that_ran(self, results):
        add_study(results, chips=("a100", "cpu"), launches=1)
        item = one(results, speed)
        labels = [text.get_text() for text in item.figure.axes[0].get_yticklabels()]
        assert labels == [
            "PyTorch eager, a100",
            "MindSpore graph, cpu",
            "PyTorch eager, cpu",
            "MindSpore graph, a100",
        ]
        assert len(item.figure.axes[0].patches) == 3

    def test_stages_have_panels_of_their_own(self, results):
        trained = (make_stage(*[make_epoch()] * 2), make_stage(make_epoch((2.0, 2.0)), name="finetune"))
        results.add(make_record(measurements=make_measurements(training=trained)))
        item = one(results, speed)
        assert [axes.get_xlabel() for axes in item.figure.axes if axes.get_visible()] == [
            "Time per epoch (pretrain) (s)",
            "Time per epoch (finetune) (s)",
            "Inference step (ms)",
        ]

    def test_nothing_that_ran(self, results):
        results.add(make_failure("pytorch"))
        assert isinstance(one(results, speed), NotDrawn)


class TestEnergy:
    def test_points_lie_on_the_line_of_their_power(self, results):
        add_study(results, launches=3)
        item = one(results, energy)
        rows = item.data.set_index(["activity", "cell"])
        for label, chip in (("pytorch eager, a100", "a100"), ("mindspore graph, ascend910b", "ascend910b")):
            for activity in ("epoch", "inference step"):
                row = rows.loc[(activity, label)]
                assert row["energy_j"] / row["time_s"] == pytest.approx(POWER_W[chip], rel=0.03)
        assert len(item.data) == 6
        epochs, steps = item.figure.axes
        assert epochs.get_xlabel() == "Time per epoch (s)"
        assert len(epochs.containers) == len(steps.containers) == 3

    def test_lines_of_equal_power_have_the_power_that_they_name(self, results):
        add_study(results, launches=3)
        axes = one(results, energy).figure.axes[1]
        assert axes.get_xlabel() == "Time per inference step (ms)"
        named = [float(text.get_text().removesuffix(" W")) for text in axes.texts]
        drawn = [line for line in axes.lines if line.get_color() == "0.75"]
        slopes = [(line.get_ydata() / line.get_xdata() * 1000).tolist() for line in drawn]
        assert 2 <= len(named) <= 6
        assert slopes == [pytest.approx([power_w, power_w]) for power_w in named]

    def test_the_round_powers(self):
        assert energy.power_lines(15, 600) == [20, 50, 100, 200, 500]
        assert energy.power_lines(1.5, 1200) == [3, 10, 30, 100, 300, 1000]
        assert energy.power_lines(0.5, 200_000) == [1, 10, 100, 1000, 10_000, 100_000]

    def test_cells_without_energy_are_named_with_the_reason(self, results):
        add_study(results, launches=1)
        item = one(results, energy)
        assert "pytorch eager, cpu" not in set(item.data["cell"])
        assert "epoch and inference step of mindspore graph, cpu; pytorch eager, cpu (no sensor" in item.caption
        assert item.caption.count("(no sensor: rapl: no powercap tree)") == 1

    @pytest.mark.filterwarnings("error")
    def test_points_without_energy_are_left_out_and_named(self, results):
        for launch in range(3):
            set_energy(add_launch(results, "a100", "pytorch", launch, 0.5), "train pretrain", 0.0)
            folder = add_launch(results, "ascend910b", "pytorch", launch, 0.8)
            if launch == 0:
                set_energy(folder, "inference", 0.0)
        item = one(results, energy)
        rendered(item.figure, "png")
        assert item.caption.count(" J)") == 1
        assert ": epoch of pytorch eager, a100 (5.1 s, 0 J)." in item.caption
        assert item.data.set_index(["activity", "cell"]).loc[("epoch", "pytorch eager, a100"), "energy_j"] == 0
        assert [len(axes.containers) for axes in item.figure.axes] == [1, 2]

    def test_energies_of_zero_alone_are_no_figure(self, results):
        set_energy(add_launch(results, "a100", "pytorch", 0, 0.5), "", 0.0)
        assert one(results, energy).reason.startswith(
            "no cell has an energy and a time above 0: epoch of pytorch eager"
        )

    def test_without_any_energy_there_is_none(self, results):
        results.add(make_record())
        item = one(results, energy)
        assert item.reason == ("no cell has energy from a valid window: no sensor: rapl: no powercap tree")


class TestSkill:
    def test_scores_by_lead_beside_the_references(self, results):
        add_study(results, chips=("cpu",), launches=3)
        item = one(results, skill)
        rows = item.data[item.data["variable"] == "z500"].set_index(["cell", "lead_h"])
        assert rows.loc[("pytorch eager", 24.0), "rmse"] == pytest.approx(30.0 * 1.02)
        assert rows.loc[("mindspore graph", 24.0), "rmse"] == pytest.approx(30.0 * 1.02 * 1.01)
        assert rows.loc[("persistence", 24.0), "rmse"] == pytest.approx(57.0)
        assert rows.loc[("climatology", 48.0), "rmse"] == pytest.approx(48.0)
        assert math.isnan(rows.loc[("climatology", 48.0), "acc"])
        assert rows.loc[("persistence", 24.0), "acc"] == pytest.approx(math.exp(-0.6))
        assert set(rows.loc["pytorch eager"]["units"]) == {"m"}

    def test_a_line_for_each_forecaster_in_each_panel(self, results):
        add_study(results, chips=("cpu",), launches=1)
        axes = [axes for axes in one(results, skill).figure.axes if axes.get_visible()]
        assert len(axes) == 6
        ours = {"pytorch eager", "mindspore graph", "persistence"}
        for panel in axes:
            labels = {line.get_label() for line in panel.lines}
            assert labels == (ours | {"climatology"} if "RMSE" in panel.get_ylabel() else ours)
            assert all(list(line.get_xdata()) == [6, 12, 24, 48] for line in panel.lines)

    def add_scored(self, results, scenario, order, persistence):
        """A launch with the RMSE of persistence by variable and lead time."""
        parts = [make_skill(1.0, variable=v, lead_h=lead_h, persistence=p) for (v, lead_h), p in persistence.items()]
        scored = parts[0].model_copy(update={"scores": tuple(score for part in parts for score in part.scores)})
        measured = make_measurements(skill=scored)
        results.add(make_record(scenario.framework, scenario=scenario, order=order, measurements=measured))

    def test_references_at_one_lead_time_are_told_apart_by_their_markers(self, results):
        results.add(make_record())
        drawn = one(results, skill).figure
        drawn_as, named = (
            {line.get_label(): line.get_marker() for line in lines}
            for lines in (drawn.axes[0].lines, drawn.legends[0].legend_handles)
        )
        assert drawn_as["persistence"] != drawn_as["climatology"]
        assert {name: named[name] for name in ("persistence", "climatology")}.items() <= drawn_as.items()

    def test_references_are_those_of_the_first_cell_that_has_them(self, results):
        first, second = {("u", 6.0): 2.0, ("u", 48.0): 4.0, ("z", 6.0): 8.0}, {("u", 6.0): 2.0, ("u", 24.0): 3.0}
        self.add_scored(results, make_scenario("pytorch"), 0, first)
        self.add_scored(results, make_scenario("mindspore"), 1, second | {("t", 6.0): 9.0})
        item = one(results, skill)
        references = item.data[item.data["cell"] == "persistence"].set_index(["variable", "lead_h"])
        assert references["rmse"].to_dict() == {**first, ("u", 24.0): 3.0, ("t", 6.0): 9.0}
        (line,) = [line for line in item.figure.axes[0].lines if line.get_label() == "persistence"]
        assert (list(line.get_xdata()), list(line.get_ydata())) == ([6, 24, 48], [2, 3, 4])
        assert "differs" not in item.caption

    def test_references_are_compared_where_both_cells_have_them(self, results):
        self.add_scored(results, make_scenario("pytorch"), 0, {("u", 6.0): 2.0})
        self.add_scored(results, make_scenario("mindspore"), 1, {("u", 24.0): 3.0})
        self.add_scored(results, make_scenario("pytorch", "graph"), 2, {("u", 24.0): 5.0})
        assert "Persistence of pytorch graph differs from that shown" in one(results, skill).caption

    def test_without_scores_there_is_none(self, results):
        results.add(make_record(measurements=make_measurements(skill=None)))
        assert one(results, skill).reason == "no launch was scored"


class TestScaling:
    def test_one_batch_size_is_no_scaling(self, results):
        results.add(make_record())
        assert one(results, scaling).reason.startswith(
            "it takes records of a cell with two batch sizes: all ran with batch size 8"
        )

    def test_rates_over_the_batch_size(self, results):
        for size, step_s in ((8, 0.5), (16, 0.8), (32, 1.4)):
            add_launch(results, "a100", "pytorch", 0, step_s, batch_size=size)
        add_launch(results, "a100", "mindspore", 0, 0.5, batch_size=8)
        item = one(results, scaling)
        assert list(item.data["batch_size"]) == [8, 16, 32]
        # 40 steps a launch, each 1.02 times the step with its data, and 19 more for the first, which compiles.
        expected = [40 * size / ((40 * 1.02 + 19) * step_s) for size, step_s in ((8, 0.5), (16, 0.8), (32, 1.4))]
        assert list(item.data["samples_per_s"]) == pytest.approx(expected)
        (axes,) = item.figure.axes
        measured, ideal = axes.lines
        assert list(measured.get_ydata()) == pytest.approx(expected)
        assert list(ideal.get_ydata()) == pytest.approx([expected[0], 2 * expected[0], 4 * expected[0]])
        assert [text.get_text() for text in item.figure.legends[0].get_texts()] == ["PyTorch eager"]


class TestPower:
    def log(self):
        phases = make_phases(0.5)
        return make_log(phases, 300.0), phases

    def test_readings_phases_and_failures(self):
        log, phases = self.log()
        data = power.power_data(log, phases)
        assert (data["kind"] == "phase").sum() == len(phases)
        failed = data[data["kind"] == "failed read"]
        assert list(failed["t_s"]) == pytest.approx([1.3, 1.4, 1.5])
        readings = data[data["kind"] == "reading"]
        assert readings["t_s"].iloc[0] == 0
        before = readings[readings["t_s"] < 10]["power_w"]
        assert before.between(IDLE_W - 3, IDLE_W + 3).all()
        training = data[(data["phase"] == "training")].iloc[0]
        inside = readings[readings["t_s"].between(training["t_s"], training["t1_s"] - 0.01)]["power_w"]
        assert inside.between(297, 303).all()

    def test_lines_end_at_gaps(self):
        log, phases = self.log()
        (axes,) = power.power_figure(log, phases, "title").axes
        lines = [line for line in axes.lines if len(line.get_xdata()) > 5 and line.get_marker() == "None"]
        assert len(lines) == 2
        gap = lines[1].get_xdata()[0] - lines[0].get_xdata()[-1]
        assert gap == pytest.approx(2.1, abs=0.11)

    def test_outer_phases_are_named_and_inner_ones_ticked(self):
        log, phases = self.log()
        figure = power.power_figure(log, phases, "title")
        (axes,) = figure.axes
        names = [text.get_text() for text in axes.texts if text.get_visible()]
        assert names == ["idle before", "training", "warm-up", "inference", "idle after"]
        assert len(axes.patches) == 5
        ticks = next(line for line in axes.lines if line.get_marker() == "|")
        inner = [phase for phase in phases if phase.name.startswith("train ")]
        assert len(ticks.get_xdata()) == len({edge for phase in inner for edge in (phase.t0_ns, phase.t1_ns)})

    def test_a_counter_gives_power_where_the_sensor_gives_none(self):
        sensor = type(SENSOR)("pkg", "cpu_package", "counter", has_counter=True)
        header = Header("rapl", (sensor,), {}, 1.0, 0, 0)
        counters = tuple(CounterReading(k * 10**9, k * 10**9, "pkg", 40.0 * k) for k in range(5))
        data = power.power_data(SampleLog(header, (), counters, {}), ())
        assert list(data["power_w"]) == [40.0] * 4
        assert list(data["t_s"]) == [1, 2, 3, 4]

    def test_a_log_without_anything_is_drawn_empty(self):
        header = Header("nvml", (SENSOR,), {}, 0.1, 0, 0)
        figure = power.power_figure(SampleLog(header), (), "title")
        assert figure.axes[0].get_xlim() == (0, 1e-3)

    def test_each_cell_has_a_trace_or_the_reason(self, results):
        add_study(results, chips=("ascend910b", "cpu"), launches=1)
        drawn = draw(results, power)
        assert [type(item) for item in drawn] == [Illustration, Illustration, NotDrawn, NotDrawn]
        assert drawn[2].reason == "no sensor: rapl: no powercap tree"

    def test_a_damaged_log_is_named(self, results):
        folder = add_launch(results, "a100", "pytorch", 0, 0.5)
        (folder / "power.parquet").write_bytes(b"PAR1")
        assert one(results, power).reason.partition("power.parquet: ")[2].startswith("no power log that can be read")


class TestForecast:
    def test_truth_forecast_and_difference_are_maps(self, results):
        add_launch(results, "a100", "pytorch", 0, 0.5)
        item = one(results, forecast)
        kept = make_forecast()
        meshes = [
            mesh
            for axes in item.figure.axes
            for mesh in axes.collections
            if isinstance(mesh, collections.QuadMesh) and mesh.get_array().shape == (16, 32)
        ]
        assert len(meshes) == 9
        truth, predicted, difference = meshes[:3]
        assert np.array_equal(truth.get_array().filled(np.nan), kept.truth[0], equal_nan=True)
        assert np.array_equal(predicted.get_array().filled(np.nan), kept.forecast[0], equal_nan=True)
        assert truth.get_clim() == predicted.get_clim() == (np.nanmin(kept.truth[0]), np.nanmax(kept.truth[0]))
        low, high = difference.get_clim()
        assert low == -high
        assert high == pytest.approx(np.nanmax(np.abs(kept.forecast[0] - kept.truth[0])))

    def test_data_hold_every_point_with_its_units(self):
        data = forecast.forecast_data(make_forecast())
        assert len(data) == 3 * 16 * 32
        row = data[(data["channel"] == "t850") & (data["longitude"] == 0)].iloc[7]
        assert row["units"] == "K"
        assert row["truth"] == pytest.approx(260 + 15 * math.cos(math.radians(row["latitude"])), abs=1e-4)
        assert row["difference"] == pytest.approx(row["forecast"] - row["truth"], abs=1e-4)

    def test_a_launch_without_one_says_so(self, results):
        results.add(make_record())
        assert one(results, forecast).reason == "no launch of the cell kept a forecast (forecast.npz)"

    def test_a_damaged_one_is_named(self, results):
        folder = add_launch(results, "a100", "pytorch", 0, 0.5)
        (folder / "forecast.npz").write_bytes(b"PK")
        assert "forecast.npz: " in one(results, forecast).reason
