"""A plan is data: another process, on what says it is another machine, makes the launch and describes its own node."""

import hashlib
import os
import subprocess
import sys

from harness.analysis.cells import load_results
from harness.launch.plan import FILE_NAME, interleave
from harness.machine import identity
from harness.scenario import catalogue
from tests.analysis.made_records import make_scenario
from tests.launch.stand_in import stand_in
from tests.shared import REPOSITORY

ELSEWHERE = """
import sys
from pathlib import Path

from harness.launch.plan import LaunchPlan
from harness.launch.supervisor import supervise


class Watcher:
    def say(self, line):
        print("said", line)

    def begin(self, plan):
        print("began", plan.launch)

    def update(self, text, fraction):
        pass


plan = LaunchPlan.read(Path(sys.argv[1]))
for _ in range(2):
    record = supervise(plan, Path(sys.argv[2]), Watcher(), fresh=False)
    print(record and record.status)
"""


def test_a_plan_is_made_elsewhere_once_and_its_record_describes_that_node(tmp_path):
    chip = catalogue.chip("cpu").model_copy(update={"power_collectors": ("null",)})
    plan = interleave([make_scenario(chip="cpu")], chip, 1, "bench")[0]
    (tmp_path / "sent").mkdir()
    plan.write(tmp_path / "sent")
    assert (tmp_path / "sent" / FILE_NAME).exists()
    (tmp_path / "node").mkdir()
    environment = {
        **stand_in(tmp_path / "stand_in"),
        "CROSSCAST_HOST": "node-7",
        "CROSSCAST_TURNS": str(tmp_path),
    }
    environment["PYTHONPATH"] += os.pathsep + str(REPOSITORY)
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "sent", tmp_path / "results"],
        cwd=tmp_path / "node",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split("\n")[:-1] == ["began 0", "completed", "None"], done.stderr
    (cell,) = load_results(tmp_path / "results").cells
    (record,) = cell.launches
    assert record.environment.host == hashlib.sha256(b"name given in CROSSCAST_HOST\nnode-7").hexdigest()[:12]
    assert record.environment.host != identity.identity().digest
    assert list((tmp_path / "node").iterdir()) == []
