"""For all tests: signals reach the programs that they start, and their benches wait for no other work of this machine.

Shells make a run in the background ignore Ctrl-C.
"""

import os
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["CROSSCAST_TURNS"] = f"tests of process {os.getpid()}"


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=8, help="How often tests/launch/test_kills.py kills a bench.")
