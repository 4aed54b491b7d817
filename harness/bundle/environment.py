"""What a bundle says of the machine and its software, beside what each record says of its own launch."""

import contextlib
import shutil
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from harness.launch.requirements import size_text
from harness.machine import environment, probe
from harness.machine.availability import cannot_run
from harness.power.preferences import chips_here, device_files
from harness.scenario import catalogue

SHARED_MEMORY = Path("/dev/shm")
OS_RELEASE = Path("/etc/os-release")


def described() -> dict[str, Any]:
    """The environment of a launch here for each chip whose device files exist, packages, and why what cannot run."""
    chips = {name: catalogue.chip(name) for name in chips_here()}
    return {
        "environments": {
            name: environment.capture(chip.visible_devices).model_dump(mode="json") for name, chip in chips.items()
        },
        "device_files": {name: [str(path) for path in device_files(chip)] for name, chip in chips.items()},
        "frameworks": {
            name: {framework: cannot_run(chip, framework) or "may run" for framework in chip.frameworks}
            for name, chip in chips.items()
        },
        "packages": _packages(),
        "operating_system": _operating_system(),
        "shared_memory": _free(SHARED_MEMORY),
    }


def _packages() -> dict[str, str]:
    """Versions by name; what tells no name, or cannot be read, is what interrupted installations leave."""
    found = {}
    for each in distributions():
        with contextlib.suppress(ValueError, TypeError, OSError):
            name, version = probe.name_and_version(each)
            if name:
                found[name] = version or "unknown"
    return dict(sorted(found.items()))


def _operating_system() -> str | None:
    with contextlib.suppress(OSError):
        for line in OS_RELEASE.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip('"')
    return None


def _free(folder: Path) -> str | None:
    with contextlib.suppress(OSError):
        usage = shutil.disk_usage(folder)
        return f"{size_text(usage.free)} of {size_text(usage.total)} free"
    return None
