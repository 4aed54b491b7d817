"""The devices of a launch, its ranks, and who else was on the machine."""

from typing import Literal

from pydantic import Field

from harness.frozen import Frozen
from harness.results.measurements import Memory

Vendor = Literal["nvidia", "ascend", "hygon_amd"]

UNORDERED = "is not known: all that it shows are listed"
"""How the line in `Accelerator.missing` ends that says so of the order of its devices."""


class Device(Frozen):
    """What stays the same of a device between launches; None where the driver does not tell it.

    `index` is the logical number by which the job calls it. Clocks are the highest that the device may take.
    """

    index: int
    name: str | None = None
    memory_bytes: int | None = None
    clock_mhz_max: float | None = None
    memory_clock_mhz_max: float | None = None
    power_cap_w: float | None = None
    ecc: bool | None = Field(default=None, description="whether errors of its memory are corrected")
    persistence: bool | None = Field(default=None, description="whether the driver stays loaded without a client")
    mode: str | None = Field(default=None, description="how it is shared or divided, in the vendor's words")
    firmware: str | None = None

    def __str__(self) -> str:
        """What is known of it, in one line."""
        return f"device {self.index}: {_words(self, apart=('index',)) or 'nothing known'}"


class Accelerator(Frozen):
    """The devices of a job and the software below its framework; None where it could not be found out.

    `missing` says what could not, and why, one line each. All is empty for a job on the CPU.
    """

    vendor: Vendor | None = None
    driver: str | None = Field(default=None, description="version of the kernel's driver: NVIDIA, HDK, HCU or amdgpu")
    firmware: str | None = None
    toolkit: str | None = Field(default=None, description="CUDA that the driver serves, CANN, DTK or ROCm")
    kernels: str | None = Field(default=None, description="package of compiled operators of CANN")
    devices: tuple[Device, ...] = ()
    missing: tuple[str, ...] = ()

    def first(self, count: int) -> "Accelerator":
        """The same with no more than the first `count` devices; with all where their order is not known."""
        if any(line.endswith(UNORDERED) for line in self.missing):
            return self
        return self.model_copy(update={"devices": self.devices[:count]})

    @property
    def alike(self) -> "Accelerator":
        """The same with the devices up to the first of another name: among those a launch may divide a network."""
        names = [device.name for device in self.devices]
        return self.first(next((at for at, name in enumerate(names) if name != names[0]), len(names)))

    def __str__(self) -> str:
        """What is known of all, in one line."""
        software = _words(self, apart=("devices", "missing"))
        return "; ".join(filter(None, [software, *map(str, self.devices)])) or "none"


class DeviceState(Frozen):
    """A device at a moment before or after the work; None where the driver does not tell it.

    `throttled_s` counts from the start of the driver, by reason: what a launch adds is that after less that before.
    """

    index: int
    when: Literal["before", "after"]
    clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    temperature_c: float | None = None
    throttle_reasons: tuple[str, ...] | None = Field(default=None, description="why its clocks are held down just then")
    throttled_s: dict[str, float] | None = None
    ecc_errors: int | None = Field(default=None, description="uncorrected errors of its memory, of all its life")


def _words(model: Frozen, apart: tuple[str, ...]) -> str:
    known = [(name, value) for name, value in model if value is not None and name not in apart]
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in known)


class RankTimes(Frozen):
    """What a rank of several took for its steps of training, in seconds by its own clock.

    Its steps hold what it waited for slower ranks. `wait_total_s` is the part of the data that was waited for; None
    where that is not told apart.
    """

    steps: int
    data_total_s: float
    wait_total_s: float | None
    step_total_s: float
    step_median_s: float


class Rank(Frozen):
    """One process of a launch: `device` is the logical number of its device, None on the CPU.

    Times, memory and energy are told of each rank where there are several; of one alone the measurements tell them.
    """

    rank: int
    host: str = Field(description="as in the environment")
    device: int | None
    device_name: str | None = Field(description="the framework's name of it; None where it was not reached")
    variant: str | None = Field(
        default=None, description="which variant of the chip the device is; None where its file knows none of the name"
    )
    times: RankTimes | None = None
    memory: Memory | None = None
    energy_j: float | None = Field(
        default=None, description="of its device in training; None where no sensor tells it apart or it is not valid"
    )


class OtherProcess(Frozen):
    """A process of another job on a device of the launch; `pid` None where only the number of them is known."""

    device: int | None
    pid: int | None
    processes: int
    memory_bytes: int | None
    seen: tuple[Literal["before", "during", "after"], ...]


class DeviceProcesses(Frozen):
    """Who else was on the devices of the launch; `reason` says what could not be found out."""

    tool: str | None
    looks_before: int
    looks_during: int
    looks_after: int
    others: tuple[OtherProcess, ...]
    reason: str | None


class Load(Frozen):
    """What else the machine was doing."""

    load_average_1min: float = Field(description="just before the launch; holds what the launch before left")
    cpu_count: int
    foreign_cores: float = Field(description="mean cores of the job busy during the launch with anything but it")
    foreign: bool = Field(description="foreign_cores was above the allowance: the times are suspect")
    cores: int | None = Field(default=None, description="cores on which the job may run, the only ones counted")
    devices: DeviceProcesses | None = Field(
        default=None, description="None for a chip without a tool that lists processes, and in older records"
    )
    device_states: tuple[DeviceState, ...] = Field(
        default=(), description="empty where no driver tells them, and in older records"
    )
