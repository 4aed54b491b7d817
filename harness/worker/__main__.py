"""`python -m harness.worker FOLDER`: one launch of one scenario in a process of its own."""

import sys
from pathlib import Path
from time import perf_counter

from harness.worker.measuring import main

begun = perf_counter()
code = main(Path(sys.argv[1]), begun)
sys.stdout.flush()
sys.stderr.flush()
sys.exit(code)
