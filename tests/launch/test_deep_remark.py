"""A bench on a chip with device files says where nobody has proved the chip on this host."""

import yaml

from harness.machine.environment import host_digest
from harness.results.deep_report import DeepReport, save
from tests.launch.stand_in import stand_in
from tests.shared import REPOSITORY

NEVER = "was never run on this host"


def test_the_line_is_there_until_the_look_was_taken(crosscast, write_suite, tmp_path):
    cpu = yaml.safe_load((REPOSITORY / "scenarios" / "chips" / "cpu.yaml").read_text())
    chip = tmp_path / "ours.yaml"
    chip.write_text(yaml.safe_dump({**cpu, "device_nodes": "/dev/null"}))
    suite, environment = write_suite(), stand_in(tmp_path / "stand_in")

    def said():
        done = crosscast("bench", "--chip", chip, "--suite", suite, env=environment)
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split())

    assert f"`crosscast doctor --deep --chip {chip}` {NEVER}" in said()
    nothing_wrong = {"made_at": "2026-01-02", "crosscast_version": "0", "took_s": 1.0, "checks": ()}
    save(DeepReport(chip="ours", host=host_digest(), **nothing_wrong), tmp_path / "results")
    assert NEVER not in said()
