"""`crosscast power record` and `power show` through the real command line, with a power tool that works."""

import json
import os
import resource
import signal
import sys

import pytest

from harness.errors import UserError
from harness.power.log import load
from harness.power.recording import check_writable
from tests import started
from tests.analysis.made_records import make_record
from tests.launch.processes import wait_until

METER = ("--collectors", "cpu-meter")
BURN = (sys.executable, "-c", "import time\nend = time.time() + 6\nwhile time.time() < end: pass")


def refused(done) -> str:
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("crosscast: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_command_has_idle_phases_around_it_and_more_power_than_they(crosscast, tmp_path):
    done = crosscast("power", "record", "--out", "p.parquet", *METER, "--idle", 2, "--", *BURN)
    assert done.returncode == 0, done.stderr
    power = load(tmp_path / "p.parquet")
    assert [phase.name for phase in power.phases] == ["idle before", "command", "idle after"]
    seconds = [(phase.t1_ns - phase.t0_ns) / 1e9 for phase in power.phases]
    assert all(least <= taken < least + 5 for least, taken in zip((2, 6, 2), seconds, strict=True))
    command = power.phases[1]
    inside = [r.power_w for r in power.log.readings if command.t0_ns + 1.5e9 < r.t0_ns < command.t1_ns and r.power_w]
    assert min(inside) > 20 + 0.8 * 100 / (os.cpu_count() or 1)
    shown = " ".join(done.stdout.split())
    assert "valid" in shown
    assert "shorter than 5 s" in shown

    shown = crosscast("power", "show", "p.parquet", "--png", "p.png", "--svg", "p.svg")
    assert shown.returncode == 0, shown.stderr
    assert "\x1b" not in shown.stdout
    assert "command" in shown.stdout
    assert "standard deviation" in shown.stdout
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "p.svg").read_bytes()


def test_status_of_the_command_is_passed_on_and_failed_reads_are_told(crosscast):
    """With the longest name that a file can have."""
    out = "p" * 255
    done = crosscast(
        "power", "record", "--out", out, *METER, "--idle", 1, "--", "sh", "-c", "sleep 3; exit 7", TEST_FAIL="1"
    )
    assert done.returncode == 7
    assert "(N/A)" in done.stdout
    assert "failed reads" in crosscast("power", "show", out).stdout


def test_interrupt_ends_the_recording_and_keeps_it(meters, tmp_path):
    words = ("power", "record", "--out", "p.parquet", *METER)
    process = started.Command(tmp_path, words, {**os.environ, "PYTHONPATH": str(meters)})
    wait_until(lambda: [path for path in tmp_path.glob(".p.parquet.*/power.jsonl") if path.stat().st_size > 4000])
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "interrupted" in stdout
    assert len(load(tmp_path / "p.parquet").log.readings) > 10


def test_nothing_is_left_without_a_sensor_or_by_a_mistake(crosscast, tmp_path):
    assert "no power is collected by choice" in refused(
        crosscast("power", "record", "--out", "p", "--collectors", "null", "--seconds", 1)
    )
    assert "did you mean 'cpu-meter'" in refused(crosscast("power", "record", "--out", "p", "--collectors", "cpu-metr"))
    assert "did you mean 'rtx3090'" in refused(crosscast("power", "record", "--out", "p", "--chip", "rtx309"))
    assert "cannot be written" in refused(crosscast("power", "record", "--out", "no/such/p", *METER))
    assert "--period-ms" in refused(crosscast("power", "record", "--out", "p", *METER, "--period-ms", 0))
    assert "cannot be started" in refused(
        crosscast("power", "record", "--out", "p", *METER, "--idle", 0, "--", "no-such-program")
    )
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_log_is_one_line(crosscast, tmp_path):
    (tmp_path / "text").write_text("watts")
    assert "no power log" in refused(crosscast("power", "show", "text"))
    assert "cannot be read" in refused(crosscast("power", "show", "absent"))
    assert "no launch" in refused(crosscast("power", "show", "."))


def test_launch_without_samples_says_why(crosscast, tmp_path):
    record = json.loads(make_record().model_dump_json())
    record["energy"] = {"collector": None, "reason": "no sensor: rapl: none", "phases": []}
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert "no sensor: rapl: none" in refused(crosscast("power", "show", "."))


def test_a_full_disk_is_said_before_a_recording_begins(tmp_path):
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))
    try:
        with pytest.raises(UserError, match="parquet: cannot be written: File too large"):
            check_writable(tmp_path / "p.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert list(tmp_path.iterdir()) == []
