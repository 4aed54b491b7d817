"""Whatever is in a sampler's log, what is whole of it is read, kept as Parquet and accounted for."""

import json

from effort import effort
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutations

from collectors.accounting.energy import EnergyAccount
from collectors.base import Reading, Sensor
from collectors.samples import (
    CounterReading,
    Header,
    counter_record,
    read_parquet,
    read_samples,
    reading_record,
    to_parquet,
)
from collectors.sampling.jitter import jitter
from harness.power.chart import chart
from harness.power.log import PowerLog
from harness.power.summary import jitter_lines, phase_table

SENSORS = (
    Sensor("gpu", "card", "instant", devices=(0,), power_cap_w=300.0, has_counter=True, counter_wrap_j=1e6),
    Sensor("cpu", "cpu_package", "counter", has_counter=True),
)
SECOND_NS = 10**9


def lines() -> list[dict[str, object]]:
    """Ten seconds of two sensors."""
    made = [Header("made", SENSORS, {"nvml": "none"}, 0.5, 5, 6, {"python": "3"}).to_dict()]
    for tick in range(20):
        at_ns = tick * SECOND_NS // 2
        made.append(reading_record(Reading(at_ns, at_ns + 100, "gpu", 250.0, utilisation=0.9)))
        made += [counter_record(CounterReading(at_ns, at_ns + 100, name, 125.0 * tick)) for name in ("gpu", "cpu")]
    return [*made, {"type": "end", "t_ns": 9, "reason": "SIGTERM", "n_ticks": 20, "max_late_s": 0.0, "cpu_s": 0.1}]


LINES = lines()


def use(jsonl, parquet):
    """Do all that is done with a log."""
    log = to_parquet(jsonl, parquet)
    kept = read_parquet(parquet)
    assert len(kept.readings) == len(log.readings)
    assert len(kept.counters) == len(log.counters)
    assert kept.header == log.header
    for t0_ns, t1_ns in ((0, 9 * SECOND_NS), (SECOND_NS, 2 * SECOND_NS), (2**61, 2**61 + 1)):
        json.dumps(EnergyAccount(kept, device_count=1).window(t0_ns, t1_ns).to_dict())
    jitter(kept)
    power = PowerLog("made", kept, ())
    phase_table(power)
    jitter_lines(power)
    chart(power, 80, coloured=False)


@effort(60)
@given(changed=mutations(LINES))
def test_lines_with_values_that_do_not_belong(tmp_path_factory, changed):
    folder = tmp_path_factory.getbasetemp()
    (folder / "power.jsonl").write_text("\n".join(json.dumps(line) for line in changed))
    use(folder / "power.jsonl", folder / "power.parquet")


@effort(40)
@given(data=st.data())
def test_lines_that_are_none(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    content = [json.dumps(line).encode() for line in LINES]
    for _ in range(data.draw(st.integers(1, 4))):
        junk = data.draw(st.sampled_from([b"[" * 5000, b"{}", b"null", b'"', b"\xff\xfe", b"\0"]) | st.binary())
        content.insert(data.draw(st.integers(0, len(content))), junk)
    text = b"\n".join(content)
    (folder / "power.jsonl").write_bytes(text[: data.draw(st.integers(0, len(text)))])
    use(folder / "power.jsonl", folder / "power.parquet")


def test_the_log_itself_is_read_whole(tmp_path):
    (tmp_path / "power.jsonl").write_text("\n".join(map(json.dumps, LINES)))
    log = read_samples(tmp_path / "power.jsonl")
    assert (len(log.readings), len(log.counters), log.n_bad_lines) == (20, 40, 0)
