"""The log of a worker: what it prints, from the beginning and from the end, whatever it prints in between."""

import contextlib
import os
import threading
from collections import deque
from pathlib import Path
from types import TracebackType

HEAD_BYTES = 1 << 20
TAIL_BYTES = 1 << 20
CHUNK_BYTES = 1 << 16
CLOSING_S = 1.0


class WorkerLog:
    """A file of at most `HEAD_BYTES` + `TAIL_BYTES` and a line between them that says how much was left out.

    `descriptor` is for the worker to write to. The block ends when the worker has ended.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file cannot be made."""
        self._file = path.open("wb", buffering=0)
        self._read_end, self.descriptor = os.pipe()
        self._head = 0
        self._tail: deque[bytes] = deque()
        self._kept = 0
        self._left_out = 0
        self._thread = threading.Thread(target=self._read, name="worker log", daemon=True)

    def __enter__(self) -> "WorkerLog":
        return self

    def read(self) -> None:
        """The worker has the descriptor, or never will: read what it prints until it ends."""
        os.close(self.descriptor)
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the end of the log. Whoever still has the descriptor writes in vain from now on."""
        if self._thread.ident is not None:
            self._thread.join(CLOSING_S)
        with contextlib.suppress(OSError), self._file:
            if self._left_out:
                self._file.write(f"\n[{self._left_out} bytes of the log were left out here]\n".encode())
            for chunk in list(self._tail):
                self._file.write(chunk)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := os.read(self._read_end, CHUNK_BYTES):
                self._take(chunk)
        os.close(self._read_end)

    def _take(self, chunk: bytes) -> None:
        head, rest = chunk[: HEAD_BYTES - self._head], chunk[max(0, HEAD_BYTES - self._head) :]
        if head:
            with contextlib.suppress(OSError):
                self._file.write(head)
            self._head += len(head)
        if rest:
            self._tail.append(rest)
            self._kept += len(rest)
        while self._kept - len(self._tail[0] if self._tail else b"") >= TAIL_BYTES:
            dropped = self._tail.popleft()
            self._kept -= len(dropped)
            self._left_out += len(dropped)
