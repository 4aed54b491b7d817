"""A child process that prints one JSON object on its last line, with a time limit."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import Any

from harness.launch.worker_process import worker_environment


def ask_child(module: str, *arguments: object, timeout_s: float) -> dict[str, Any]:
    """What `python -m module` prints; {"reason": ...} where it prints nothing of the kind or not in time."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=worker_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return {"reason": f"no answer within {timeout_s:g} s"}
    finally:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for line in reversed(stdout.decode(errors="replace").splitlines()):
        with contextlib.suppress(ValueError):
            answer = json.loads(line)
            if isinstance(answer, dict):
                return answer
    words = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    return {"reason": f"ended with status {process.returncode}: {words[-1] if words else 'it said nothing'}"}
