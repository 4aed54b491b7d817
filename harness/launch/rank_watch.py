"""The ranks of a launch, watched by what each leaves of itself: whether they meet, go on, and all end well.

A launcher may end with status 0 though a rank has failed, or wait for ever for one that is gone.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from harness.launch.ending import Ending, end_of
from harness.worker import state
from harness.worker.state import RankState

GRACE_S = 5.0
"""What the others may take to end once a rank has failed or is gone, before they are killed."""

LAST_WORDS_S = 20.0
"""What a launcher may take then to say how its ranks have ended: torchrun first waits for those that are left."""

LOOK_S = 0.5

PEER_LOST = re.compile(
    r"clos(?:ed|ing)\b.*\bpeer|connection (?:was )?(?:reset|closed|refused)|broken pipe|remote (?:process|peer|side)|"
    r"socket timeout|watchdog|heartbeat|(?:node|process|rank|worker)\S* .*\b(?:abnormal|exited|disconnected|timed?out)|"
    r"\bRecv\b.*\bfail|\bSend\b.*\bfail|(?:AllReduce|AllGather|Broadcast)\b.*\bfail|hcom|HCCL|NCCL",
    re.IGNORECASE,
)
"""What a rank says that has lost another one: not why the launch failed, where there is another reason."""

WAITED = re.compile(r"\btimed?[ -]?out\b", re.IGNORECASE)
"""What a rank says that has waited for another in vain, which may be there and hang."""

ADDRESS_IN_USE = re.compile(
    r"EADDRINUSE|address already in use|errno: 98|\bport\b.*\b(?:in use|occupied)", re.IGNORECASE
)
EXIT_CODES = (r"exitcode *: (-?\d+)\b.*?\bpid: {pid}\b", r"Worker process {pid} exit\w* .*?code: (-?\d+)")
"""How launchers tell the exit status of a process."""


class RankWatch:
    """Ranks of the launch in a folder: all of them, or those of one node.

    Of a rank on another node no process can be looked at; `elsewhere` says whether the launch has failed there.
    """

    def __init__(self, folder: Path, ranks: range, elsewhere: Callable[[], bool] = lambda: False) -> None:
        self._folder, self.ranks, self._elsewhere = folder, ranks, elsewhere
        self._begin()

    def _begin(self) -> None:
        self._looked_s = 0.0
        self._failed_s: float | None = None
        self._first: frozenset[int] = frozenset()
        self._killed: frozenset[int] = frozenset()

    def is_over(self) -> bool:
        """Whether a rank has failed, or is gone, and the others and the launcher have had their time to end.

        Kills the ranks that are still there after their time, as the launcher may wait for them.
        """
        now_s = time.monotonic()
        if now_s < self._looked_s + LOOK_S:
            return False
        self._looked_s = now_s
        states = self._states()
        if self._failed_s is None:
            ended = frozenset(rank for rank, each in states.items() if each and (each.is_gone or _has_failed(each)))
            if ended or self._elsewhere():
                self._first, self._failed_s = ended, now_s
        if self._failed_s is None:
            return False
        if not any(states.values()):
            return True
        if now_s <= self._failed_s + GRACE_S:
            return False
        self._killed |= self._kill_those_left()
        return now_s > self._failed_s + GRACE_S + LAST_WORDS_S

    @property
    def was_asked(self) -> bool:
        """Whether the launch has failed elsewhere alone, as far as anybody has looked."""
        return self._failed_s is not None and not self._first

    def knows_why(self) -> bool:
        """Whether a rank has failed, or is gone, or all are done, so that the launch ends by itself."""
        states = self._states().values()
        failed = any(each and (each.is_gone or _has_failed(each)) for each in states)
        return failed or all(each and each.status == "completed" for each in states)

    def says_why(self) -> bool:
        """Whether a rank ended before its launcher, or says more than that it lost another, or all are done.

        Where none does, ranks may have ended with a launcher that somebody has killed.
        """
        states = self._states().values()
        failed = any(each and _has_failed(each) and not _has_lost_another(each) for each in states)
        return bool(self._first) or failed or all(each and each.status == "completed" for each in states)

    def _kill_those_left(self) -> frozenset[int]:
        """Kill the ranks that run; their numbers."""
        killed = set()
        for rank, each in self._states().items():
            if each and each.is_running:
                with contextlib.suppress(OSError):
                    os.kill(each.pid, signal.SIGKILL)
                    killed.add(rank)
        return frozenset(killed)

    def may_try_again(self, log: str) -> bool:
        """Whether the ranks never met, because somebody else had the port at which they were to."""
        met = any(each.joined for each in self._states().values() if each)
        return not met and ADDRESS_IN_USE.search(log) is not None

    def is_done(self, ranks: range) -> bool:
        """Whether these ranks all say that they are done."""
        states = self._states()
        return all(each is not None and each.status == "completed" for each in map(states.get, ranks))

    def forget(self) -> None:
        """Remove what ranks have left, before they are started again."""
        for rank in self.ranks:
            state.path_of(self._folder, rank).unlink(missing_ok=True)
        self._begin()

    def ending(self, log: str, elsewhere: Ending | None = None) -> Ending | None:
        """How the launch ended by its ranks, `log` being what launcher and ranks have printed.

        `elsewhere` is how other nodes say that it ended there. None where no rank says anything of an end: the launcher
        has to be judged. The cause is looked for among the ranks that were the first to end, and among others only
        where those have merely lost one.
        """
        every = states = self._states()
        if all(each and each.status == "completed" for each in states.values()):
            return Ending("completed", None)
        first = {rank: each if rank in self._first else None for rank, each in states.items()}
        if self._first and not all(each is None or _has_lost_another(each) for each in first.values()):
            states = first
        gone = [rank for rank, each in states.items() if each and each.is_gone and rank not in self._killed]
        failed = sorted(
            ((each.t_ns or 0, rank, each) for rank, each in states.items() if each and _has_failed(each)),
            key=lambda found: found[:2],
        )
        own = [found for found in failed if not _has_lost_another(found[2])]
        if not own and elsewhere is not None:
            return elsewhere
        if own or (failed and not gone):
            _, rank, said = (own or failed)[0]
            silent = [number for number, each in every.items() if each and each.status is None]
            hung = f"{_named(silent)} gave no answer; " if silent and WAITED.search(said.reason or "") else ""
            return Ending(said.status or "crashed", f"{hung}rank {rank}: {said.reason}")
        if gone:
            return Ending("crashed", self._said_of_gone(gone, states, log))
        return None

    def _said_of_gone(self, gone: list[int], states: dict[int, RankState | None], log: str) -> str:
        """The first rank of which a launcher tells that it failed, and how; else all that are gone."""
        for rank in gone:
            for pattern in EXIT_CODES:
                found = re.search(pattern.format(pid=getattr(states[rank], "pid", 0)), log)
                if found and int(found[1]) not in (0, -signal.SIGTERM):
                    return f"rank {rank}: {end_of(int(found[1]))}"
        return f"{_named(gone)}: gone without a word"

    def _states(self) -> dict[int, RankState | None]:
        return {rank: state.read(self._folder, rank) for rank in self.ranks}


def _named(ranks: list[int]) -> str:
    return f"{'rank' if len(ranks) == 1 else 'ranks'} {' and '.join(map(str, ranks))}"


def _has_failed(each: RankState) -> bool:
    return each.status not in (None, "completed")


def _has_lost_another(each: RankState) -> bool:
    return _has_failed(each) and has_lost_another(each.reason)


def has_lost_another(reason: str | None) -> bool:
    """Whether this is what somebody says that has merely lost a rank."""
    return PEER_LOST.search(reason or "") is not None
