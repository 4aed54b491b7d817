import numpy as np
import pandas as pd
import pytest
from made_records import (
    make_epoch,
    make_failure,
    make_measurements,
    make_record,
    make_skill,
    make_stage,
    make_window,
)
from reports import add_pair, read, run

from harness.analysis.number_format import MISSING
from harness.results.record import Energy, Idle, Phase, PhaseEnergy


class TestSkill:
    def add(self, results, deviations, persistence=2.0):
        for launch, deviation in enumerate(deviations):
            rmse = 1.0 + 0.1 * launch
            for framework, factor in (("pytorch", 1.0), ("mindspore", 1.0 + deviation)):
                skill = make_skill(rmse * factor, persistence=persistence)
                results.add(make_record(framework, launch, measurements=make_measurements(launch=launch, skill=skill)))

    def test_deviation_and_equivalence(self, results):
        self.add(results, (0.01, 0.02, 0.03, 0.02, 0.02))
        output = run(results)
        skill, markdown = read(results, "skill")
        model = skill[skill["forecaster"] == "model"]
        assert model.loc["pytorch eager", "rmse"] == pytest.approx(1.2)
        assert model.loc["mindspore compiled", "rmse_deviation_fraction"] == pytest.approx(0.02)
        assert model.loc["mindspore compiled", "rmse_deviation_high90_fraction"] == pytest.approx(0.026742, abs=1e-5)
        assert model.loc["mindspore compiled", "rmse_equivalence"] == "equivalent"
        assert "+2.0 [+1.3, +2.7]" in markdown
        assert "beats persistence in every launch at 1 of 1" in output
        assert "Weights: area. RMSE: pooled. ACC: uncentred." in markdown

    def test_references_stand_beside(self, results):
        self.add(results, (0.0,) * 3)
        run(results)
        skill, markdown = read(results, "skill")
        references = skill.loc["pytorch eager"].set_index("forecaster")["rmse"]
        assert (references["persistence"], references["climatology"]) == (2.0, 3.0)
        acc = skill.loc["pytorch eager"].set_index("forecaster")["acc"]
        assert acc["persistence"] == 0.7
        assert np.isnan(acc["climatology"])
        assert "persistence | climatology" in " ".join(markdown.split())

    @pytest.mark.parametrize(("persistence", "expected"), [(2.0, "yes"), (1.05, "1 of 3"), (0.5, "no")])
    def test_whether_the_model_beats_persistence(self, results, persistence, expected):
        self.add(results, (0.0,) * 3, persistence=persistence)
        run(results)
        skill, markdown = read(results, "skill")
        better = {"yes": 3, "1 of 3": 1, "no": 0}[expected]
        assert skill.loc["pytorch eager", "launches_better_than_persistence"].iloc[0] == better
        row = next(line for line in markdown.splitlines() if line.startswith("| u, m/s"))
        assert row.split("|")[-2].strip() == expected

    def test_other_definitions_are_not_compared(self, results):
        for launch in range(3):
            other = make_skill(1.0).model_copy(update={"weights": "fourcastnet"})
            measured = make_measurements(launch=launch, skill=other)
            results.add(make_record("pytorch", launch), make_record("mindspore", launch, measurements=measured))
        run(results)
        skill, markdown = read(results, "skill")
        assert skill.loc["mindspore compiled", "rmse_deviation_fraction"].isna().all()
        assert "the skill is defined differently" in markdown

    def test_no_scores(self, results):
        results.add(make_record("pytorch", 0, measurements=make_measurements(skill=None)))
        assert "no launch was scored" in run(results)
        skill, _ = read(results, "skill")
        assert list(skill["reason"]) == ["no launch was scored"]
        results.add(make_record("mindspore", 0))
        run(results)
        assert list(read(results, "skill")[0].columns) == list(skill.columns)

    @pytest.mark.parametrize("skill", [make_skill(1.0), None])
    def test_cells_without_scores_are_named_with_reasons(self, results, skill):
        for launch in range(3):
            results.add(make_record("pytorch", launch, measurements=make_measurements(launch=launch, skill=skill)))
        results.add(make_failure("mindspore", 0, reason="killed by node 7"))
        results.add_absent(execution="eager", reason="mindspore not installed")
        expected = {
            "mindspore compiled": "did not run: out of memory: killed by node 7",
            "mindspore eager": "did not run: mindspore not installed",
        }
        output = run(results, width=200)
        table, markdown = read(results, "skill")
        for label, reason in expected.items():
            assert table.loc[label, "reason"] == reason
            assert table.loc[label, "launches"] == 0
            assert np.isnan(table.loc[label, "rmse"])
            for text in (markdown, output, *self.files(results, "tex", "html")):
                assert label in text
                assert reason in text

    def files(self, results, *suffixes):
        return [(results.path / "smoke" / "tables" / f"skill.{suffix}").read_text() for suffix in suffixes]

    def test_what_was_not_scored_beats_nothing(self, results):
        for launch in range(3):
            for framework, variable in (("pytorch", "u"), ("mindspore", "w")):
                skill = make_skill(1.0, variable=variable)
                results.add(make_record(framework, launch, measurements=make_measurements(launch=launch, skill=skill)))
        run(results)
        skill, markdown = read(results, "skill")
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines()]
        rmse = {row[0]: row[2:] for row in rows if row and row[0].endswith(", m/s")}
        scored = "1.000 [1.000, 1.000]"
        answers = (
            f"mindspore compiled: yes, pytorch eager: {MISSING}",
            f"mindspore compiled: {MISSING}, pytorch eager: yes",
        )
        assert rmse["w, m/s"] == [scored, MISSING, "2.000", "3.000", answers[0]]
        assert rmse["u, m/s"] == [MISSING, scored, "2.000", "3.000", answers[1]]
        assert markdown.count("at 1 of 1 variables and lead times") == 4
        assert "differs from that shown" not in markdown
        model = skill[skill["forecaster"] == "model"].set_index("variable", append=True)
        better = model["launches_better_than_persistence"]
        assert better["pytorch eager", "u"] == 3
        assert np.isnan(better["pytorch eager", "w"])
        assert model.loc[("pytorch eager", "w"), "reason"] == "not scored"

    def test_a_variable_that_only_later_launches_scored_is_shown(self, results):
        for launch, variables in enumerate(("u", "uw", "uw")):
            scores = [make_skill(1.0, variable=variable).scores for variable in variables]
            skill = make_skill(1.0).model_copy(update={"scores": sum(scores, ())})
            results.add(make_record("pytorch", launch, measurements=make_measurements(launch=launch, skill=skill)))
        run(results)
        skill, _ = read(results, "skill")
        model = skill[skill["forecaster"] == "model"].set_index("variable")
        assert (model.loc["u", "launches"], model.loc["w", "launches"]) == (3, 2)

    @pytest.mark.parametrize("reference", ["persistence", "climatology"])
    def test_other_references_are_named(self, results, reference):
        for framework, changes in (("pytorch", {reference: 5.5}), ("mindspore", {})):
            measured = make_measurements(skill=make_skill(1.0, **changes))
            results.add(make_record(framework, 0, measurements=measured))
        run(results)
        expected = f"{reference.capitalize()} of pytorch eager differs from that shown, of mindspore compiled"
        lines = [line for line in read(results, "skill")[1].splitlines() if "differs from that shown" in line]
        assert lines == [f"- {expected}: other data."]


class TestEnergy:
    def test_no_sensor_is_a_reason_and_never_0(self, results):
        add_pair(results, launches=range(3))
        run(results)
        energy, markdown = read(results, "energy")
        assert set(energy["reason"]) == {"no sensor: rapl: no powercap tree"}
        assert not [name for name in energy if "_j" in name or name.endswith("_w")]
        assert "no sensor: rapl: no powercap tree" in markdown

    def test_valid_and_invalid_windows(self, results):
        for launch in range(3):
            windows = [
                make_window(100.0 + launch, duration_s=10.0, peak_power_w=20.0 + launch),
                make_window(9.0, duration_s=1.0, reasons=["window of 1 s is too short"]),
            ]
            names = ("train pretrain 0", "inference")
            phases = tuple(Phase(name=name, t0_ns=0, t1_ns=1, steps=2, samples=8) for name in names)
            entries = tuple(
                PhaseEnergy(phase=name, window=window, net_energy_j=window.energy_j - 40)
                for name, window in zip(names, windows, strict=True)
            )
            measured = make_measurements(launch=launch, phases=phases, training=(make_stage(make_epoch()),))
            energy = Energy(collector="nvml", reason=None, phases=entries)
            results.add(make_record("pytorch", launch, measurements=measured, energy=energy))
        run(results)
        energy, markdown = read(results, "energy")
        by_activity = energy.set_index("activity")
        assert by_activity.loc["training pretrain", "energy_j"] == 101.0
        assert by_activity.loc["training pretrain", "mean_power_w"] == pytest.approx(10.1)
        assert by_activity.loc["training pretrain", "peak_power_w"] == 21.0
        assert by_activity.loc["training pretrain", "net_energy_j"] == 61.0
        assert by_activity.loc["training pretrain", "sample_energy_j"] == pytest.approx(101 / 8)
        assert by_activity.loc["training pretrain", "samples_per_j"] == pytest.approx(8 / 101)
        assert np.isnan(by_activity.loc["inference", "energy_j"])
        assert by_activity.loc["inference", "reason"] == "window of 1 s is too short"
        assert "window of 1 s is too short" in markdown

    def add_pair(self, results, joules, scopes=("card", "card")):
        """Five launches of each framework whose inference windows hold `joules`, a percent more each launch."""
        for launch in range(5):
            for name, energy_j, scope in zip(("pytorch", "mindspore"), joules, scopes, strict=True):
                window = make_window(
                    energy_j * (1 + 0.01 * launch), duration_s=10.0, peak_power_w=30.0, scopes=(scope,)
                )
                phases = (Phase(name="inference", t0_ns=0, t1_ns=1, steps=4, samples=8),)
                entry = PhaseEnergy(phase="inference", window=window, net_energy_j=window.energy_j / 2)
                results.add(
                    make_record(
                        name,
                        launch,
                        measurements=make_measurements(launch=launch, phases=phases),
                        energy=Energy(collector="nvml", reason=None, phases=(entry,)),
                    )
                )

    def test_ratio_to_the_baseline_and_verdict(self, results):
        self.add_pair(results, (100.0, 130.0))
        results.certify()
        run(results, width=200)
        energy, markdown = read(results, "energy")
        port = energy.loc["mindspore compiled"]
        assert port["energy_j"] == pytest.approx(1.02 * 130 / 4)
        for name, ratio, verdict in (
            ("mean_power_w", 1.3, "more"),
            ("energy_j", 1.3, "more"),
            ("net_energy_j", 1.3, "more"),
            ("samples_per_j", 1 / 1.3, "less"),
            ("peak_power_w", 1.0, "equivalent"),
        ):
            assert port[f"{name}_ratio"] == pytest.approx(ratio)
            assert port[f"{name}_ratio_low95"] == pytest.approx(ratio)
            assert port[f"{name}_ratio_pairs"] == 5
            assert port[f"{name}_verdict"] == verdict
        assert "- Parity: mindspore compiled: mindspore compiled is the same network as PyTorch" in markdown
        shown = " ".join(markdown.split())
        assert "| 1.300 [1.300, 1.300] | more |" in shown
        assert "gross energy per step, J | pytorch eager | 5 |" in shown

    def test_sensors_that_hold_different_things_are_not_compared(self, results):
        self.add_pair(results, (100.0, 130.0), scopes=("card", "node"))
        output = run(results, width=200)
        energy, _ = read(results, "energy")
        expected = "power sensors: node here, card in the baseline"
        assert energy.loc["mindspore compiled", "refusal"] == expected
        assert np.isnan(energy.loc["mindspore compiled", "energy_j_ratio"])
        assert f"Ratio refused for mindspore compiled: {expected}" in output

    def test_the_dagger_is_explained(self, results):
        self.add_pair(results, (100.0, 130.0))
        run(results)
        _, markdown = read(results, "energy")
        assert "| more †" in markdown
        assert "- †: no parity certificate" in markdown

    @pytest.mark.parametrize(
        ("joules", "reason"),
        [((0.0, 130.0), "no ratio: the baseline is 0"), ((100.0, 0.0), "no ratio: the cell is 0")],
    )
    def test_a_ratio_with_0_is_none_with_a_reason(self, results, joules, reason):
        self.add_pair(results, joules)
        run(results)
        energy, markdown = read(results, "energy")
        port = energy.loc["mindspore compiled"]
        assert np.isnan(port["energy_j_ratio"])
        assert port["energy_j_ratio_missing"] == reason
        rows = [line for line in markdown.splitlines() if "gross energy per step, J | mindspore" in line]
        assert [row.split("|")[-2].strip() for row in rows] == [reason]

    def test_no_launch_with_energies_of_both_is_the_reason(self, results):
        self.add_pair(results, (100.0, 130.0))
        for path in results.path.rglob("record.json"):
            launch, framework = int(path.parent.name[:2]), path.parent.name[3:]
            if (launch < 2) == framework.startswith("mindspore"):
                path.write_text(path.read_text().replace('"valid": true', '"valid": false'))
        run(results)
        port = read(results, "energy")[0].loc["mindspore compiled"]
        assert port["energy_j"] > 0
        assert port["energy_j_ratio_missing"] == "no ratio: no launch number has a value in both"
        assert pd.isna(read(results, "energy")[0].loc["pytorch eager", "energy_j_ratio_missing"])

    def test_a_recorded_net_energy_below_0_does_not_count_and_is_named(self, results):
        self.add_pair(results, (100.0, 130.0))
        cell = next(path for path in results.path.rglob("record.json") if "00-mindspore0" in str(path))
        cell.write_text(cell.read_text().replace('"net_energy_j": 65.0', '"net_energy_j": -1.0'))
        run(results)
        port = read(results, "energy")[0].loc["mindspore compiled"]
        assert port["reason"] == "no net energy: the recorded one is below 0"
        assert port["net_energy_j"] == pytest.approx(65 * 1.025 / 4)
        assert (port["net_energy_j_ratio_pairs"], port["energy_j_ratio_pairs"]) == (4, 5)

    @pytest.mark.parametrize("recorded", [None, -20.0])
    def test_power_at_rest_above_that_of_the_work_leaves_no_net_energy(self, results, recorded):
        """Two windows of 10 s: 80 W and 120 W, at rest 100 W: the median of the second alone would be 200 J."""
        names = ("train pretrain 1", "train pretrain 2")
        phases = tuple(Phase(name=name, t0_ns=0, t1_ns=1, steps=2, samples=8) for name in names)
        entries = tuple(
            PhaseEnergy(
                phase=name, window=make_window(energy_j, duration_s=10.0, peak_power_w=130.0), net_energy_j=net_j
            )
            for name, energy_j, net_j in zip(names, (800.0, 1200.0), (recorded, 200.0), strict=True)
        )
        energy = Energy(
            collector="nvml",
            reason=None,
            idle=Idle(before_w=100.0, after_w=100.0, power_w=100.0, reasons=()),
            phases=entries,
        )
        results.add(make_record("pytorch", 0, measurements=make_measurements(phases=phases), energy=energy))
        run(results)
        row = read(results, "energy")[0].loc["pytorch eager"]
        assert row["energy_j"] == 1000.0
        assert np.isnan(row["net_energy_j"])
        expected = "the power at rest, 100 W, is above that of the work in 1 of 2 windows (the least 80 W)"
        assert row["reason"] == f"no net energy: {expected}"
