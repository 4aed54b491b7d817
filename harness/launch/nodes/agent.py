"""`python -m harness.launch.nodes.agent FOLDER`, by srun: the part of a launch that a node after the first makes.

Its standard output is for its words alone; what it complains of goes to its standard error, the log of the launch.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from harness import stopping
from harness.errors import UserError, one_line
from harness.launch.ending import Ending
from harness.launch.launchers import Meeting
from harness.launch.nodes.messages import BEAT_S, MOST_OF_A_REASON, Report, Terms, Word, folder_of
from harness.launch.nodes.software import differences, problem_of_software
from harness.launch.plan import LaunchPlan
from harness.launch.rank_watch import RankWatch
from harness.launch.room import problem_of_ranks
from harness.launch.submission.devices import select_again
from harness.launch.turns import NAMESPACE, turn
from harness.launch.watched_node import WatchedNode
from harness.launch.worker_process import run_on_node
from harness.machine import environment
from harness.processes import worker_environment
from harness.results.file_names import LOG
from harness.results.ranks import measurements_name
from harness.results.record import WorkerMeasurements
from harness.worker.place import NODE


class Voice:
    """Says every second that this node is alive, until it says how the node ended."""

    def __init__(self, node: int) -> None:
        self._node, self._over = node, threading.Event()
        self._thread = threading.Thread(target=self._beat, name="voice", daemon=True)
        self._thread.start()

    def end(self, ending: Ending, *, asked: bool) -> None:
        """The last word."""
        self._over.set()
        self._thread.join()
        reason = ending.reason and ending.reason[:MOST_OF_A_REASON]
        self._say(Word(node=self._node, status=ending.status, reason=reason, asked=asked))

    def _beat(self) -> None:
        while True:
            self._say(Word(node=self._node))
            if self._over.wait(BEAT_S):
                return

    def _say(self, word: Word) -> None:
        os.write(1, word.model_dump_json(exclude_defaults=True).encode() + b"\n")


def make(folder: Path, node: int, asked: Callable[[], bool]) -> tuple[Ending, bool]:
    """Make this node's part of the launch in `folder`; how it ended, and whether only because others have.

    Raises UserError, OSError, and KeyboardInterrupt where a signal came.
    """
    try:
        plan, terms = LaunchPlan.read(folder), Terms.read(folder)
    except (OSError, ValueError):
        what = f"{folder} cannot be read there: several nodes need a folder of results that all of them see"
        return Ending("failed", what), False
    own = folder_of(folder, node)
    select_again(plan.chip.visible_devices, 0 if plan.runs_on_host else plan.device_count, os.environ)
    captured = environment.of_worker(environment.capture(plan.chip.visible_devices, plan.device_count), plan.python)
    report = Report(environment=captured, differences=differences(terms.environment, captured))
    report.write(own)
    problem = problem_of_software(terms.environment, captured) or problem_of_ranks(plan.scenario, captured)
    if problem is not None:
        return Ending("failed", problem), False
    watch = RankWatch(folder, range(node * plan.ranks_of_node, (node + 1) * plan.ranks_of_node), asked)
    with turn(plan.devices, plan.chip.title, lambda line: print(line, file=sys.stderr, flush=True)), stopping.held():
        child_environment = worker_environment(os.environ)
        watched = WatchedNode(plan, own, child_environment)
        try:
            with stopping.allowed():
                watched.wait_ready(Path(terms.results))
            meeting = Meeting(terms.port, terms.address, node)
            ending = run_on_node(plan, folder, own / LOG, child_environment, meeting, watch)
        finally:
            watched.stop()
        energy = watched.energy(_measured(folder, watch.ranks[0]), Path(terms.results))
        report.model_copy(update={"load": watched.load(captured.cpu_count), "energy": energy}).write(own)
    return ending, watch.was_asked


def _measured(folder: Path, rank: int) -> WorkerMeasurements:
    """What a rank of this node has measured: its phases are by the clock of this node."""
    try:
        return WorkerMeasurements.model_validate_json((folder / measurements_name(rank)).read_bytes())
    except (OSError, ValueError):
        return WorkerMeasurements()


def main(folder: Path) -> int:
    """Make this node's part and say how it ended."""
    over = threading.Event()
    signal.signal(signal.SIGUSR1, lambda number, frame: over.set())
    node = int(os.environ["SLURM_PROCID"]) + 1
    os.environ[NODE] = str(node)
    if NAMESPACE in os.environ:
        os.environ[NAMESPACE] += f" node {node}"
    voice, asked = Voice(node), False
    try:
        with stopping.catching():
            ending, asked = make(folder, node, over.is_set)
    except KeyboardInterrupt as error:
        ending, asked = Ending("interrupted", stopping.cause_of(stopping.number_of(error))), over.is_set()
    except UserError as error:
        ending = Ending("failed", str(error))
    except Exception as error:
        ending = Ending("crashed", one_line(error))
    voice.end(ending, asked=asked)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
