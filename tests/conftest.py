"""For all tests: signals reach the programs that they start, and their benches wait for no other work of this machine.

Shells make a run in the background ignore Ctrl-C.
"""

import os
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["CROSSCAST_TURNS"] = f"tests of process {os.getpid()}"
