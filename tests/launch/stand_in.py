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

    def measure():
        (folder / "measurements.json").write_bytes((Path(__file__).parent / "measurements.json").read_bytes())

    def end(status="completed", reason=None):
        say({"status": status, "reason": reason})

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
