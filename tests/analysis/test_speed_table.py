import numpy as np
import pytest
from made_records import (
    make_failure,
    make_measurements,
    make_record,
    make_scenario,
)
from reports import add_pair, read, run

from harness.scenario.schema import Stage, TrainingConfig

BATCH_16 = TrainingConfig(batch_size=16, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-3),))


class TestSpeed:
    def test_values_and_ratio(self, results):
        add_pair(results)
        run(results)
        speed, markdown = read(results, "speed")
        assert speed.loc["pytorch eager", "train_step_s"] == 0.51
        assert speed.loc["pytorch eager", "epoch_s"] == pytest.approx(2 * 0.51 + 0.2)
        assert speed.loc["pytorch eager", "inference_step_s"] == pytest.approx(0.051)
        assert speed.loc["pytorch eager", "process_rss_bytes"] == 512 * 2**20
        assert speed.loc["pytorch eager", "import_s"] == 1.0
        port = speed.loc["mindspore graph"]
        assert port["train_step_s_ratio"] == pytest.approx(1.5)
        assert port["train_step_s_ratio_low95"] == pytest.approx(1.5)
        assert port["epoch_s_ratio"] == pytest.approx((1.5 * 1.02 + 0.2) / 1.22)
        assert port["train_step_s_verdict"] == "slower"
        assert port["train_rate_samples_per_s_ratio"] < 1
        assert port["train_rate_samples_per_s_verdict"] == "slower"
        assert port["train_step_s_launches"] == 5
        assert "| train step, ms" in markdown
        assert "execution differs" in markdown

    def test_uncounted_memory_is_empty_and_has_its_reason(self, results):
        add_pair(results)
        output = run(results)
        speed, markdown = read(results, "speed")
        assert np.isnan(speed.loc["pytorch eager", "device_bytes"])
        assert speed.loc["pytorch eager", "device_bytes_missing"] == "the framework keeps no count"
        assert "the framework keeps no count" in markdown
        assert "keeps no count" in output

    def test_fewer_than_three_launches_are_marked(self, results):
        add_pair(results, launches=range(2))
        output = run(results)
        speed, markdown = read(results, "speed")
        assert np.isnan(speed.loc["pytorch eager", "epoch_s_low95"])
        assert speed.loc["mindspore graph", "epoch_s_verdict"] == "undecided"
        assert "1.220 *" in markdown
        assert "2 of the 3 launches that an interval needs" in output

    def test_unfair_pairs_are_refused_with_what_differs(self, results):
        scenario = make_scenario("mindspore", "graph", training=BATCH_16)
        for launch in range(3):
            results.add(make_record("pytorch", launch), make_record("mindspore", launch, scenario=scenario))
        output = run(results)
        speed, markdown = read(results, "speed")
        assert not any(speed.loc["mindspore graph", column] > 0 for column in speed if column.endswith("_ratio"))
        expected = "training.batch_size: 16 here, 8 in the baseline"
        assert speed.loc["mindspore graph", "refusal"] == expected
        assert f"Ratio refused for mindspore graph: {expected}" in markdown
        assert f"Ratio refused for mindspore graph: {expected}" in output
        assert "refused" in read(results, "skill")[1]

    def test_cells_that_did_not_run_are_rows_with_reasons(self, results):
        results.add(*[make_record("pytorch", launch) for launch in range(3)])
        results.add(make_failure("mindspore", 0, reason="killed | out of memory"))
        results.add_absent(execution="eager", reason="mindspore [cpu] not installed")
        output = run(results, width=200)
        speed, markdown = read(results, "speed")
        assert speed.loc["mindspore graph", "launches"] == 0
        assert speed.loc["mindspore graph", "reason"] == "did not run: out of memory: killed | out of memory"
        assert speed.loc["mindspore eager", "reason"] == "did not run: mindspore [cpu] not installed"
        assert "did not run: mindspore [cpu] not installed" in output
        assert "killed \\| out of memory" in markdown
        assert "did not run: mindspore [cpu] not installed" in read(results, "energy")[1]

    def test_a_launch_that_failed_is_told_and_leaves_the_pairs(self, results):
        add_pair(results, launches=range(4))
        results.add(make_record("pytorch", 4), make_failure("mindspore", 4, reason="killed by signal 9"))
        output = run(results, width=200)
        speed, _ = read(results, "speed")
        assert speed.loc["mindspore graph", "epoch_s_ratio_pairs"] == 4
        assert "mindspore graph, launch 4 out of memory: killed by signal 9" in output
        assert "no ratio from launch 4" in output

    def test_hosts_have_tables_of_their_own(self, results):
        for host in ("a" * 12, "b" * 12):
            results.add(*[make_record(name, n, host=host) for name in ("pytorch", "mindspore") for n in range(3)])
        run(results)
        speed, markdown = read(results, "speed")
        assert sorted(speed["host"]) == ["a" * 12] * 2 + ["b" * 12] * 2
        assert markdown.count("\n## fourcastnet tiny") == 2

    def test_another_chip_as_baseline(self, results):
        a100 = make_scenario(chip="a100", device="cuda")
        for launch in range(3):
            fast = make_measurements(launch=launch, step_s=0.05)
            results.add(
                make_record("pytorch", launch),
                make_record("pytorch", launch, scenario=a100, host="b" * 12, measurements=fast),
            )
        run(results, baseline="a100/pytorch")
        speed, markdown = read(results, "speed")
        assert list(speed.index) == ["a100 pytorch eager", "cpu pytorch eager"]
        assert speed.loc["cpu pytorch eager", "train_step_s_ratio"] == pytest.approx(10.0)
        assert speed.loc["cpu pytorch eager", "baseline"] == "a100/pytorch eager"
        assert markdown.count("\n## ") == 1
        hosts = f"hosts aaaabbbbcccc, {'b' * 12}"
        assert f"chips a100, cpu, data rossby, {hosts}; fp32; baseline a100 pytorch eager" in markdown

    def test_chips_that_ran_other_settings_are_refused_with_what_differs(self, results):
        a100 = make_scenario(chip="a100", device="cuda", training=BATCH_16)
        for launch in range(3):
            results.add(make_record("pytorch", launch), make_record("pytorch", launch, scenario=a100, host="b" * 12))
        output = run(results, baseline="a100/pytorch", width=200)
        expected = "Ratio refused for cpu pytorch eager: training.batch_size: 8 here, 16 in the baseline"
        assert expected in output
        assert expected in read(results, "speed")[1]

    def test_a_chip_on_two_hosts_keeps_two_rows(self, results):
        for host in ("a" * 12, "b" * 12):
            results.add(*[make_record("pytorch", launch, host=host) for launch in range(3)])
        run(results, baseline="cpu/pytorch")
        assert list(read(results, "speed")[0].index) == [f"cpu pytorch eager on {host * 12}" for host in "ab"]

    def test_another_host_as_baseline(self, results):
        """Both hosts in one table, each cell beside that of host B: 0.5 s over 0.25 s."""
        for launch in range(3):
            for host, step_s in (("a" * 12, 0.5), ("b" * 12, 0.25)):
                measured = make_measurements(launch=launch, step_s=step_s)
                results.add(make_record("pytorch", launch, host=host, measurements=measured))
        run(results, baseline="bbbb:cpu/pytorch")
        speed, markdown = read(results, "speed")
        here, there = (f"cpu pytorch eager on {host * 12}" for host in "ab")
        assert speed.loc[here, "train_step_s_ratio"] == pytest.approx(2.0)
        assert speed.loc[here, "refusal"] != speed.loc[here, "refusal"]
        assert np.isnan(speed.loc[there, "train_step_s_ratio"])
        assert f"baseline {there}" in markdown
        assert markdown.count("\n## ") == 1

    def test_what_tells_cells_of_one_label_apart_is_named(self, results):
        faster = TrainingConfig(batch_size=8, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-2),))
        scenarios = [make_scenario(), make_scenario(training=faster), make_scenario(training=BATCH_16, seed=7)]
        for order, scenario in enumerate(scenarios):
            results.add(make_record("pytorch", 0, scenario=scenario, order=order), make_record("mindspore", order))
        run(results)
        first, second, third = (f"pytorch eager {scenario.cell[-8:]}" for scenario in scenarios)
        for name in ("speed", "skill", "energy"):
            lines = [line for line in read(results, name)[1].splitlines() if f"beside {first}" in line]
            assert lines == [
                f"- {second} beside {first}: training.stages[0].learning_rate 0.01, not 0.001",
                f"- {third} beside {first}: seed 7, not 100; training.batch_size 16, not 8",
            ]
            assert "mindspore graph beside" not in read(results, name)[1]

    def test_records_of_the_same_settings_stand_in_one_row_whatever_their_cell_was_called(self, results):
        key = make_scenario().cell
        results.add(make_record("pytorch", 0), make_record("pytorch", 1, cell=f"{key[:-8]}00000000", order=1))
        run(results)
        frame, markdown = read(results, "speed")
        assert "beside" not in markdown
        assert [*frame["launches"]] == [2]
