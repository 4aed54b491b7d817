"""Properties that hold for every log: windows add up, devices only add, order and origin do not matter."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from power_logs import ANY_LENGTH, at_ns, counters, log_of, readings

from collectors.accounting.energy import EnergyAccount
from collectors.base import Sensor

EDGES = st.lists(st.floats(0.0, 1.0), min_size=3, max_size=6, unique=True)


@st.composite
def sensor_samples(draw, name):
    """Readings at irregular times and maybe a counter; half of the logs have gaps, failed reads and a reset."""
    faulty = draw(st.booleans())
    steps_s = draw(st.lists(st.floats(0.02, 1.3 if faulty else 0.6), min_size=4, max_size=30))
    times_s = [0.0, *itertools.accumulate(steps_s)]
    power_w = st.one_of(st.floats(0.5, 700.0), st.none()) if faulty else st.floats(0.5, 700.0)
    powers_w = draw(st.lists(power_w, min_size=len(times_s), max_size=len(times_s)))
    factor = draw(st.sampled_from([None, 0.0, 0.95, 1.0, 1.5]))
    reset_at = draw(st.integers(1, len(steps_s))) if faulty else None
    counter_j = [0.0]
    for number, step_s in enumerate(steps_s, start=1):
        mean_w = 0.5 * ((powers_w[number - 1] or 0.0) + (powers_w[number] or 0.0))
        counter_j.append(0.0 if number == reset_at else counter_j[-1] + (factor or 0.0) * mean_w * step_s)
    power = readings(times_s, dict(zip(times_s, powers_w, strict=True)).get, name)
    first_lost = draw(st.integers(1, 30)) if faulty else len(times_s)
    lost = set(times_s[first_lost : first_lost + 8])
    counter = counters(times_s, lambda t: None if t in lost else counter_j[times_s.index(t)], name)
    return power, [] if factor is None else counter, times_s[-1]


def account(*samples):
    sensors = tuple(Sensor(str(k), "card", "instant", devices=(k,)) for k in range(len(samples)))
    power = [reading for readings_, _, _ in samples for reading in readings_]
    counter = [reading for _, readings_, _ in samples for reading in readings_]
    return EnergyAccount(log_of(power, counter, sensors), limits=ANY_LENGTH)


@settings(max_examples=200, deadline=None)
@given(sensor_samples("0"), EDGES)
def test_splitting_a_window_never_changes_the_sum(samples, edges):
    found = account(samples)
    times_ns = sorted({at_ns(edge * samples[2]) for edge in edges})
    pairs = list(itertools.pairwise(times_ns))
    if not pairs:
        return
    parts_j = [found.window(t0_ns, t1_ns).energy_j for t0_ns, t1_ns in pairs]
    whole_j = found.window(times_ns[0], times_ns[-1]).energy_j
    assert (whole_j is None) == (None in parts_j)
    if whole_j is not None:
        assert whole_j == pytest.approx(sum(parts_j), rel=1e-9, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(sensor_samples("0"), sensor_samples("1"), EDGES)
def test_adding_a_device_never_lowers_the_energy(first, second, edges):
    t0_ns, t1_ns = at_ns(min(edges) * first[2]), at_ns(max(edges) * first[2])
    if t0_ns == t1_ns:
        return
    alone, both = account(first).window(t0_ns, t1_ns), account(first, second).window(t0_ns, t1_ns)
    if both.energy_j is not None:
        assert alone.energy_j is not None
        assert both.energy_j >= alone.energy_j - 1e-9
        assert both.peak_power_w >= alone.peak_power_w - 1e-9


@settings(max_examples=50, deadline=None)
@given(sensor_samples("0"), st.randoms(use_true_random=False))
def test_order_of_the_lines_does_not_matter(samples, shuffler: random.Random):
    power, counter, end_s = samples
    mixed = shuffler.sample(power, len(power)), shuffler.sample(counter, len(counter)), end_s
    window = at_ns(0.2 * end_s), at_ns(0.9 * end_s)
    assert account(mixed).window(*window) == account(samples).window(*window)


@settings(max_examples=100, deadline=None)
@given(sensor_samples("0"), EDGES)
def test_energy_is_none_or_within_the_powers_seen(samples, edges):
    t0_ns, t1_ns = at_ns(min(edges) * samples[2]), at_ns(max(edges) * samples[2])
    if t0_ns == t1_ns:
        return
    found = account(samples).window(t0_ns, t1_ns)
    if found.integral_j is not None:
        powers_w = [reading.power_w for reading in samples[0] if reading.power_w is not None]
        assert found.integral_j <= max(powers_w) * found.duration_s + 1e-6
        assert found.integral_j >= min(powers_w) * found.duration_s - 1e-6
    assert 0.0 <= found.coverage <= 1.0 + 1e-9
