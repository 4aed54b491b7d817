"""Ranks of PyTorch in child processes: one thread each, with the environment that torchrun gives them."""

import os
import socket
import subprocess
import sys

from tests.shared import REPOSITORY

LIMIT_S = 600


def run_ranks(script, size, folder, *arguments):
    """Start `script FOLDER ARGUMENTS` once a rank, without any of torchrun's variables where `size` is 1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [_start(script, rank, size, port, folder, arguments) for rank in range(size)]
    return Children(children, folder)


class Children:
    """Processes that were started; `finished` waits for them and shows the log of one that failed."""

    def __init__(self, children, folder):
        self.children, self.folder = children, folder

    def finished(self):
        try:
            codes = [child.wait(LIMIT_S) for child in self.children]
        finally:
            self.end()
        logs = "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("log-*")))
        assert not any(codes), f"exit codes {codes}\n{logs}"

    def end(self):
        for child in self.children:
            child.kill()
            child.wait()


def _start(script, rank, size, port, folder, arguments):
    own = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    if size > 1:
        own |= {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    with (folder / f"log-{size}-{rank}").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, script, folder, *arguments],
            env={**os.environ, **{name: str(value) for name, value in own.items()}},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
