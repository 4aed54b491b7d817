"""Commands of crosscast in processes of their own that need not import the harness anew: a server that has forks them.

Each has its folder, environment and output to itself, and ends and is ended as `python -m harness` is. A function can
be called in such a process, too, where nothing else that has run before has left threads that take memory.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

PRELOADED = (
    "pytest",
    "harness.commands.bench",
    "harness.commands.power",
    "harness.launch.bench",
    "harness.data.rossby",
    "harness.analysis.tables.writing",
    "harness.analysis.figures.writing",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
)
"""What the server imports. No framework: neither survives a fork."""

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(list(PRELOADED))


class Command:
    """A command that runs, as far as tests need `subprocess.Popen` of it; its output is text.

    What it prints goes to the end of the file `said` instead, where one is named.
    """

    def __init__(
        self, folder: Path, words: tuple[object, ...], environment: Mapping[str, str], said: Path | None = None
    ) -> None:
        self.args = ["crosscast", *map(str, words)]
        self._files = (said, said) if said else (_new_file(), _new_file())
        self._process = FORKED.Process(target=_run, args=(self.args, folder, dict(environment), self._files))
        self._printed: tuple[str, str] | None = None
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, less than 0 after a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status when it has ended. Raises TimeoutExpired where it takes longer than `timeout` in seconds."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it has printed when it has ended, to its output and as errors; may be asked again."""
        self.wait(timeout)
        if self._printed is None:
            out, err = (path.read_text() for path in self._files)
            self._printed = out, err
            for path in self._files:
                path.unlink()
        return self._printed


def run(
    folder: Path, words: tuple[object, ...], environment: Mapping[str, str], timeout: float = 900
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder to its end. Raises TimeoutExpired after `timeout` in seconds, and has then ended it."""
    command = Command(folder, words, environment)
    try:
        out, err = command.communicate(timeout)
    finally:
        command.kill()
    return subprocess.CompletedProcess(command.args, command.wait(), out, err)


def called_alone(function: Callable[..., Any], *arguments: object) -> Any:
    """What a function of a module returns, called in a process of its own; raises what it raises."""
    with ProcessPoolExecutor(1, mp_context=FORKED) as pool:
        return pool.submit(function, *arguments).result()


def _new_file() -> Path:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        return Path(file.name)


def _run(words: list[str], folder: Path, environment: Mapping[str, str], files: tuple[Path, Path]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    sys.argv[:] = words
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    for name, number, path in (("stdout", 1, files[0]), ("stderr", 2, files[1])):
        with path.open("ab") as file:
            os.dup2(file.fileno(), number)
        stream = open(number, "w", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    from harness.commands.cli import main

    main()
