"""Names in figures: whatever records hold is drawn as it is, and no cell, subject or file is taken for another."""

import io
import itertools
import re
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import pandas as pd
import pytest
from drawing import draw, one
from made_records import make_epoch, make_measurements, make_record, make_scenario, make_skill, make_stage
from made_study import add_launch, add_study

from harness.analysis.cells import load_results
from harness.analysis.figures import STYLE, illustrations, loss, power, skill, speed, write
from harness.analysis.figures.style import MARKERS, OKABE_ITO, looks
from harness.analysis.figures.subject import subjects


class TestTexts:
    def written(self, figure):
        """The texts of a figure as an SVG has them: formulas fall into pieces there."""
        content = io.BytesIO()
        with mpl.rc_context(STYLE | {"svg.fonttype": "none"}):
            figure.savefig(content, format="svg")
        texts = ElementTree.fromstring(content.getvalue()).iter("{http://www.w3.org/2000/svg}text")
        return [text.text for text in texts]

    def test_dollars_are_no_formulas(self, results):
        trained = (make_stage(make_epoch(), name="a $b_{c$"),) * 2
        scenario = make_scenario(model="$a_$", chip="$x$")
        measured = make_measurements(training=trained, skill=make_skill(1.0, variable="$u^2$"))
        results.add(make_record(scenario=scenario, measurements=measured))
        results.add_absent(model="$a_$", reason="no $HOME/x_$USER")
        (subject,) = subjects(load_results(results.path).groups())
        texts = [self.written(item.figure) for module in (speed, skill) for item in module.illustrate(subject)]
        assert {"$a_$ tiny, data rossby", "PyTorch eager, $x$", "no $HOME/x_$USER"} <= set(texts[0])
        assert "Time per epoch (a $b_{c$) (s)" in texts[0]
        assert {"$a_$ tiny, data rossby", "PyTorch eager, $x$", "RMSE of $u^2$ (m s⁻¹)"} <= set(texts[1])

    @pytest.mark.filterwarnings("error")
    def test_what_the_font_lacks_is_escaped_in_the_figure_alone(self, results, tmp_path):
        results.add(make_record(scenario=make_scenario(model="模型", chip="昇腾")))
        results.add_absent(model="模型", chip="µ-chip", reason="二\nlines")
        item = one(results, speed)
        texts = self.written(item.figure)
        assert {"\\u6a21\\u578b tiny, data rossby", "PyTorch eager, \\u6607\\u817e", "\\u4e8c lines"} <= set(texts)
        assert "MindSpore graph, µ-chip" in texts
        assert list(pd.read_csv(write(item, tmp_path)[2])["chip"]) == ["昇腾", "µ-chip"] * 2

    def test_a_logarithmic_loss_has_plain_numbers(self, results):
        stage = make_stage(make_epoch(loss=(20.0, 20.0)), make_epoch(loss=(0.1, 0.1)))
        results.add(make_record(measurements=make_measurements(training=(stage,))))
        texts = self.written(one(results, loss).figure)
        assert {"0.1", "0.2", "0.5", "1", "2", "5", "10", "20"} <= set(texts)


class TestLooks:
    def test_on_one_machine_a_colour_is_a_framework(self):
        first, second = looks(["cpu a", "cpu a"], ["pytorch eager", "mindspore graph"])
        assert (first.colour, second.colour) == OKABE_ITO[:2]
        assert first.line["linewidth"] > second.line["linewidth"]

    def test_on_several_a_colour_is_a_machine_and_a_marker_a_framework(self):
        found = looks(["a100 x", "a100 x", "ascend y", "ascend y"], ["pytorch", "mindspore"] * 2)
        assert [look.colour for look in found] == [OKABE_ITO[0]] * 2 + [OKABE_ITO[1]] * 2
        assert [look.marker for look in found] == [MARKERS[0], MARKERS[1]] * 2

    def test_sixteen_machines_look_different(self):
        found = looks([f"chip {k}" for k in range(16)], ["pytorch"] * 16)
        assert len({(look.colour, look.marker) for look in found}) == 16

    @pytest.mark.parametrize(("machines", "kinds"), [(1, 16), (1, 64), (2, 9), (3, 13), (10, 6)])
    def test_no_two_cells_look_alike(self, machines, kinds):
        cells = list(itertools.product([f"chip {k}" for k in range(machines)], range(kinds)))
        found = looks(*zip(*cells, strict=True))
        assert len({(look.colour, look.marker) for look in found}) == machines * kinds


class TestSubjects:
    def test_cells_of_several_chips_share_a_figure(self, results):
        add_study(results, launches=1)
        assert len(list(illustrations(load_results(results.path).groups(), (loss.illustrate,)))) == 1

    def test_twins_are_told_apart_by_their_batch_size(self, results):
        for size in (8, 16):
            add_launch(results, "cpu", "pytorch", 0, 0.5, batch_size=size)
        assert set(one(results, speed).data["cell"]) == {
            "pytorch eager, batch 8",
            "pytorch eager, batch 16",
        }

    def test_twins_that_differ_otherwise_have_the_name_of_the_tables(self, results):
        results.add(make_record(), make_record(scenario=make_scenario(seed=3)))
        keys = {cell.key.rsplit(".", 1)[-1] for cell in load_results(results.path).cells}
        assert set(one(results, speed).data["cell"]) == {f"pytorch eager {key}" for key in keys}

    def test_hosts_of_the_same_chip_are_told_apart(self, results):
        results.add(make_record(), make_record(host="bbbbccccdddd"))
        assert set(one(results, speed).data["cell"]) == {"pytorch eager, host aaaabb", "pytorch eager, host bbbbcc"}

    def test_hosts_that_begin_alike_are_told_apart(self, results):
        hosts = ("abcdef000000", "abcdef111111", "bbbbccccdddd")
        results.add(*(make_record(host=host) for host in hosts))
        data = one(results, loss).data
        assert dict(zip(data["host"], data["cell"], strict=True)) == {
            "abcdef000000": "pytorch eager, host abcdef000000",
            "abcdef111111": "pytorch eager, host abcdef111111",
            "bbbbccccdddd": "pytorch eager, host bbbbcc",
        }

    @pytest.mark.parametrize("others", [(("a", "b-c"), ("a-b", "c")), (("a b", "c"), ("a_b", "c"))])
    def test_no_figure_lies_on_another(self, results, tmp_path, others):
        for model, preset in (*others, ("fourcastnet", "tiny")):
            results.add(make_record(scenario=make_scenario(model=model, preset=preset)))
        items = illustrations(load_results(results.path).groups(), (loss.illustrate,))
        names = {write(item, tmp_path)[2].name for item in items}
        assert len(names) == 3
        assert "loss-fourcastnet-tiny-rossby.csv" in names
        assert sum(bool(re.fullmatch(r"loss-a[-_]b-c-rossby-[0-9a-f]{8}\.csv", name)) for name in names) == 2

    def test_chips_with_the_same_file_name_have_traces_of_their_own(self, results):
        for chip in ("a b", "a_b"):
            results.add(make_record(scenario=make_scenario(chip=chip)))
        names = [item.name for item in draw(results, power)]
        assert all(re.fullmatch(r"power-.*-pytorch eager, a[ _]b-[0-9a-f]{8}", name) for name in names)
        assert len({name[-8:] for name in names}) == 2
