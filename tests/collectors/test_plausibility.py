"""Counters and powers that cannot be right: leaps, other units, standstills, and too little power for a busy device."""

from __future__ import annotations

import pytest
from power_logs import at_ns, counters, every, log_of, readings

from collectors.accounting.energy import EnergyAccount
from collectors.base import Sensor
from collectors.samples import SampleLog
from collectors.vendors.hygon_amd.rocm_smi_text import rows
from tests.shared import shared_path

PACKAGE = Sensor("zone", "cpu_package", "counter", has_counter=True, counter_wrap_j=262_143.3, update_period_s=0.05)
BOARD = Sensor("zone", "card", "instant", devices=(0,), has_counter=True, update_period_s=0.1)


def window(log: SampleLog, t0_s: float = 1, t1_s: float = 9, **account):
    return EnergyAccount(log, **account).window(at_ns(t0_s), at_ns(t1_s))


def package(energy_j, sensor: Sensor = PACKAGE, end_s: float = 12):
    return log_of(counter=counters(every(0.5, end_s), energy_j, "zone"), sensors=(sensor,))


def board(power_w, energy_j, **fields):
    sensor = Sensor(**{**BOARD.to_dict(), **fields})
    return log_of(
        readings(every(0.1, 12), power_w, "zone"), counters(every(0.1, 12), energy_j, "zone"), sensors=(sensor,)
    )


@pytest.mark.parametrize("leap_j", [60_000.0, 3_000.0, 1e12])
def test_a_counter_that_leaps_has_no_energy_over_the_leap_and_the_right_one_elsewhere(leap_j):
    log = package(lambda t: 100 * t + (leap_j if t > 6.2 else 0))
    across = window(log, 1, 11)
    assert (across.energy_j, across.valid) == (None, False)
    assert across.reasons == (f"zone: its energy counter leapt by {leap_j + 50:.3g} J in 0.5 s",)
    assert window(log, 0.5, 5.9).energy_j == pytest.approx(540)
    assert window(log, 6.6, 11.9).energy_j == pytest.approx(530)


def test_a_leap_within_a_wrap_is_no_wrap():
    falls = package(lambda t: 200_000 + 100 * t if t < 6.2 else 100 * t)
    assert "counter was reset" in window(falls).reasons[0]
    wraps = package(lambda t: (262_000 + 100 * t) % 262_143.3)
    assert window(wraps).energy_j == pytest.approx(800)


@pytest.mark.parametrize(
    ("cap_w", "slope_w", "told"),
    [(None, 2_000.0, "leapt"), (270.0, 400.0, "leapt"), (270.0, 330.0, None), (None, 400.0, None)],
)
def test_a_counter_is_bounded_by_the_cap_or_by_what_a_package_can_draw(cap_w, slope_w, told):
    sensor = Sensor(**{**PACKAGE.to_dict(), "power_cap_w": cap_w})
    found = window(package(lambda t: slope_w * t, sensor))
    assert found.valid == (told is None)
    assert told is None or told in found.reasons[0]


def test_a_counter_read_late_has_not_leapt():
    """The counter moves each 0.1 s; the sampler came late once, so that a whole move falls in 10 ms."""
    times_s = [t for t in every(0.1, 12) if abs(t - 5.0) > 0.01] + [5.09]
    moves = counters(sorted(times_s), lambda t: 300.0 * round(t, 1) if t != 5.09 else 300 * 5.0, "zone")
    sensor = Sensor(**{**BOARD.to_dict(), "power_cap_w": 300.0, "kind": "counter"})
    found = window(log_of(counter=moves, sensors=(sensor,)))
    assert found.valid, found.reasons
    assert found.energy_j == pytest.approx(2400, rel=0.02)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_a_counter_that_changes_its_unit_is_not_believed(factor):
    """Its slope changes with the unit and its value does not leap."""
    log = package(lambda t: 100 * t if t < 6 else 600 + 100 * factor * (t - 6))
    for t0_s, t1_s in [(1, 11), (6.6, 11.9)]:
        assert not window(log, t0_s, t1_s).valid
    assert window(log, 0.5, 5.6).valid
    beside_power = board(lambda t: 100.0, lambda t: 100 * t if t < 6 else 600 + 100 * factor * (t - 6))
    found = window(beside_power)
    assert found.energy_j == pytest.approx(800)
    assert found.source == "integral"


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_a_power_that_changes_its_unit_is_not_believed(factor):
    log = board(lambda t: 250.0 if t < 6 else 250 * factor, lambda t: None)
    assert not window(log).valid
    assert window(log, 0.5, 5.8).valid


def test_a_counter_that_stands_still_leaves_the_integral_or_is_named():
    stuck = board(lambda t: 100.0, lambda t: 100 * min(t, 4))
    for t0_s, t1_s in [(1, 11), (5, 11)]:
        found = window(stuck, t0_s, t1_s)
        assert (found.source, found.valid) == ("integral", True), found.reasons
        assert found.energy_j == pytest.approx(100 * (t1_s - t0_s))
    alone = package(lambda t: 100 * (t if t < 4 else max(4, t - 4)))
    found = window(alone, 1, 11)
    assert (found.energy_j, found.reasons) == (None, ("zone: its energy counter stood still for 4.5 s",))


def test_a_counter_alone_that_disagrees_with_the_second_opinion_is_invalid_on_both_sides():
    for factor in (0.2, 5.0):
        check = Sensor("cli", "card", "instant", checks="zone", update_period_s=1.0)
        sensor = Sensor(**{**BOARD.to_dict(), "kind": "counter"})
        log = log_of(
            readings(every(1.0, 12), lambda t: 100.0, "cli"),
            counters(every(0.1, 12), lambda t, factor=factor: 100 * factor * t, "zone"),
            sensors=(sensor, check),
        )
        found = window(log)
        assert found.reasons == (f"zone: cli gives {1 / factor:.3g} times its power",)


def busy(power_w: float, use: float = 0.97, **fields) -> SampleLog:
    sensor = Sensor("zone", "card", "average_window", devices=(0,), update_period_s=0.1, **fields)
    power = [
        type(reading)(**{**vars(reading), "utilisation": use})
        for reading in readings(every(0.1, 12), lambda t: power_w, "zone")
    ]
    return log_of(power, sensors=(sensor,))


@pytest.mark.parametrize(
    ("power_w", "use", "chip_cap_w", "valid"),
    [
        (8.0, 0.97, None, False),
        (8.0, 0.02, None, True),
        (30.0, 0.97, None, True),
        (30.0, 0.97, 280.0, False),
        (60.0, 0.97, 280.0, True),
        (360.0, 0.97, 280.0, False),
        (360.0, 0.97, None, True),
    ],
)
def test_a_busy_board_without_a_cap_is_held_against_the_chips(power_w, use, chip_cap_w, valid):
    found = window(busy(power_w, use), chip_cap_w=chip_cap_w)
    assert found.energy_j == pytest.approx(power_w * 8)
    assert found.valid == valid, found.reasons


def test_the_boards_own_cap_comes_before_the_chips():
    assert window(busy(60.0, power_cap_w=70.0), chip_cap_w=700.0).valid
    assert window(busy(90.0, power_cap_w=70.0), chip_cap_w=700.0).reasons == ("zone: power above its cap of 70 W",)


def test_recorded_leap_has_no_energy():
    from collectors.samples import read_samples

    log = read_samples(shared_path("cases/power/01-counter-leap.jsonl"))
    found = window(log, 1, 11)
    assert (found.energy_j, found.valid) == (None, False)


def test_recorded_low_power_without_a_cap_is_invalid():
    lines = shared_path("cases/power/10-low-power-no-cap.lines.txt").read_text()
    (row,) = rows(lines).values()
    found = window(busy(row.power_w, row.utilisation))
    assert found.reasons == ("zone: mean power of 8 W while the device was busy",)
