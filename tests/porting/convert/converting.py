"""Commands of the conversion tests, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SMALL = str(HERE.parent / "parity" / "fourcastnet.yaml")
OF_MODEL = ("--model", SMALL, "--preset", "small", "--data", "rossby")


def child(*command):
    """Run Python with the repository and the small models on its path."""
    path = os.pathsep.join(map(str, (HERE.parents[2], HERE, HERE.parent / "parity")))
    environment = {**os.environ, "PYTHONPATH": path, "GLOG_v": "3"}
    return subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True, timeout=300
    )
