"""For all tests: signals reach the programs that they start, their benches wait for no other work of this machine.

A run that may skip nothing fails where it does. Where several processes share the tests, each takes whole files, and
files that share a costly fixture stay together.
"""

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

signal.signal(signal.SIGINT, signal.default_int_handler)
"""Shells make a run in the background ignore it."""

os.environ["CROSSCAST_TURNS"] = f"tests of process {os.getpid()}"

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
"""Threads of several small networks beside each other would spend most of their time spinning for each other."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""Hundreds of children import the harness, which each would compile anew."""

os.environ.pop("COLUMNS", None)
"""Where the terminal of the tests has exported it, commands would make their tables so narrow."""

TOGETHER = (
    "tests/models/aigoms",
    "tests/models",
    "tests/porting/parity",
    "tests/porting",
    "tests/data",
    "tests/rehearsal",
    "tests/setup",
)
"""Folders whose files share a costly fixture, inner ones first."""

LONGEST = (
    "tests/models/",
    "tests/parallel/test_mindspore_ranks.py",
    "tests/porting/parity/",
    "tests/cluster/test_planted.py",
    "tests/rehearsal/",
    "tests/parallel/",
    "tests/launch/",
    "tests/nightly/",
    "tests/cluster/",
)
"""What takes minutes begins first, so that no process waits at the end for another."""

NO_SKIPS = "CROSSCAST_NO_SKIPS"
"""The environment variable that, set to 1, makes a run fail that skips a test, whatever the reason."""


class SkipsCounted:
    """Turns a passing run red where tests were skipped."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.write_line(f"{NO_SKIPS}=1, but {len(self.skipped)} tests were skipped", red=True)


@pytest.fixture(autouse=True)
def _ctrl_c_stays() -> "Iterator[None]":
    """A test that changes what Ctrl-C does would end the process of a later one."""
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=5, help="How often tests/launch/test_kills.py kills a bench.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        return next((turn for turn, begin in enumerate(LONGEST) if item.nodeid.startswith(begin)), len(LONGEST))

    items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadScopeScheduling":
    from xdist.scheduler import LoadScopeScheduling

    class WholeFiles(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return next((folder for folder in TOGETHER if path.startswith(f"{folder}/")), path)

    config.option.loadscopereorder = False
    return WholeFiles(config, log)


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(NO_SKIPS) == "1":
        config.pluginmanager.register(SkipsCounted())
