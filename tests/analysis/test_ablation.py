"""The ablation table and the waterfall of a ladder, on numbers made by hand."""

import io

import numpy as np
import pandas as pd
import pytest
from drawn_text import clipped, drawn_texts
from made_executions import add_cell, cells_of, group_of
from made_records import (
    make_certificate,
    make_epoch,
    make_failure,
    make_measurements,
    make_record,
    make_scenario,
    make_skill,
    make_stage,
    make_window,
)
from pages import Page
from reports import frame_of, run
from rich.console import Console
from scipy import stats

from harness.analysis.comparison.ablation import ladders, studies
from harness.analysis.comparison.effects import result_of
from harness.analysis.figures import ladder
from harness.analysis.figures.subject import FigureSubject
from harness.analysis.figures.writing import write
from harness.analysis.html_report import write_report
from harness.analysis.tables.ablation import ablation_table
from harness.analysis.tables.files import write_table
from harness.analysis.tables.table import print_table
from harness.frameworks.base import Compile
from harness.results.record import Energy, Memory, Phase, PhaseEnergy
from harness.scenario.execution import EAGER, GRAPH, Compilation, Execution, Loading, Precision, Recompute
from harness.scenario.scenario import Absent, Variant

BF16 = Execution(precision=Precision(autocast="bf16"))
BLOCKS = Execution(recompute=Recompute(unit="blocks"))
GRAPH_BF16 = Execution(compilation=Compilation(mode="graph"), precision=Precision(autocast="bf16"))
NOISE = np.array([0.0, 0.01, -0.012, 0.004, 0.007])
OTHER_NOISE = np.array([0.003, -0.006, 0.01, 0.0, -0.004])
MIB = 2**20


def made(step_s, *, rmse=1.0, memory_mib=500, joules=None, noise=NOISE, spread=0.001):
    """Launches whose steps take `step_s`, with an epoch of 0.2 s more than two steps, a little more or less."""

    def of(launch):
        phases = (Phase(name="train pretrain 1", t0_ns=0, t1_ns=1, steps=2, samples=16),)
        skill = make_skill(rmse * (1 + spread * noise[launch]))
        found = make_measurements(launch=launch, step_s=step_s * (1 + noise[launch]), skill=skill, phases=phases)
        memory = Memory(process_rss_bytes=memory_mib * MIB, device_bytes=None)
        record = {"measurements": found.model_copy(update={"memory": memory})}
        if joules is not None:
            window = make_window(joules, 10.0, peak_power_w=9.0)
            entry = PhaseEnergy(phase="train pretrain 1", window=window, net_energy_j=None)
            record["energy"] = Energy(collector="nvml", reason=None, phases=(entry,))
        return record

    return of


def add(results, name, made_, **changes):
    add_cell(results, name, launches=range(5), made=made_, **changes)


def built(cells, absent=(), certificates=()):
    return ablation_table("smoke", [group_of(cells, absent)], {}, certificates)


def rows_of(table):
    return frame_of(table).set_index(["design", "step"])


class TestOneAtATime:
    @pytest.fixture
    def cells(self, results):
        add(results, "base", made(0.5, joules=160.0))
        add(results, "graph", made(0.25, joules=80.0, noise=OTHER_NOISE), execution=GRAPH)
        add(results, "bf16", made(0.1, rmse=1.2, joules=16.0), execution=BF16)
        add(results, "blocks", made(0.6, memory_mib=250, joules=160.0), execution=BLOCKS)
        return cells_of(results)

    def test_a_row_for_each_value_of_an_axis(self, cells):
        table = built(cells)
        (section,) = table.sections
        assert [row[0] for row in section.texts] == ["graph", "bf16", "recompute blocks"]
        assert list(rows_of(table)["axes"]) == ["compilation", "precision.autocast", "recompute"]
        assert section.title.endswith("base pytorch eager")

    def test_ratios_are_paired_and_have_the_intervals_of_students_t_on_logarithms(self, cells):
        row = rows_of(built(cells)).loc[("one at a time", "graph")]
        ratios = np.log(0.25 * (1 + OTHER_NOISE) / (0.5 * (1 + NOISE)))
        low, high = np.exp(stats.t.interval(0.95, 4, loc=ratios.mean(), scale=stats.sem(ratios)))
        expected = np.median(0.25 * (1 + OTHER_NOISE)) / np.median(0.5 * (1 + NOISE))
        assert row["train_step_ratio"] == pytest.approx(expected)
        assert row["train_step_ratio_low95"] == pytest.approx(min(low, expected))
        assert row["train_step_ratio_high95"] == pytest.approx(max(high, expected))
        assert row["train_step_ratio_pairs"] == 5
        epochs = (2 * 0.25 * (1 + OTHER_NOISE) + 0.2, 2 * 0.5 * (1 + NOISE) + 0.2)
        assert row["epoch_ratio"] == pytest.approx(np.median(epochs[0]) / np.median(epochs[1]))
        assert row["energy_per_training_sample_ratio"] == pytest.approx(0.5)
        assert row["first_train_step_ratio"] == pytest.approx(1.0)

    def test_memory_and_energy_are_called_less_or_more(self, cells):
        table = rows_of(built(cells))
        blocks = table.loc[("one at a time", "recompute blocks")]
        assert blocks["peak_process_memory_ratio"] == pytest.approx(0.5)
        assert blocks["brings"] == "less: peak process memory; slower: epoch, train step, infer step"
        expected = "faster: epoch, train step, infer step; less: energy per training sample"
        assert table.loc[("one at a time", "graph"), "brings"] == expected

    def test_nothing_that_fails_equivalence_is_a_gain_however_fast(self, cells):
        table = built(cells)
        row = rows_of(table).loc[("one at a time", "bf16")]
        assert row["train_step_ratio"] == pytest.approx(0.2)
        assert row["skill"] == "not equivalent"
        assert row["rmse_change_fraction"] == pytest.approx(0.2, abs=1e-4)
        assert row["brings"] == "no gain is claimed: skill not equivalent"
        shown = " ".join(" ".join(row) for row in table.sections[0].texts if row[0] == "bf16")
        assert not {"faster", "less"} & set(shown.replace(":", "").split())

    def test_every_format_has_every_row_and_number(self, cells, tmp_path):
        table = built(cells)
        paths = write_table(table, (), tmp_path)
        assert [path.name for path in paths] == [f"ablation.{ending}" for ending in ("md", "csv", "tex", "html")]
        console = Console(file=io.StringIO(), width=300)
        print_table(table, console)
        texts = [path.read_text() for path in paths if path.suffix != ".csv"] + [console.file.getvalue()]
        for text in texts:
            assert "no gain is claimed: skill not equivalent" in text
            assert "0.500" in text
            assert "bf16" in text
        assert len(pd.read_csv(tmp_path / "ablation.csv")) == 3


@pytest.mark.parametrize(
    ("rmse", "spread", "skill"),
    [
        (1.0, 0.001, "equivalent"),
        (1.05, 3.0, "undecided"),
        (1.2, 0.001, "not equivalent"),
        (np.inf, 0.0, "not equivalent"),
    ],
)
def test_skill_decides_what_may_be_claimed(results, rmse, spread, skill):
    add(results, "base", made(0.5))
    add(results, "graph", made(0.25, rmse=rmse, spread=spread, noise=OTHER_NOISE), execution=GRAPH)
    cells = cells_of(results)
    (study,) = studies(group_of(cells), ())
    found = result_of(study.steps[0])
    assert found.skill.verdict == skill
    assert bool(found.gains) == (skill == "equivalent")


def test_two_launches_claim_nothing(results):
    add_cell(results, "base", launches=range(2), made=made(0.5))
    add_cell(results, "graph", execution=GRAPH, launches=range(2), made=made(0.25))
    row = rows_of(built(cells_of(results))).iloc[0]
    assert row["brings"] == "no gain is claimed: skill undecided"
    assert pd.isna(row["train_step_ratio_low95"])


def test_without_scores_nothing_is_claimed(results):
    def unscored(launch):
        found = made(0.25)(launch)
        return found | {"measurements": found["measurements"].model_copy(update={"skill": None})}

    add(results, "base", made(0.5))
    add(results, "graph", unscored, execution=GRAPH)
    row = rows_of(built(cells_of(results))).iloc[0]
    assert (row["skill"], row["brings"]) == ("not scored", "no gain is claimed: skill not scored")


def test_cells_that_differ_in_more_than_their_execution_are_of_no_study(results):
    add(results, "base", made(0.5))
    add(results, "graph", made(0.25), execution=GRAPH, seed=5)
    assert built(cells_of(results)).sections == ()


def test_what_else_differs_is_a_refusal_that_names_it(results):
    described = make_measurements().framework.model_copy(update={"version": "3.0"})

    def newer(launch):
        found = made(0.25)(launch)
        return found | {"measurements": found["measurements"].model_copy(update={"framework": described})}

    add(results, "base", made(0.5))
    add(results, "graph", newer, execution=GRAPH)
    row = rows_of(built(cells_of(results))).iloc[0]
    assert row["brings"] == "refused"
    assert row["refusal"] == "version of the framework: 3.0 (cpu) here, 2.9 (cpu) in the baseline"
    assert "train_step_ratio" not in row.dropna().index


def test_what_did_not_run_is_a_row_with_its_reason(results):
    add(results, "base", made(0.5))
    add(results, "graph", made(0.25), execution=GRAPH)
    scenario = make_scenario(execution=BLOCKS)
    results.add(make_failure("pytorch", 0, scenario=scenario, attempt="blocks.0", reason="killed", order=999))
    absent = Absent(
        model="fourcastnet",
        preset="tiny",
        framework="pytorch",
        execution=GRAPH,
        chip="cpu",
        data_name="rossby",
        reason="no compiler [here]",
    )
    cells = cells_of(results)
    brings = rows_of(built({name: cells[name] for name in ("base", "blocks", "graph")}, (absent,)))["brings"]
    assert list(brings[("one at a time", "recompute blocks")]) == ["did not run: out of memory: killed"]
    assert "did not run: no compiler [here]" in list(brings[("one at a time", "graph")])


def test_parity_is_that_of_the_execution(results):
    add(results, "base", made(0.5), framework="mindspore")
    add(results, "graph", made(0.25), framework="mindspore", execution=GRAPH)
    cells = cells_of(results)
    assert not rows_of(built(cells)).iloc[0]["parity_certified"]
    both = [make_certificate().model_copy(update={"execution": cell.scenario.execution}) for cell in cells.values()]
    assert rows_of(built(cells, certificates=both)).iloc[0]["parity_certified"]


class TestLadder:
    """PyTorch 0.5 s, MindSpore 1.0 s, in a graph 0.4 s, in bf16 0.2 s with other scores."""

    @pytest.fixture
    def cells(self, results):
        add(results, "a", made(0.5))
        add(results, "b", made(1.0), framework="mindspore")
        add(results, "c", made(0.4), framework="mindspore", execution=GRAPH)
        add(results, "d", made(0.2, rmse=1.2), framework="mindspore", execution=GRAPH_BF16)
        return cells_of(results)

    def test_each_rung_beside_the_one_below_and_the_first(self, cells):
        table = rows_of(built(cells))
        rungs, whole = table.loc["rung"], table.loc["whole ladder"]
        assert list(rungs.index) == ["mindspore", "graph", "bf16"]
        assert list(rungs["train_step_ratio"]) == pytest.approx([2.0, 0.4, 0.5])
        assert list(whole["train_step_ratio"]) == pytest.approx([2.0, 0.8, 0.4])
        assert list(rungs["skill"]) == ["equivalent", "equivalent", "not equivalent"]
        assert whole["brings"].iloc[2] == "no gain is claimed: skill not equivalent"
        assert list(rungs["refusal"].fillna("")) == ["", "", ""]

    def test_what_a_suite_made_by_axes_is_compared_with_its_base_and_climbs_nothing(self, results):
        ways = {"base": GRAPH, "eager": EAGER, "bf16": GRAPH_BF16}
        for position, (name, execution) in enumerate(ways.items()):
            variant = Variant(design="one_at_a_time", position=position, name=name)
            add(results, name, made(0.5 + position), framework="mindspore", execution=execution, variant=variant)
        add(results, "other", made(0.5), variant=Variant(design="one_at_a_time", position=0, name="base"))
        table = built(cells_of(results))
        assert [section.title.rpartition("; ")[2] for section in table.sections] == ["base mindspore graph"]
        assert list(rows_of(table).loc["one at a time"].index) == ["eager", "bf16"]
        assert list(rows_of(table)["train_step_ratio"]) == pytest.approx([3.0, 5.0])

    def test_values_of_one_axis_beside_a_base_are_no_ladder(self, results):
        for name, execution in {"base": EAGER, "graph": GRAPH, "bf16": BF16}.items():
            add(results, name, made(0.5), execution=execution)
        cells = cells_of(results)
        assert ladders(group_of(cells), ()) == ()

    @pytest.fixture
    def drawn(self, cells):
        (item,) = ladder.illustrate(FigureSubject("fourcastnet", "tiny", "rossby", (group_of(cells),), "made"))
        return item

    def test_the_waterfall_holds_every_rung_and_no_false_gain(self, drawn):
        steps = drawn.data[drawn.data["quantity"] == "train step"]
        assert list(steps["median"]) == pytest.approx([0.5 * 1.004, 1.004, 0.4 * 1.004, 0.2 * 1.004])
        assert list(steps["ratio"])[1:] == pytest.approx([2.0, 0.4, 0.5])
        assert list(steps["brings"]) == ["first rung", "loss", "gain", "skill not shown to be equivalent"]

    def test_bars_float_from_the_value_below_to_their_own(self, drawn):
        panel = next(axes for axes in drawn.figure.axes if axes.get_xlabel().startswith("Train step"))
        bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in panel.patches]
        s = 1.004
        expected = [(0, 0.5 * s), (0.5 * s, 1.0 * s), (0.4 * s, 1.0 * s), (0.2 * s, 0.4 * s)]
        assert np.array(bars) == pytest.approx(np.array(expected))
        assert panel.patches[3].get_hatch()
        assert not panel.patches[2].get_hatch()

    def test_all_that_is_drawn_can_be_read_and_is_written(self, drawn, tmp_path):
        texts = [text for text, _ in drawn_texts(drawn.figure)]
        assert {"PyTorch eager", "MindSpore", "graph", "bf16", "x 0.4000"} <= set(texts)
        assert clipped(drawn.figure, drawn_texts(drawn.figure)) == []
        assert all(path.stat().st_size for path in write(drawn, tmp_path))


def test_a_refused_rung_and_one_without_scores_have_words_and_looks_of_their_own(results):
    described = make_measurements().framework.model_copy(update={"version": "3.0"})

    def newer(step_s, **changes):
        def of(launch):
            found = made(step_s)(launch)["measurements"]
            return {"measurements": found.model_copy(update={"framework": described, **changes})}

        return of

    add(results, "a", made(0.5))
    add(results, "b", newer(0.4), execution=GRAPH)
    add(results, "c", newer(0.3), execution=GRAPH_BF16)
    prefetch = GRAPH_BF16.model_copy(update={"loading": Loading(prefetch=2)})
    add(results, "d", newer(0.2, skill=None), execution=prefetch)
    subject = FigureSubject("fourcastnet", "tiny", "rossby", (group_of(cells_of(results)),), "made")
    (item,) = ladder.illustrate(subject)
    steps = item.data[item.data["quantity"] == "train step"]
    assert list(steps["brings"]) == ["first rung", "comparison refused", "gain", "not scored"]
    panel = next(axes for axes in item.figure.axes if axes.get_xlabel().startswith("Train step"))
    hatches = [bar.get_hatch() for bar in panel.patches]
    assert len(set(hatches)) == 3
    assert hatches[0] == hatches[2]
    assert {"comparison refused", "not scored"} <= {text for text, _ in drawn_texts(item.figure)}
    assert clipped(item.figure, drawn_texts(item.figure)) == []


def compiled(step_s, compile_s):
    """Launches whose first step is `compile_s` longer than the others, for a graph that is compiled in it."""

    def of(launch):
        first = make_epoch(step_s=(step_s + compile_s, step_s)).model_copy(update={"first_calls": (0,)})
        later = [make_epoch(step_s=(step_s, step_s))] * 2
        compiles = (Compile(what="train_step", shape="8", s=step_s + compile_s, warm=False),)
        found = make_measurements(launch=launch, training=(make_stage(first, *later),), compiles=compiles)
        return {"measurements": found}

    return of


def test_compiling_is_compared_where_both_measured_it_and_the_first_step_elsewhere(results):
    o1 = Execution(compilation=Compilation(mode="graph", level="O1"))
    add(results, "eager", made(0.5))
    add(results, "graph", compiled(0.5, 4.0), execution=GRAPH)
    add(results, "O1", compiled(0.5, 12.0), execution=o1)
    cells = cells_of(results)
    row = rows_of(built({name: cells[name] for name in ("graph", "O1")})).loc[("one at a time", "O1")]
    assert row["compiling_in_training_ratio"] == pytest.approx(3.0)
    assert "first_train_step_ratio" not in row.dropna().index
    row = rows_of(built({name: cells[name] for name in ("eager", "graph")})).loc[("one at a time", "graph")]
    assert row["first_train_step_ratio"] == pytest.approx(4.5 / 9.0)
    assert "compiling_in_training_ratio" not in row.index


class TestWithoutASecondCell:
    def absent(self, execution, reason="no compiler"):
        cell = {"model": "fourcastnet", "preset": "tiny", "chip": "cpu", "data_name": "rossby"}
        return Absent(**cell, framework="pytorch", execution=execution, reason=reason)

    def test_the_only_variant_failed(self, results):
        add_cell(results, "base")
        scenario = make_scenario(execution=GRAPH)
        results.add(make_failure("pytorch", 0, scenario=scenario, attempt="graph.0", reason="killed", order=999))
        (row,) = rows_of(built(cells_of(results)))["brings"]
        assert row == "did not run: out of memory: killed"

    def test_the_only_variant_is_absent(self, results):
        add_cell(results, "base")
        table = built(cells_of(results), (self.absent(GRAPH),))
        assert list(rows_of(table)["brings"]) == ["did not run: no compiler"]

    def test_a_base_that_did_not_run_has_no_table(self, results):
        results.add(make_failure("pytorch", 0, attempt="base.0"))
        assert built(cells_of(results), (self.absent(GRAPH),)).sections == ()

    def test_what_is_absent_stands_once_beside_the_base_that_it_differs_from_least(self, results):
        add_cell(results, "plain", seed=1)
        add_cell(results, "bf16", seed=2, execution=BF16)
        found = studies(group_of(cells_of(results), (self.absent(GRAPH_BF16), self.absent(GRAPH))), ())
        said = {study.base.scenario.seed: [step.name for step in study.steps] for study in found}
        assert said == {1: ["graph"], 2: ["graph"]}


def test_tables_figures_and_the_report_show_an_ablation_where_there_is_one_and_not_else(results):
    for launch in range(5):
        for execution, step_s in (("eager", 0.5), ("graph", 0.25)):
            scenario = make_scenario("pytorch", execution)
            attempt = f"{execution}{launch}"
            results.add(make_record("pytorch", launch, scenario=scenario, attempt=attempt, **made(step_s)(launch)))
        results.add(make_record("mindspore", launch))
    run(results)
    written = {path.name for path in (results.path / "smoke" / "tables").iterdir()}
    assert {"ablation.csv", "ablation.tex"} <= written
    write_report(results.path, suite=None, baseline=None, output=None, console=Console(file=io.StringIO()))
    page = Page((results.path / "report.html").read_text())
    table = page.table("One at a time: fourcastnet tiny")
    brings = table.rows[0][-1]
    assert brings[0] == "faster: epoch, train step, infer step"
    cells = {each.within[-1]: each.caption for each in page.tables if each.within}
    number = table.rows[0][table.columns.index("train step")]
    assert "graph" in cells[number[1][1:]]
