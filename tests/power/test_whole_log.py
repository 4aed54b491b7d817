"""What `crosscast power show` says of a log without phases: the time that all its series share."""

import io

import pytest
from rich.console import Console

from collectors.base import Reading, Sensor
from collectors.samples import CounterReading, Header, SampleLog
from harness.power.log import PowerLog
from harness.power.summary import phase_table

ORIGIN_NS = 10**15
TICK_NS = 10**8


def shown(log: SampleLog) -> list[list[str]]:
    """The rows of the table, by cell."""
    console = Console(file=io.StringIO(), width=200)
    console.print(phase_table(PowerLog("made", log, ())))
    rows = [line.split("│")[1:-1] for line in console.file.getvalue().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in rows]


def header(*sensors: Sensor) -> Header:
    return Header("made", sensors, {}, 0.1, ORIGIN_NS, 0)


def counted(sensor: str, first: int, last: int, late_ns: int, power_w: float) -> list[CounterReading]:
    """A counter of `power_w`, read at each tick a little later than the tick."""
    times_ns = [ORIGIN_NS + tick * TICK_NS + late_ns for tick in range(first, last + 1)]
    return [CounterReading(t_ns, t_ns, sensor, power_w * (t_ns - ORIGIN_NS) / 1e9 + 7) for t_ns in times_ns]


def test_two_counters_that_are_read_one_after_the_other():
    """The second is read 60 us after the first: both are known in 30 s without these, and each has its joules."""
    packages = [Sensor(f"intel-rapl:{k}", "cpu_package", "counter", has_counter=True) for k in range(2)]
    counters = counted("intel-rapl:0", 0, 300, 0, 100.0) + counted("intel-rapl:1", 0, 300, 60_000, 50.0)
    rows = shown(SampleLog(header(*packages), counters=tuple(counters), end={"type": "end"}))
    assert [row[1:] for row in rows] == [
        ["whole log", "30.00", "100", "100", "3000", "valid"],
        ["whole log", "30.00", "50", "50", "1500", "valid"],
    ]


def test_power_and_a_counter_of_one_board_that_ends_first():
    board = Sensor("GPU-1", "card", "instant", has_counter=True, update_period_s=0.1)
    times_ns = [ORIGIN_NS + tick * TICK_NS for tick in range(301)]
    readings = tuple(Reading(t_ns, t_ns, "GPU-1", 200.0) for t_ns in times_ns)
    log = SampleLog(header(board), readings, tuple(counted("GPU-1", 10, 290, 40_000, 200.0)), {"type": "end"})
    (row,) = shown(log)
    assert row[1:] == ["whole log", "28.00", "200", "200", "5600", "valid"]


@pytest.mark.parametrize("n_later", [0, 100])
def test_sensors_that_share_no_time_are_shown_with_their_reasons(n_later):
    cards = [Sensor(f"card{k}", "card", "instant", update_period_s=0.1, devices=(k,)) for k in range(2)]
    ticks = [("card0", tick) for tick in range(100)] + [("card1", tick + 200) for tick in range(n_later)]
    readings = [Reading(ORIGIN_NS + t * TICK_NS, ORIGIN_NS + t * TICK_NS, card, 90.0) for card, t in ticks]
    rows = shown(SampleLog(header(*cards), tuple(readings), end={"type": "end"}))
    assert [row[0] for row in rows] == ["card0", "card1"]
    assert [row[-1] == "valid" for row in rows] == [n_later == 0, False]
