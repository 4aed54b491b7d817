"""For all tests: Ctrl-C reaches the programs that they start, though shells make a run in the background ignore it."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
