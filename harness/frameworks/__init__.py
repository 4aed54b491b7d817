"""The frameworks, each behind the same small protocol (base.py) and imported only inside a child process."""

from importlib import import_module

from harness.frameworks.base import Framework
from harness.scenario.execution import EAGER, Execution


def open_framework(name: str, device: str, execution: Execution = EAGER) -> Framework:
    """Import a framework and open its device."""
    framework: Framework = import_module(f"harness.frameworks.{name}.trainer").open_device(device, execution)
    return framework
