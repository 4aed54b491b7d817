"""The facts of `crosscast doctor`; its --json is this report."""

from typing import Any, Literal

from pydantic import Field

from harness.frameworks.base import Numerics
from harness.frozen import Frozen


class FrameworkFacts(Frozen):
    """One framework on the chip; `reason` says why it cannot be used, None where a product on the device was right."""

    name: str
    device: str | None
    packages: dict[str, str]
    device_name: str | None
    numerics: Numerics | None = Field(default=None, description="None where no product was made")
    reason: str | None


class CollectorFacts(Frozen):
    """One registered collector: its sensors with the fields of collectors.base.Sensor, or the reason and remedy."""

    name: str
    sensors: tuple[dict[str, Any], ...]
    reason: str | None


class SensorFacts(Frozen):
    """A sensor of the chip's collector as it behaved; seconds and watts, None where not measured."""

    sensor: str
    update_period_s: float | None
    update_reason: str | None
    n_samples: int
    n_unique: int
    mean_w: float | None
    deviation_w: float | None
    read_interval_s: float | None
    read_deviation_s: float | None
    read_longest_s: float | None


class ProcessFacts(Frozen):
    """A busy process; `cores` is the mean number of cores it kept busy."""

    pid: int
    name: str
    cores: float


class LoadFacts(Frozen):
    """Foreign load."""

    load_average_1min: float
    cpu_count: int
    busiest: tuple[ProcessFacts, ...]
    on_device: tuple[ProcessFacts, ...] = Field(description="processes that hold the chip's device files open")
    hidden: int = Field(description="processes of other users that could not be looked into for device files")


class Report(Frozen):
    """All of it."""

    schema_version: Literal[1] = 1
    chip: str
    host: str = Field(description="what records call this machine: see harness.machine.identity")
    host_identity: str = Field(description="what kind of identity that is")
    chips_with_device_files: tuple[str, ...]
    frameworks: tuple[FrameworkFacts, ...]
    remark: str | None = Field(default=None, description="what is odd about the variant of the chip that this is")
    collectors: tuple[CollectorFacts, ...]
    chosen_collector: str | None
    no_power_reason: str | None
    sensors: tuple[SensorFacts, ...]
    load: LoadFacts

    @property
    def can_bench(self) -> tuple[str, ...]:
        """Frameworks that can run the chip's scenarios here."""
        return tuple(framework.name for framework in self.frameworks if framework.reason is None)
