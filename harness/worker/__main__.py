"""`python -m harness.worker FOLDER`: one rank of one launch of one scenario in a process of its own."""

import os
import sys
from pathlib import Path
from time import perf_counter

from harness.results import file_names
from harness.worker.place import take_place

begun = perf_counter()
folder = Path(sys.argv[1])
place = take_place(folder / file_names.LAUNCH, os.environ)

from harness.worker.measuring import main  # noqa: E402

code = main(folder, begun, place)
sys.stdout.flush()
sys.stderr.flush()
if code and place.size > 1:
    os._exit(code)
sys.exit(code)
