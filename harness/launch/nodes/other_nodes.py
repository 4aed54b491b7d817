"""The nodes of a launch beside the first, as its supervisor sees them: started, listened to, asked to end."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from collectors import children
from harness import stopping
from harness.launch.ending import Ending, end_of
from harness.launch.launchers import Meeting
from harness.launch.nodes.allocation import allocation, srun
from harness.launch.nodes.messages import Report, Terms, Word, folder_of
from harness.launch.plan import LaunchPlan
from harness.launch.rank_watch import has_lost_another
from harness.results.environment import Environment

AGENT = "harness.launch.nodes.agent"
BEGIN_S = 300.0
"""What an agent may take for its first word: a node may wait for its file systems, or for another bench on it."""

SILENT_S = 60.0
"""A node of which so long nothing is heard is lost."""

LOST_S = 10.0
"""The same once the launch has failed, of a node that does not answer why."""

END_S, DONE_S = 45.0, 180.0
"""What agents may take to end their ranks and to account for their energy, after a launch that failed, or went well."""

DOUBTFUL_S = 4.0
"""And once somebody else ends the launch, so that it may be why."""

LAST_S = 2.0
POLL_S = 0.1
CHUNK = 1 << 16
SRUN_ERROR = re.compile(r"^srun: (?:error|fatal): (.+)$", re.MULTILINE)


class OtherNodes:
    """The nodes after the first of a launch whose plan takes several, from `start` until `end`."""

    def __init__(self, plan: LaunchPlan, folder: Path, captured: Environment, results: Path) -> None:
        """`captured` is the environment of the first node. Raises UserError where this job has no such nodes."""
        self._plan, self._folder, self._captured, self._results = plan, folder, captured, results
        found = allocation(plan.nodes)
        self.names, self.address = found.names, found.address
        self._child: children.Child | None = None
        self._forget()

    def _forget(self) -> None:
        self._rest, self._asked, self._gone = b"", False, False
        self._ended: dict[int, Word] = {}
        self._heard_s: dict[int, float] = {}
        self._lost_s: dict[int, float] = {}
        self._begun_s = time.monotonic()

    def start(self, meeting: Meeting, log: int) -> None:
        """Start an agent on each; what srun and they complain of goes to the descriptor `log`. Raises OSError."""
        self._forget()
        for node in self._numbers:
            folder_of(self._folder, node).mkdir(exist_ok=True)
        results = str(self._results.absolute())
        Terms(environment=self._captured, address=self.address, port=meeting.port, results=results).write(self._folder)
        words = children.python_module(AGENT, self._folder.absolute())
        self._child = children.start(
            srun(self._plan.nodes, words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        )
        assert self._child.stdout is not None
        os.set_blocking(self._child.stdout.fileno(), False)

    def has_failed(self) -> bool:
        """Whether a node has ended without being done, or is lost."""
        self._listen()
        said = any(word.status != "completed" and not word.asked for word in self._ended.values())
        return said or any(self._is_lost(node, SILENT_S) for node in self._missing)

    def finish(self, *, well: bool) -> None:
        """Wait until all have ended; where the launch has not gone `well`, ask them to."""
        if not well:
            self._ask()
        deadline_s = time.monotonic() + (DONE_S if well else END_S)
        self._listen()
        while any(not self._is_lost(node, SILENT_S if well else LOST_S) for node in self._missing):
            if time.monotonic() > deadline_s:
                return
            stopping.check()
            time.sleep(POLL_S)
            self._listen()

    def end(self) -> None:
        """End what is left of the agents."""
        if self._child is None:
            return
        self._listen()
        self._lost_s = {node: self._silent_s(node) for node in self._missing}
        if self._missing:
            self._ask()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(LAST_S)
        self._child.end(LAST_S)
        self._listen()

    def ending(self, log: str) -> Ending | None:
        """Why the launch failed, by the other nodes; None where they only say that they have lost another.

        `log` is what srun has printed, too. Call it after `end`.
        """
        told = [self._ended[node] for node in sorted(self._ended)]
        for word in told:
            if word.status not in (None, "completed") and not word.asked and not has_lost_another(word.reason):
                return Ending(word.status, f"node {self.names[word.node]}: {word.reason}")
        for node in self._missing:
            return Ending("crashed", f"node {self.names[node]} is lost: {self._why_lost(node, log)}")
        return None

    def doubts(self) -> str | None:
        """Of which nodes nothing was heard any more when they were ended; None where all answered."""
        silent = [self.names[node] for node, silent_s in self._lost_s.items() if silent_s > DOUBTFUL_S]
        return f"nothing was heard any more of node {' and '.join(silent)}" if silent else None

    def reports(self) -> Mapping[int, Report | None]:
        """What each has left, by its number."""
        return {node: Report.read(folder_of(self._folder, node)) for node in self._numbers}

    @property
    def _numbers(self) -> range:
        return range(1, self._plan.nodes)

    @property
    def _missing(self) -> list[int]:
        """Those that have not said how they ended."""
        return [node for node in self._numbers if node not in self._ended]

    def _is_lost(self, node: int, silent_s: float) -> bool:
        """Whether srun has ended without a word of it, or nothing is heard of it for so long."""
        has_begun = node in self._heard_s
        return self._gone or self._silent_s(node) > (silent_s if has_begun or silent_s < SILENT_S else BEGIN_S)

    def _silent_s(self, node: int) -> float:
        return time.monotonic() - self._heard_s.get(node, self._begun_s)

    def _why_lost(self, node: int, log: str) -> str:
        told = SRUN_ERROR.findall(log)
        said = f" (srun: {told[-1]})" if told else ""
        if self._lost_s.get(node, 0.0) > LOST_S:
            return f"nothing was heard of it for {self._lost_s[node]:.0f} s{said}"
        if node in self._heard_s:
            return f"it ended without a word{said}"
        returncode = self._child.returncode if self._child is not None else None
        return f"it never answered, and srun {end_of(returncode)}{said}"

    def _ask(self) -> None:
        """Have srun pass on to the agents that the launch is over."""
        if self._asked or self._child is None or self._child.poll() is not None:
            return
        self._asked = True
        with contextlib.suppress(OSError):
            os.kill(self._child.pid, signal.SIGUSR1)

    def _listen(self) -> None:
        """Take what agents have said since; what is no word of theirs is passed over."""
        pipe = self._child.stdout if self._child is not None else None
        if self._child is None or pipe is None:
            return
        self._gone = self._child.poll() is not None
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(pipe.fileno(), CHUNK):
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                for line in lines:
                    self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            word = Word.model_validate_json(line)
        except ValidationError:
            return
        if word.node not in self._numbers:
            return
        self._heard_s[word.node] = time.monotonic()
        if word.status is not None:
            self._ended.setdefault(word.node, word)


def other_nodes(plan: LaunchPlan, folder: Path, captured: Environment, results: Path) -> OtherNodes | None:
    """The nodes after the first, None of a launch on one; raises what OtherNodes raises."""
    return OtherNodes(plan, folder, captured, results) if plan.nodes > 1 else None
