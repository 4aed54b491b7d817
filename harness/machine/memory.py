"""How much memory a process can have here at all: less than any sum that must be there at once cannot suffice."""

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil


def limit_bytes(cgroups: Path = Path("/sys/fs/cgroup"), memberships: Path = Path("/proc/self/cgroup")) -> int:
    """The least of what the machine has with its swap, what the control groups allow, and `ulimit -v`."""
    swap_bytes = psutil.swap_memory().total
    limits = [psutil.virtual_memory().total + swap_bytes]
    limits += [allowed + swap_bytes for allowed in _cgroup_limits(cgroups, memberships)]
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        limits.append(address_space)
    return min(limits)


def _cgroup_limits(cgroups: Path, memberships: Path) -> Iterator[int]:
    """What each control group around this process allows without swap, of version 2 and 1."""
    try:
        lines = memberships.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        root, file_name = (cgroups / "memory", "memory.limit_in_bytes") if controllers else (cgroups, "memory.max")
        group = Path(name.lstrip("/"))
        for place in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):
                yield int((root / place / file_name).read_text())
