"""Efficiencies, memory and power are found again where they were planted, and errors are those that are there."""

import math
from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from harness.errors import UserError
from harness.projection import memory, power
from harness.projection.ceilings import Ceilings
from harness.projection.evidence import MemorySample
from harness.projection.power import PowerSample, fitted
from harness.projection.roofline import IDEAL, Sample, fit
from harness.projection.validation import Trial, Validation, validated
from tests.projection.planted import CEILINGS, LAUNCH_S, PLANTED, SIZES, scenario_of, works_of


def samples(disturbed=(), chip="cpu aaaabbbbcccc", factor=1.0, ceilings=CEILINGS):
    found = []
    for number in range(len(SIZES)):
        for activity, work in zip(("training step", "inference step"), works_of(scenario_of(number)), strict=True):
            seconds = factor * PLANTED.step_s(work, ceilings, LAUNCH_S) * (2.0 if number in disturbed else 1.0)
            found.append(Sample(f"size{number}", activity, chip, work, ceilings, seconds))
    return found


def test_planted_efficiencies_give_their_times_again():
    found = fit(samples())
    for sample in samples():
        again = found.step_s(sample.work, CEILINGS, found.launch_s[sample.chip])
        assert again == pytest.approx(sample.seconds, rel=0.04)
    assert found.of_peak["matrix product"] == pytest.approx(0.6, rel=0.1)
    assert found.launch_s["cpu aaaabbbbcccc"] == pytest.approx(LAUNCH_S, rel=0.3)


def test_what_steps_reuse_that_keep_nothing_is_found():
    """Planted is that inference steps reach 1.8 times the bandwidth, and so take 4 to 16 % less."""
    planted = replace(PLANTED, reuse=1.8)
    made = [replace(each, seconds=planted.step_s(each.work, CEILINGS, LAUNCH_S)) for each in samples()]
    found = fit(made)
    assert found.reuse == pytest.approx(1.8, rel=0.15)
    assert found.capped().reuse == 1.0
    assert fit(samples()).reuse == pytest.approx(1.0, rel=0.05)
    assert fit([each for each in made if each.work.keeps]).reuse == pytest.approx(1.0)


def test_one_disturbed_preset_moves_the_others_little():
    """The least squares of plain residuals would spread the doubled times over all; the median error stays small."""
    found = fit(samples(disturbed=(1,)))
    others = [sample for sample in samples() if sample.name != "size1"]
    errors = [abs(found.step_s(each.work, CEILINGS, found.launch_s[each.chip]) / each.seconds - 1) for each in others]
    assert median(errors) < 0.12


def test_a_time_by_hand():
    """A product of 6e9 operations on 1e9 bytes at 1e12 and 1e10 a second, and half of each: memory decides."""
    from harness.models.operations import Operation
    from harness.projection.roofline import Efficiencies
    from harness.projection.work import Counted, Work

    product = Operation("matrix product", "mm", 6_000_000_000, 1_000_000_000)
    ceilings = Ceilings({"fp32": 1e12}, 1e10)
    half = Efficiencies({"matrix product": 0.5}, {"matrix product": 0.5}, {})
    assert half.step_s(Work((Counted(product, 3),)), ceilings, 1e-3) == pytest.approx(3 * (0.2 + 1e-3))
    quick = Ceilings({"fp32": 1e12}, 1e12)
    assert half.step_s(Work((Counted(product, 1),)), quick, 0.0) == pytest.approx(0.012)
    hot = replace(half, reuse=4.0)
    assert hot.step_s(Work((Counted(product, 1),)), ceilings, 0.0) == pytest.approx(0.2)
    assert hot.step_s(Work((Counted(product, 1),), keeps=False), ceilings, 0.0) == pytest.approx(0.05)


def test_every_preset_is_predicted_from_the_others_alone():
    """Where one preset took twice as long, all others are predicted well and it is off by half."""
    found = validated(samples(disturbed=(1,)))
    assert found.left_out == "presets"
    errors = {trial.name: trial.error for trial in found.trials if trial.activity == "training step"}
    assert errors.pop("size1") == pytest.approx(-0.5, abs=0.08)
    assert median(map(abs, errors.values())) < 0.15


def on_chips(number, launch_s=LAUNCH_S, lacking=0):
    """Samples of chips of different speed, all with the planted efficiencies, some of whose files give no launch_us."""
    found = []
    for place in range(number):
        cost = launch_s if place >= lacking else None
        ceilings = Ceilings({"fp32": (1 + place) * 1e12}, (1 + place) * 1e11, launch_s=cost)
        found += samples(chip=f"chip{place} h", ceilings=ceilings)
    return [each for each in found if each.activity == "training step"]


def test_chips_are_left_out_where_there_are_enough():
    """They have the same efficiencies, so that each is predicted by the others."""
    found = validated(on_chips(4))
    assert found.left_out == "chips"
    assert {trial.name for trial in found.trials} == {f"size{number}" for number in range(len(SIZES))}
    assert found.of("training step").worst < 0.35
    assert found.said.startswith("4 chips, each predicted from the others")
    assert found.untried == ()


@pytest.mark.parametrize(("number", "lacking"), [(2, 0), (3, 0), (4, 1)])
def test_presets_are_left_out_where_too_few_chips_can_be(number, lacking):
    """Three chips that can be predicted tell as little as three presets."""
    found = validated(on_chips(number, lacking=lacking))
    assert found.left_out == "presets"
    assert found.said.startswith(f"{len(SIZES)} presets, each predicted from the others")


def test_chips_that_cannot_be_predicted_are_counted():
    found = validated(on_chips(5, lacking=1))
    assert found.left_out == "chips"
    assert found.said.startswith("4 chips, ")
    (line,) = found.untried
    assert line == "steps of chip0 h that could not be predicted, as its file gives no launch_us: 6"


def test_a_chip_is_predicted_as_one_without_records_is():
    """The others pass the bandwidth of their memory by their caches, which is not carried over to the one left out."""
    cached = replace(PLANTED, of_bandwidth=dict.fromkeys(PLANTED.of_bandwidth, 4.0))
    made = [replace(each, seconds=cached.step_s(each.work, each.ceilings, 1e-8)) for each in on_chips(4, 1e-8)]
    roofs = {(each.name, each.chip): IDEAL.step_s(each.work, each.ceilings, 0.0) for each in made}
    trials = validated(made).trials
    assert any(trial.measured < roofs[trial.name, trial.chip] for trial in trials)
    assert all(trial.projected >= roofs[trial.name, trial.chip] for trial in trials)


def test_presets_are_left_out_for_a_chip_that_has_records_itself():
    assert validated(on_chips(4), across_chips=False).left_out == "presets"


def test_too_few_presets_validate_nothing():
    few = [sample for sample in samples() if sample.name in ("size0", "size1", "size2")]
    with pytest.raises(UserError, match=r"no validation, no projection: 4 presets at least .* there are 3 \(size0"):
        validated(few)


def test_the_interval_is_students_t_on_logarithms_about_zero():
    """Two trials off by a factor of 1.1 each way: s = ln 1.1, t(2 degrees) = 4.303, times sqrt(1 + 1/2)."""
    found = Validation("s", "presets", (Trial("a", "x", 1.1, 1.0), Trial("b", "x", 1.0, 1.1)))
    assert found.factor == pytest.approx(math.exp(4.302653 * math.log(1.1) * math.sqrt(1.5)), rel=1e-5)
    biased = Validation("s", "presets", (Trial("a", "x", 1.5, 1.0), Trial("b", "x", 1.5, 1.0)))
    assert biased.factor > 1.5


def test_no_chip_passes_the_roofline():
    for sample in samples():
        assert IDEAL.step_s(sample.work, CEILINGS, 0.0) < sample.seconds


def made_memory(process=True):
    base = 300.0 if process else 0.0
    counts = (10, 40, 100, 400, 900)
    return [
        MemorySample(f"m{counted}", process, counted * 2**20, round((base + 1.4 * counted) * 2**20))
        for counted in counts
    ]


def test_the_planted_line_of_memory_is_found_and_each_preset_predicted():
    found = memory.line(made_memory())
    assert found.slope == pytest.approx(1.4, rel=1e-6)
    assert found.base == pytest.approx(300 * 2**20, rel=1e-6)
    assert memory.validated(made_memory()).worst < 1e-6
    assert memory.line(made_memory(process=False)) == (0.0, pytest.approx(1.4, rel=1e-6))
    assert memory.validated(made_memory()[:3]) is None


def test_processes_and_devices_are_not_put_on_one_line():
    """The base of processes is none of devices; either kind is predicted from its own samples alone."""
    mixed = [*made_memory(), *made_memory(process=False)]
    with pytest.raises(ValueError, match="too many values"):
        memory.line(mixed)
    counted = 200 * 2**20
    process, device = (memory.law(mixed, process=process) for process in (True, False))
    assert process.projected("memory", counted).point == pytest.approx(580 * 2**20, rel=1e-6)
    assert device.projected("memory", counted).point == pytest.approx(280 * 2**20, rel=1e-6)
    assert device.validation.worst < 1e-6
    alone = memory.law([*made_memory()[:3], *made_memory(process=False)], process=True)
    assert alone.validation is None


@pytest.mark.parametrize("slope", [0.5, 1.4])
def test_no_memory_is_projected_below_what_was_counted(slope):
    made = [
        MemorySample(f"m{counted}", False, counted * 2**20, round(slope * counted * 2**20 * noise))
        for counted, noise in ((10, 0.8), (40, 1.2), (100, 0.8), (400, 1.2), (900, 1.0))
    ]
    found = memory.law(made, process=False).projected("memory", 2**30)
    assert 2**30 <= found.low <= found.point <= found.high


def test_without_validation_the_most_leaves_the_reserve():
    """The bench leaves a tenth of the memory, so that a step may take nine tenths of it: the count over 0.9."""
    found = memory.law((), process=False).projected("memory", 900)
    assert (found.low, found.point, found.high) == (900, 1000, 1000)


def test_processes_bound_what_a_device_takes_where_it_has_no_samples():
    law = memory.law(made_memory(), process=False)
    found = law.projected("memory", 900)
    assert law.validation is None
    assert (found.low, found.point) == (900, 1000)
    assert found.high == pytest.approx(1.4 * 900, rel=1e-3)


@pytest.mark.parametrize("process", [True, False])
@pytest.mark.parametrize("samples", [(), made_memory(), made_memory(process=False)], ids=["none", "process", "device"])
def test_what_is_countable_fits_and_no_more(samples, process):
    law = memory.law(samples, process=process)
    has = 2 * 2**30
    most = law.countable(has)
    assert law.projected("memory", round(0.999 * most)).high <= law.room(has)
    assert law.projected("memory", round(1.001 * most)).high > law.room(has)
    assert (law.countable(200 * 2**20) < 0) == bool(process and samples and samples[0].process)


def test_the_planted_power_is_found_and_capped():
    random = np.random.default_rng(0)
    rates = random.uniform(0.05, 0.4, (8, 2))
    planted = power.Use(0.9, 0.6)
    made = [
        PowerSample(planted.power_w(50, 400, *rate), 50, 400, *rate, f"m{number}") for number, rate in enumerate(rates)
    ]
    found = fitted(made)
    assert (found.computing, found.moving) == pytest.approx((0.9, 0.6))
    assert found.power_w(50, 400, 1.0, 1.0) == 400
    assert found.power_w(50, 400, 0.0, 0.0) == 50
    assert fitted(made[:3]) is None
    assert fitted([made[0]] * 8) is None
