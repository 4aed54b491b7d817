"""Ranks of MindSpore in child processes that msrun starts, one thread each."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.shared import REPOSITORY

LIMIT_S = 600


def run_ranks(script, folder, *arguments, size=2):
    """Let msrun start `script FOLDER ARGUMENTS` once a rank, and wait for the end of them all.

    msrun calls `python`, so that the environment's own comes first. On SIGINT it ends its ranks, which a kill leaves.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "worker_num": size,
        "local_worker_num": size,
        "master_addr": "127.0.0.1",
        "master_port": port,
        "log_dir": folder / "logs",
        "join": True,
    }
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "mindspore.parallel.cluster.run"),
            *(f"--{name}={value}" for name, value in options.items()),
            *map(str, (script, folder, *arguments)),
        ],
        env={
            **os.environ,
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
            "GLOG_v": "3",
        },
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        code = child.wait(LIMIT_S)
    finally:
        child.send_signal(signal.SIGINT)
        child.wait()
    logs = "\n".join(path.read_text(errors="replace")[-4000:] for path in sorted((folder / "logs").glob("worker*")))
    assert code == 0, f"msrun: exit code {code}\n{logs}"
