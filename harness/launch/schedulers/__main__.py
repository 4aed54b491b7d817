"""`python -m harness.launch.schedulers MODULE:FUNCTION FOLDER ...` runs the tasks of a job without a scheduler."""

import sys
from collections.abc import Sequence

from harness.launch.schedulers.running import run


def main(words: Sequence[str]) -> int:
    """Run pairs of function and folder in turn; a signal ends the one that runs and the rest.

    Returns the worst exit status.
    """
    statuses = [0]
    for function, folder in zip(words[::2], words[1::2], strict=True):
        statuses.append(run(function, folder))
        if statuses[-1] > 128:
            break
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
