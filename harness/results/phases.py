"""Phases of a launch and the energy that was measured in them."""

from pydantic import Field

from collectors.accounting.device_use import DeviceUse
from collectors.accounting.energy import WindowEnergy
from harness.frozen import Frozen


class Phase(Frozen):
    """A part of the launch on the monotonic clock of its machine."""

    name: str
    t0_ns: int
    t1_ns: int
    steps: int
    samples: int = Field(description="samples that passed in all its steps")


class PhaseEnergy(Frozen):
    """Energy of a phase in joules.

    `net_energy_j` is what is left without the idle power; None where that is not known, and `net_reason` says why.
    """

    phase: str
    window: WindowEnergy
    net_energy_j: float | None = None
    net_reason: str | None = None


class Idle(Frozen):
    """Power at rest with the device open; `power_w` None where `reasons` speak against it."""

    before_w: float | None
    after_w: float | None
    power_w: float | None
    reasons: tuple[str, ...]


class Sampling(Frozen):
    """How the sampler kept its pace and what it took, seconds of CPU; None where it died before it could say.

    The intervals are those between reads of the sensor that was read least evenly.
    """

    period_s: float
    interval_s: float | None
    interval_deviation_s: float | None
    max_interval_s: float | None
    ticks: int | None
    late_ticks: int | None
    max_late_s: float | None
    cpu_s: float | None


class AppliedCalibration(Frozen):
    """What a calibration found of a sensor, in seconds, and was applied before the accounting."""

    sensor: str
    file: str
    made_at: str
    delay_s: float
    window_s: float | None
    update_period_s: float | None


class ScopeEnergy(Frozen):
    """Energy by phase of one scope of the host: its CPU packages, its memory, or the node with all that runs on it."""

    scope: str
    collector: str
    idle: Idle | None = None
    phases: tuple[PhaseEnergy, ...] = ()


class Energy(Frozen):
    """Energy of the devices by phase; `reason` says why there is none.

    `hosts` holds that of the host beside it, scope by scope, and `without` why collectors of the host read nothing.
    `device_uses` is what the same tool told of memory, from the first phase to the last, and of use in training.
    """

    collector: str | None
    reason: str | None
    idle: Idle | None = None
    calibrations: tuple[AppliedCalibration, ...] = ()
    sampling: Sampling | None = None
    phases: tuple[PhaseEnergy, ...] = ()
    hosts: tuple[ScopeEnergy, ...] = ()
    without: tuple[str, ...] = ()
    device_uses: tuple[DeviceUse, ...] = ()
