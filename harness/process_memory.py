"""The peak of this process's resident memory, as Linux counts it.

getrusage is of no use here: its peak begins with that of the process that started this one.
"""

import resource
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"


def forget_peak() -> None:
    """Let the peak begin anew at what is resident now, where the kernel allows it."""
    try:
        CLEAR.write_text(RESET_PEAK)
    except OSError:
        return


def peak_bytes() -> int:
    """Peak since the start of the program or the last `forget_peak`."""
    try:
        lines = STATUS.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
