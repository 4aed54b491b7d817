import numpy as np
import pytest
from made_records import (
    make_epoch,
    make_measurements,
    make_record,
    make_skill,
    make_stage,
)
from reports import add_pair, read, run

from harness.record import Energy, Phase, PhaseEnergy


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


def made_window(energy_j, *, duration_s, peak_power_w=None, reasons=()):
    return {
        "valid": not reasons,
        "reasons": list(reasons),
        "energy_j": energy_j,
        "peak_power_w": peak_power_w,
        "duration_s": duration_s,
    }


class TestEnergy:
    def test_no_sensor_is_a_reason_and_never_0(self, results):
        add_pair(results, launches=range(3))
        run(results)
        energy, markdown = read(results, "energy")
        assert set(energy["reason"]) == {"no sensor: rapl: no powercap tree"}
        assert "energy_j" not in energy or energy["energy_j"].isna().all()
        assert "no sensor: rapl: no powercap tree" in markdown

    def test_valid_and_invalid_windows(self, results):
        for launch in range(3):
            windows = [
                made_window(100.0 + launch, duration_s=10.0, peak_power_w=20.0 + launch),
                made_window(9.0, duration_s=1.0, reasons=["window of 1 s is too short"]),
            ]
            names = ("train pretrain 0", "inference")
            phases = tuple(Phase(name=name, t0_ns=0, t1_ns=1, steps=2, samples=8) for name in names)
            entries = tuple(
                PhaseEnergy(phase=name, window=window, net_energy_j=window["energy_j"] - 40)
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
                window = made_window(energy_j * (1 + 0.01 * launch), duration_s=10.0, peak_power_w=30.0)
                window["devices"] = [{"scope": scope}]
                phases = (Phase(name="inference", t0_ns=0, t1_ns=1, steps=4, samples=8),)
                entry = PhaseEnergy(phase="inference", window=window, net_energy_j=window["energy_j"] / 2)
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

    def test_net_energy_below_0_has_no_ratio(self, results):
        self.add_pair(results, (100.0, 130.0))
        cell = next(path for path in results.path.rglob("record.json") if "00-mindspore0" in str(path))
        cell.write_text(cell.read_text().replace('"net_energy_j": 65.0', '"net_energy_j": -1.0'))
        run(results)
        energy, _ = read(results, "energy")
        assert np.isnan(energy.loc["mindspore compiled", "net_energy_j_ratio"])
        assert energy.loc["mindspore compiled", "energy_j_ratio"] == pytest.approx(1.3)
