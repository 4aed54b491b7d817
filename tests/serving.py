"""Children that answer many questions, each as `python -m module` would in a process that a framework starts for it.

`python serving.py` reads a line of JSON for each question: folder, module and arguments. Its answer, a line of JSON, is
the last JSON object that the module prints, or {"reason": ...}. What a framework takes to start is paid once.
"""

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path


class Server:
    """A child that answers questions in this environment, with these folders on its path, its errors in a file."""

    def __init__(self, log, *path, **environment):
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "GLOG_v": "3", **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._log = log

    def ask_child(self, module, *arguments, timeout_s=None, python=None):
        """As harness.processes.ask_child, from the current folder."""
        question = {"folder": str(Path.cwd()), "module": module, "arguments": list(map(str, arguments))}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._log.read_text(errors="replace")[-4000:]
        return json.loads(line)

    def end(self):
        """End the child."""
        self._process.stdin.close()
        self._process.wait(60)


def answer(folder, module, arguments):
    """What a module prints last."""
    os.chdir(folder)
    sys.argv = [module, *arguments]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except Exception as error:
        return {"reason": f"ended with status 1: {type(error).__name__}: {error}"}
    for line in reversed(printed.getvalue().splitlines()):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                return found
    return {"reason": "ended with status 0: it said nothing"}


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr
    for question in sys.stdin:
        print(json.dumps(answer(**json.loads(question))), file=answers, flush=True)
