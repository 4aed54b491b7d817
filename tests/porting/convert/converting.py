"""Commands of the conversion tests: in this process, or in one of their own."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

from harness.commands import cli

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


def command(*arguments):
    """The command line in this process; what a child of that would have given."""
    out, err, given = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["crosscast", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
        status = 0
    except SystemExit as ended:
        status = ended.code
    finally:
        sys.argv = given
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())
