"""What a file in scenarios/chips may say."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from harness.frozen import Frozen
from harness.scenario.limits import ABSOLUTE_PATH
from harness.scenario.schema import FrameworkName, PackageName, Versions


class Figure(Frozen):
    """A figure of a data sheet and where it was read; null where no reliable source gives one."""

    value: float | None = Field(gt=0)
    source: str


class PeakRates(Frozen):
    """Dense peak rates in TFLOP/s, by number format."""

    fp64: Figure | None = None
    fp32: Figure | None = None
    tf32: Figure | None = None
    hf32: Figure | None = None
    fp16: Figure | None = None
    bf16: Figure | None = None


class FrameworkOnChip(Frozen):
    """How a framework names the chip, or why it cannot run there."""

    device: str | None = Field(default=None, description="the framework's name of the device: cuda, npu, Ascend, cpu")
    packages: tuple[PackageName, ...] = Field(default=(), description="import names that must be installed")
    needs: dict[PackageName, Versions] = Field(
        default_factory=dict, description="versions of the packages that the harness runs with, as in >=2.4"
    )
    python: str | None = Field(
        default=None,
        pattern=ABSOLUTE_PATH,
        description="path of the Python that runs this framework; default: the one that runs the bench",
    )
    obtain: str = Field(default="", description="how to get the packages on a host with this chip")
    unavailable: str | None = Field(default=None, description="why this framework cannot run on the chip")

    @model_validator(mode="after")
    def _device_or_reason(self) -> "FrameworkOnChip":
        if (self.device is None) == (self.unavailable is None):
            raise ValueError("give either device or unavailable")
        if unknown := self.needs.keys() - set(self.packages):
            raise ValueError(f"needs: {min(unknown)} is none of packages")
        return self


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    return text


RegularExpression = Annotated[str, AfterValidator(_regular_expression)]


class ChipVariant(Frozen):
    """One of several devices that are called the same chip. A figure that is left out is the chip's own.

    So the chip's own figures must hold for every variant that does not give another, or be null.
    """

    name: str = Field(min_length=1, description="what people call it")
    pattern: RegularExpression = Field(description="found in the name that the driver or the framework gives it")
    memory_gib: Figure | None = None
    bandwidth_gb_s: Figure | None = None
    power_cap_w: Figure | None = None
    idle_power_w: Figure | None = None
    launch_us: Figure | None = None
    link_gb_s: Figure | None = None
    peak_tflops: PeakRates | None = None


class ChipConfig(Frozen):
    """One chip: everything the harness must know to run on it and to judge the result."""

    title: str
    vendor: str
    device_name: RegularExpression | None = Field(
        default=None, description="regular expression found in the name that the framework gives the device"
    )
    device_nodes: str | None = Field(
        default=None,
        pattern=r"^(/[^/*?\[\]\x00-\x1f]+)*/[^/\x00-\x1f]+$",
        description="device files that exist where the chip does; the last part of the path may be a glob",
    )
    visible_devices: str | None = Field(default=None, description="environment variable that selects devices")
    power_collectors: tuple[str, ...] = Field(description="power collectors in order of preference")
    host_collectors: tuple[str, ...] = Field(
        default=("rapl", "ipmi"),
        description="power collectors of the host, each of which is read beside that of the chip where it works",
    )
    memory_gib: Figure
    bandwidth_gb_s: Figure
    power_cap_w: Figure
    idle_power_w: Figure | None = Field(default=None, description="power of the board at rest")
    launch_us: Figure | None = Field(
        default=None, description="what starting a kernel costs where the next waits for it, in microseconds"
    )
    link_gb_s: Figure | None = Field(
        default=None, description="what a device sends to the others of its node, in one direction, in GB/s"
    )
    peak_tflops: PeakRates
    variants: tuple[ChipVariant, ...] = Field(
        default=(), description="devices that differ in these figures; the first whose pattern fits is meant"
    )
    frameworks: dict[FrameworkName, FrameworkOnChip]
    verified: str = Field(description="what has been run on this chip with this harness, or that nothing has")

    @property
    def is_host(self) -> bool:
        """Whether it is the CPU of a machine itself, by what its frameworks call it."""
        devices = {entry.device for entry in self.frameworks.values()} - {None}
        return bool(devices) and devices <= {"cpu", "CPU"}

    @model_validator(mode="after")
    def _rests_below_its_cap(self) -> "ChipConfig":
        self._check_rest(self.title, self.idle_power_w, self.power_cap_w)
        for each in self.variants:
            self._check_rest(each.name, each.idle_power_w or self.idle_power_w, each.power_cap_w or self.power_cap_w)
        return self

    @staticmethod
    def _check_rest(name: str, idle: Figure | None, cap: Figure) -> None:
        if idle and idle.value is not None and cap.value is not None and idle.value >= cap.value:
            raise ValueError(f"idle_power_w {idle.value:g} of {name} must be below its power_cap_w {cap.value:g}")

    @field_validator("device_nodes")
    @classmethod
    def _ends(cls, nodes: str | None) -> str | None:
        if nodes is not None and ("**" in nodes or {".", ".."}.intersection(nodes.split("/"))):
            raise ValueError("must be an absolute path without **, . and ..")
        return nodes
