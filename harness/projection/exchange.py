"""What it takes ranks on the CPUs of this host to add up arrays, measured by NumPy over the sockets of the host.

`measure` starts the ranks, each of which runs this module. They work as Gloo does between ranks of PyTorch: in a ring
(Thakur et al. 2005), each sends a part of the array to the next and adds what comes from the one before, with the core
that computes.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from queue import SimpleQueue
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from collectors import children
from harness.errors import UserError
from harness.models.activations import FLOAT32_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALL, LARGE = 2**10, 2**23
"""Bytes of the arrays that are added up: one tells what a message takes, the other what bytes take."""

UNTIMED, TIMED = 3, 15
LOCAL = "127.0.0.1"
LIMIT_S = 300.0


class Link(NamedTuple):
    """Bytes a second that go over it from each rank, and seconds that a message takes beside them."""

    bandwidth: float
    latency_s: float = 0.0


def measure(ranks: int) -> Link:
    """The link of so many ranks on this host, by the medians of two sizes.

    Raises UserError where there are fewer cores, or a rank does not answer.
    """
    from harness.launch.room import cores

    if ranks > (there := cores()):
        raise UserError(f"{ranks} ranks cannot be measured on this host: it has {there} cores, and each takes one")
    small_s, large_s = _medians(ranks)
    messages, of_bytes_s = 2 * (ranks - 1), large_s - min(small_s, large_s / 2)
    return Link(messages * (LARGE - SMALL) / ranks / of_bytes_s, small_s / messages)


def _medians(ranks: int) -> Sequence[float]:
    """Seconds of adding up arrays of both sizes, as the first rank measured them."""
    with ExitStack() as stack:
        try:
            started = [_started(number, ranks, stack) for number in range(ranks)]
            ports = [json.loads(_answer(child)) for child in started]
            for child in started:
                _tell(child, json.dumps(ports))
            found: list[float] = json.loads(_answer(started[0]))
        except (OSError, ValueError):
            raise UserError(
                f"the exchange of {ranks} ranks cannot be measured on this host, where one did not answer: fill in "
                "link_gb_s in the file of the chip"
            ) from None
    return found


def _started(number: int, ranks: int, stack: ExitStack) -> children.Child:
    """A rank that ends with the stack, or when it takes too long."""
    command = children.python_module(__name__, number, ranks)
    child = children.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    stack.callback(child.end)
    watch = threading.Timer(LIMIT_S, child.kill)
    watch.start()
    stack.callback(watch.cancel)
    return child


def _answer(child: children.Child) -> bytes:
    assert child.stdout
    return child.stdout.readline()


def _tell(child: children.Child, text: str) -> None:
    assert child.stdin
    child.stdin.write(f"{text}\n".encode())
    child.stdin.flush()


class Ring:
    """A rank that takes from the one before it and gives to the next."""

    def __init__(self, number: int, ranks: int, before: socket.socket, after: socket.socket) -> None:
        self._number, self._ranks, self._before, self._after = number, ranks, before, after
        self._waiting: SimpleQueue[memoryview | None] = SimpleQueue()
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def close(self) -> None:
        """Wait until the next rank has all that it waits for."""
        self._waiting.put(None)
        self._sender.join(LIMIT_S)

    def _send(self) -> None:
        while (values := self._waiting.get()) is not None:
            self._after.sendall(values)

    def add_up(self, parts: "NDArray[np.float32]", came: "NDArray[np.float32]") -> None:
        """Parts (ranks, values) added up over the ranks; what comes is put into `came` (values,)."""
        for step in range(self._ranks - 1):
            self._pass(parts[(self._number - step) % self._ranks], came)
            parts[(self._number - step - 1) % self._ranks] += came
        for step in range(self._ranks - 1):
            self._pass(parts[(self._number + 1 - step) % self._ranks], parts[(self._number - step) % self._ranks])

    def _pass(self, own: "NDArray[np.float32]", came: "NDArray[np.float32]") -> None:
        self._waiting.put(own.data.cast("B"))
        left = came.data.cast("B")
        while left:
            received = self._before.recv_into(left)
            if not received:
                raise ConnectionError("the rank before has ended")
            left = left[received:]


def medians(ring: Ring, ranks: int) -> list[float]:
    """Median seconds of adding up arrays of both sizes."""
    import numpy as np

    found = []
    for size in (SMALL, LARGE):
        parts = np.zeros((ranks, size // ranks // FLOAT32_BYTES), np.float32)
        came = np.empty_like(parts[0])
        times_s = []
        for _ in range(UNTIMED + TIMED):
            begun_s = time.perf_counter()
            ring.add_up(parts, came)
            times_s.append(time.perf_counter() - begun_s)
        found.append(median(times_s[UNTIMED:]))
    return found


def main(number: int, ranks: int) -> None:
    """Tell the port of this rank, be told those of all, and tell the seconds."""
    with socket.create_server((LOCAL, 0)) as server:
        server.settimeout(LIMIT_S)
        print(server.getsockname()[1], flush=True)
        ports: list[int] = json.loads(sys.stdin.readline())
        after = socket.create_connection((LOCAL, ports[(number + 1) % ranks]), LIMIT_S)
        before, _ = server.accept()
    for each in (after, before):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        each.settimeout(LIMIT_S)
    ring = Ring(number, ranks, before, after)
    found = medians(ring, ranks)
    ring.close()
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
