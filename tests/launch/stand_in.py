"""A worker that does what a test says instead of training: same command, same pipe, same files, in milliseconds.

A folder on PYTHONPATH holds a sitecustomize.py that takes over in the process of harness.worker and in no other.
"""

import os
from pathlib import Path

from tests.analysis.made_records import make_measurements

TAKE_OVER = """
import os
import sys

if "harness.worker" in sys.orig_argv:
    import json
    import signal
    import subprocess
    import time
    from pathlib import Path

    folder = Path(sys.orig_argv[-1])
    plan = json.loads((folder / "launch.json").read_text())

    def say(line):
        os.write(plan["progress_fd"], line if isinstance(line, bytes) else (json.dumps(line) + "\\n").encode())

    def tell(text, fraction=0.5):
        say({"text": text, "fraction": fraction})

    def measure(**phases):
        # Phases by name, each its begin and end on the monotonic clock in ns.
        measured = json.loads((Path(__file__).parent / "measurements.json").read_bytes())
        measured["phases"] = [
            {"name": name.replace("_", " "), "t0_ns": begin, "t1_ns": end, "steps": 1, "samples": 1}
            for name, (begin, end) in phases.items()
        ]
        (folder / "measurements.json").write_text(json.dumps(measured))

    def rest(seconds):
        begin = time.monotonic_ns()
        time.sleep(seconds)
        return begin, time.monotonic_ns()

    def end(status="completed", reason=None):
        say({"status": status, "reason": reason})

    def wait_for(name):
        # The file lies beside the results.
        while not (folder.parents[3] / name).exists():
            tell("waiting")
            time.sleep(0.05)

    exec((Path(__file__).parent / "behaviour.py").read_text())
    sys.stdout.flush()
    os._exit(0)
"""
COMPLETE = """
for number in range(10):
    tell(f"step {number}", number / 10)
    time.sleep(0.02)
measure()
end()
"""


def stand_in(folder: Path, behaviour: str = COMPLETE) -> dict[str, str]:
    """An environment in which workers do as `behaviour` says, with what a worker tells, measures and ends by."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(TAKE_OVER)
    (folder / "behaviour.py").write_text(behaviour)
    (folder / "measurements.json").write_text(make_measurements().model_dump_json())
    return {**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
