"""Whether a framework can run here: its packages installed in this Python, the chip's device files present."""

from pathlib import Path

from harness.scenario.schema import ChipConfig, FrameworkName


def cannot_run(chip: ChipConfig, framework: FrameworkName) -> str | None:
    """Why a framework cannot run on a chip in this Python, None if nothing speaks against it."""
    from importlib.util import find_spec

    entry = chip.frameworks.get(framework)
    if entry is None:
        return f"the chip's file says nothing of {framework}"
    if entry.unavailable is not None:
        return entry.unavailable
    missing = [package for package in entry.packages if find_spec(package) is None]
    if missing:
        return f"{' and '.join(missing)} not installed; {entry.obtain}"
    if chip.device_nodes is not None and not any(Path("/").glob(chip.device_nodes.lstrip("/"))):
        return f"no {chip.title} here: {chip.device_nodes} does not exist"
    return None
