"""What the launches of one cell give together: rates, shares, windows and energies, by hand."""

import pytest
from made_executions import add_cell, cells_of
from made_records import make_measurements, make_window

from harness.analysis.cautions import _of_comparison
from harness.analysis.claims.judging import Evidence, JudgedClaim, outcome_of
from harness.analysis.comparison.pair import Comparison, ParityNote
from harness.analysis.quantities.energy import INFERENCE_PAIR, energy_of, times_and_energies
from harness.analysis.quantities.quantity import Quantity, median_over
from harness.analysis.quantities.skill import by_variable
from harness.analysis.quantities.speed import activity_rate
from harness.analysis.summaries import ScoreKey
from harness.results.record import Energy, Phase, PhaseEnergy
from harness.scenario.claims import Expectation
from harness.scenario.execution import GRAPH
from tests.analysis.made_records import make_environment

PHASES = tuple(Phase(name=name, t0_ns=0, t1_ns=1, steps=4, samples=8) for name in ("inference", "train pretrain 1"))


def test_the_training_rate_is_of_all_epochs(results):
    """Three epochs of 16 samples, in 9.7 s and twice 1.2 s."""
    add_cell(results, "one", launches=range(1))
    assert activity_rate(cells_of(results)["one"], "training").values == {0: pytest.approx(48 / 12.1)}


@pytest.mark.parametrize("shares", [(0.9, 0.99, 0.97), (0.1, 0.2, 1.0)])
def test_no_share_is_above_1(shares):
    found = median_over(dict(enumerate(shares)), "fraction", None)
    assert (found.value, found.high) == (sorted(shares)[1], 1.0)
    assert 0 < found.low < found.value


def test_time_and_energy_are_of_the_launches_that_have_both(results):
    def made(launch):
        windows = make_window(100.0, 10.0), make_window(50.0, 10.0, reasons=("too short",) if launch else ())
        entries = [
            PhaseEnergy(phase=phase.name, window=window, net_energy_j=None)
            for phase, window in zip(PHASES, windows, strict=True)
        ]
        changes = {"inference": None} if launch == 1 else {}
        return {
            "measurements": make_measurements(launch=launch, phases=PHASES, **changes),
            "energy": Energy(collector="nvml", reason=None, phases=tuple(entries)),
        }

    add_cell(results, "one", made=made)
    cell = cells_of(results)["one"]
    (pair,) = [each for each in times_and_energies(cell) if each.activity == INFERENCE_PAIR]
    assert (pair.time.values, pair.energy.values) == ({0: 0.05, 2: 0.05}, {0: 25.0, 2: 25.0})
    assert energy_of(cell).windows("inference") == (3, 3)
    assert energy_of(cell).windows("training pretrain") == (1, 3)


def test_lead_times_rise_within_each_variable():
    keys = [ScoreKey(*each) for each in (("u", "m/s", 24.0), ("v", "m/s", 6.0), ("u", "m/s", 6.0))]
    assert by_variable(keys) == (keys[2], keys[0], keys[1])


def test_a_caution_names_what_the_baseline_alone_has(results):
    def of_two_pythons(launch):
        return {"environment": make_environment(cpu_name="CPU of aaaabbbbcccc", python=f"3.1{1 + launch // 3}.9")}

    add_cell(results, "ours", execution=GRAPH)
    add_cell(results, "theirs", launches=range(4), made=of_two_pythons)
    cells = cells_of(results)
    lines = list(_of_comparison(Comparison(cells["ours"], cells["theirs"], ())))
    assert "no ratio from launch 3, which only one of it and its baseline completed" in lines
    assert "python: 3.11.9 here, 3.11.9 or 3.12.9 in the baseline" in lines


def test_one_piece_of_evidence_without_a_certificate_leaves_a_claim_uncertified():
    evidence = [
        Evidence((Comparison(None, None, (), ParityNote(certified, "")),), Quantity(1.0), "confirmed", ())
        for certified in (True, False)
    ]
    assert JudgedClaim(None, tuple(evidence[:1]), ()).certified
    assert not JudgedClaim(None, tuple(evidence), ()).certified


@pytest.mark.parametrize(("low", "high"), [(None, 2.0), (1.5, None), (None, None)])
def test_half_an_interval_decides_nothing(low, high):
    assert outcome_of(Quantity(1.7, low, high), Expectation(at_least=1.0)) == "undecided"
