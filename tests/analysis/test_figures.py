import pandas as pd
import pytest
from made_records import (
    make_epoch,
    make_measurements,
    make_record,
    make_stage,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from reports import run

from harness.analysis.cells import load_results
from harness.analysis.figures import loss_data, loss_figure


class TestLossCurves:
    def add(self, results):
        for launch, loss in enumerate((1.0, 2.0, 6.0)):
            stages = (
                make_stage(make_epoch(loss=(loss, 3 * loss), validation_loss=10 * loss)),
                make_stage(make_epoch(loss=(0.1, 0.3), validation_loss=0.5), name="finetune"),
            )
            results.add(make_record("pytorch", launch, measurements=make_measurements(launch=launch, training=stages)))
            results.add(make_record("mindspore", launch))

    def test_median_and_range_over_launches(self, results):
        self.add(results)
        data = loss_data(load_results(results.path).groups())
        first, second = data[data["cell"] == "pytorch eager"].to_dict("records")
        assert (first["stage"], first["epoch"], first["launches"]) == ("pretrain", 1, 3)
        assert (first["training_loss_min"], first["training_loss_median"], first["training_loss_max"]) == (2, 4, 12)
        assert (first["validation_loss_median"], first["validation_loss_max"]) == (20, 60)
        assert (second["stage"], second["epoch"]) == ("finetune", 2)
        assert second["training_loss_median"] == pytest.approx(0.2)

    def test_nothing_is_clipped(self, results):
        self.add(results)
        figure = loss_figure(loss_data(load_results(results.path).groups()), "fourcastnet tiny, data rossby")
        figure.canvas.draw()
        canvas = figure.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        (axes,) = figure.axes
        texts = [axes.title, axes.xaxis.label, axes.yaxis.label, *figure.legends[0].get_texts()]
        for text in texts:
            box = text.get_window_extent(canvas.get_renderer())
            assert text.get_text()
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= figure.bbox.width
            assert box.y1 <= figure.bbox.height

    def test_training_is_solid_and_validation_dashed(self, results):
        self.add(results)
        figure = loss_figure(loss_data(load_results(results.path).groups()), "title")
        lines = {line.get_label(): line for line in figure.axes[0].lines}
        assert lines["pytorch eager, training (n = 3)"].get_linestyle() == "-"
        dashed = lines["pytorch eager, validation (n = 3)"]
        assert dashed.get_linestyle() == "--"
        assert list(dashed.get_ydata()) == [20, 0.5]
        assert dashed.get_color() != lines["mindspore compiled, training (n = 3)"].get_color()

    def test_files(self, results):
        self.add(results)
        run(results, figures=True)
        folder = results.path / "smoke" / "figures"
        stem = "loss-fourcastnet-tiny-rossby"
        assert (folder / f"{stem}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
        assert b"/Type3" not in (folder / f"{stem}.pdf").read_bytes()
        assert len(pd.read_csv(folder / f"{stem}.csv")) == 5
