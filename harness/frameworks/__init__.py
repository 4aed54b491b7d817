"""The frameworks, each behind the same small protocol (base.py) and imported only inside a child process."""

from importlib import import_module

from harness.frameworks.base import Framework


def open_framework(name: str, device: str, *, compiled: bool) -> Framework:
    """Import a framework and open its device."""
    framework: Framework = import_module(f"harness.frameworks.{name}").open_device(device, compiled=compiled)
    return framework
