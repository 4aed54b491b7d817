"""The peak of this process's resident memory, as Linux counts it.

getrusage is of no use here: its peak begins with that of the process that started this one.
"""

from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"


def forget_peak() -> bool:
    """Let the peak begin anew at what is resident now; False where the kernel does not allow that."""
    try:
        CLEAR.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def peak_bytes() -> int | None:
    """Peak since the start of the program or the last `forget_peak`; None where the kernel does not count it."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
