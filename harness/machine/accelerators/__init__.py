"""What the drivers tell of the devices of a job: one module a vendor, chosen by the variable that selects devices.

Called before a bench and around each launch. Nothing here raises or opens a context on a device: what cannot be found
out is None, and `Accelerator.missing` says why. Devices are counted as the workers of this process count them.
"""

import os
from collections.abc import Mapping
from typing import Literal, Protocol

from harness.machine.accelerators import ascend, hygon_amd, nvidia
from harness.processes import worker_environment
from harness.results.devices import Accelerator, DeviceState


class Vendor(Protocol):
    """A vendor's drivers, asked about the first `devices` logical devices that `environ` shows to a job."""

    def describe(self, environ: Mapping[str, str], devices: int | None) -> Accelerator:
        """What stays the same between launches; of all devices where `devices` is None."""

    def states(
        self, environ: Mapping[str, str], devices: int, when: Literal["before", "after"]
    ) -> tuple[DeviceState, ...]:
        """How the devices are just now; none where no driver tells it."""


BY_VARIABLE: Mapping[str, Vendor] = {
    "CUDA_VISIBLE_DEVICES": nvidia,
    "ASCEND_RT_VISIBLE_DEVICES": ascend,
    "HIP_VISIBLE_DEVICES": hygon_amd,
}


def describe(variable: str | None, devices: int | None, environ: Mapping[str, str] = os.environ) -> Accelerator:
    """The devices of a job whose chip is selected by a variable, and their software; nothing for the CPU.

    The first `devices` are described; None means all that the job sees.
    """
    vendor = BY_VARIABLE.get(variable or "")
    return vendor.describe(worker_environment(environ), devices) if vendor else Accelerator()


def states(
    variable: str | None,
    when: Literal["before", "after"],
    devices: int = 1,
    environ: Mapping[str, str] = os.environ,
) -> tuple[DeviceState, ...]:
    """How the devices of a job are just before or after its work; nothing for the CPU."""
    vendor = BY_VARIABLE.get(variable or "")
    return vendor.states(worker_environment(environ), devices, when) if vendor else ()
