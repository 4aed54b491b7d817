"""Watts while a launch runs, from logs as a sampler writes them, of made powers."""

import pytest

from collectors.base import Reading, Sensor
from collectors.samples import CounterReading, Header, counter_record, encode, reading_record
from harness.launch.power_now import EVERY_S, OLDEST_S, TAIL_BYTES, PowerNow, with_power

S = 1_000_000_000
CARDS = (Sensor("A", "card", "instant", devices=(0,)), Sensor("B", "card", "instant", devices=(1,)))
PACKAGE = Sensor("rapl:0", "cpu_package", "counter", has_counter=True)


class Log:
    """A log that grows, and the clock by which it is read."""

    def __init__(self, path, *sensors):
        self.path, self.now_ns = path, 0
        self.write(Header("made", sensors, {}, 0.1, 0, 0).to_dict())
        self.power = PowerNow(path, None, lambda: self.now_ns)

    def write(self, record):
        with self.path.open("ab") as file:
            file.write(encode(record))

    def reads(self, sensor, watts, **status):
        self.write(reading_record(Reading(self.now_ns, self.now_ns + 1, sensor, watts, **status)))

    def watts(self, *, after_s=EVERY_S):
        self.now_ns += int(after_s * S)
        return self.power.watts()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "power.jsonl"


def test_the_last_powers_of_the_jobs_devices_are_added(path):
    log = Log(path, *CARDS)
    for watts in (50.0, 200.0):
        log.reads("A", watts)
        log.reads("B", watts + 10)
    log.reads("B", None, status="error")
    assert log.watts() == 410.0
    assert PowerNow(path, 1, lambda: log.now_ns).watts() == 200.0


def test_a_sensor_that_only_checks_another_is_not_added(path):
    log = Log(path, *CARDS[:1], Sensor("other tool", "card", "instant", devices=(0,), checks="A"))
    log.reads("A", 200.0)
    log.reads("other tool", 210.0)
    assert log.watts() == 200.0


def test_a_counter_gives_the_mean_between_its_readings(path):
    """60 J in two seconds, and one that went round."""
    log = Log(path, PACKAGE)
    for second, joules in ((1, 100.0), (2, 150.0), (3, 160.0)):
        log.write(counter_record(CounterReading(second * S, second * S, PACKAGE.id, joules)))
    assert log.watts() == 30.0
    log.write(counter_record(CounterReading(4 * S, 4 * S, PACKAGE.id, 3.0)))
    assert log.watts(after_s=EVERY_S) is None


def test_between_two_looks_nothing_is_read(path):
    log = Log(path, *CARDS[:1])
    log.reads("A", 100.0)
    assert log.watts() == 100.0
    path.unlink()
    assert log.watts(after_s=EVERY_S / 2) == 100.0
    assert log.watts(after_s=EVERY_S) is None


def test_nothing_is_told_of_old_readings_models_missing_sensors_and_broken_lines(path, tmp_path):
    log = Log(path, *CARDS[:1])
    log.reads("A", 100.0)
    assert log.watts(after_s=OLDEST_S + 1) is None
    missing = Log(tmp_path / "missing", *CARDS)
    missing.reads("A", 100.0)
    assert missing.watts() is None
    replayed = Log(tmp_path / "replayed", Sensor("A", "card", "replay", devices=(0,)))
    replayed.reads("A", 100.0)
    assert replayed.watts() is None
    broken = tmp_path / "broken"
    broken.write_bytes(b"{not a header\n" + b"x" * 100)
    assert PowerNow(broken, None).watts() is None
    assert PowerNow(tmp_path / "none", None).watts() is None


def test_of_a_long_log_the_end_is_read(path):
    log = Log(path, *CARDS[:1])
    for number in range(2 * TAIL_BYTES // 50):
        log.reads("A", float(number))
    last = 2 * TAIL_BYTES // 50 - 1
    with path.open("ab") as file:
        file.write(b'{"type":"power","t0_ns":0,')
    assert log.watts() == last


def test_progress_tells_it_behind_what_the_worker_says(path):
    told = []
    log = Log(path, *CARDS[:1])
    log.reads("A", 212.4)
    log.now_ns += S
    progress = with_power(lambda text, fraction: told.append((text, fraction)), log.power)
    progress("pretrain epoch 1/3, loss 0.5", 0.25)
    path.unlink()
    log.now_ns += 10 * S
    progress("inference", 0.5)
    assert told == [("pretrain epoch 1/3, loss 0.5, 212 W", 0.25), ("inference", 0.5)]
