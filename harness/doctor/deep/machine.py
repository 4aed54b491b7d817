"""What the machine itself says: versions, the devices' clocks and caps, who else is on them, memory, time."""

import os
import platform
import resource
import shutil
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import psutil

from collectors.occupancy.occupant_watch import OwnProcesses, find_lister, take_look
from harness.launch.foreign_load import ForeignLoadMeter, foreign_cores_allowed
from harness.machine import accelerators
from harness.machine.memory import limit_bytes
from harness.results.deep_report import Check
from harness.results.devices import Accelerator, Device, DeviceState
from harness.scenario.chips import ChipConfig

GIB = 2**30
LEAST_MEMORY_BYTES, LEAST_SHM_BYTES = 4 * GIB, GIB
LEAST_TIME_S = 3600.0
LOOK_S = 1.0
CAP_SHARE = 0.98
"""Share of the chip's power cap below which a cap counts as lowered."""

HARMLESS = ("idle",)
"""Reasons for low clocks of a device that does nothing."""

SHM = Path("/dev/shm")
JOB_ENDS = "SLURM_JOB_END_TIME"
"""Seconds since 1970 at which Slurm ends the job."""

GROUP = "machine"
check = partial(Check, group=GROUP)


def check_machine(chip: ChipConfig, environ: Mapping[str, str]) -> Iterator[Check]:
    """All of them, each ok or a warning: none of them alone makes numbers wrong."""
    accelerator = accelerators.describe(chip.visible_devices, 1)
    yield versions(accelerator)
    if chip.visible_devices:
        yield clocks(accelerator.devices, accelerators.states(chip.visible_devices, "before"), chip.power_cap_w.value)
    yield others(chip)
    yield memory(min(limit_bytes(), psutil.virtual_memory().available))
    yield shared_memory(SHM)
    yield time_limit(environ, time.time())


def versions(accelerator: Accelerator) -> Check:
    """Python and what lies below the frameworks."""
    found = f"Python {platform.python_version()} on {platform.machine()}"
    if accelerator.vendor is None:
        return check(name="versions", verdict="ok", found=found)
    software = (accelerator.driver and f"driver {accelerator.driver}", accelerator.firmware, accelerator.toolkit)
    found = ", ".join(filter(None, (found, *software)))
    if accelerator.driver and accelerator.toolkit:
        return check(name="versions", verdict="ok", found=found)
    missing = accelerator.missing[0] if accelerator.missing else "driver or toolkit are not told"
    advice = "mount the driver's folder and the vendor's tool into the container: records cannot be told apart without"
    return check(name="versions", verdict="warning", found=f"{found}; {missing}", advice=advice)


def clocks(devices: tuple[Device, ...], states: tuple[DeviceState, ...], cap_w: float | None) -> Check:
    """Clocks, caps and what holds them down."""
    if not devices:
        advice = "make the vendor's tool work here (npu-smi, hy-smi, nvidia-smi): clocks and caps explain times"
        return check(name="clocks and caps", verdict="warning", found="no driver tells them", advice=advice)
    told = [str(device) for device in devices]
    told += [
        f"device {state.index} at {state.clock_mhz:g} MHz"
        + (f", {state.temperature_c:g} °C" if state.temperature_c else "")
        for state in states
        if state.clock_mhz
    ]
    found = "; ".join(told)
    held = {reason for state in states for reason in state.throttle_reasons or ()} - set(HARMLESS)
    lowered = [each for each in devices if each.power_cap_w and cap_w and each.power_cap_w < CAP_SHARE * cap_w]
    if held:
        advice = f"clocks are held down by {', '.join(sorted(held))}: mend that, or say so beside the numbers"
        return check(name="clocks and caps", verdict="warning", found=found, advice=advice)
    if lowered:
        advice = f"the cap of {lowered[0].power_cap_w:g} W is below the chip's {cap_w:g} W: raise it, or say so"
        return check(name="clocks and caps", verdict="warning", found=found, advice=advice)
    if any(each.mode for each in devices):
        advice = "the device is divided or shared: its numbers are not the chip's"
        return check(name="clocks and caps", verdict="warning", found=found, advice=advice)
    return check(name="clocks and caps", verdict="ok", found=found)


def others(chip: ChipConfig) -> Check:
    """Processes of others on the devices, or on the cores where the chip has no tool that lists them."""
    lister, reason = find_lister(chip.power_collectors)
    name = "other processes"
    if lister is None and chip.device_nodes is None:
        meter = ForeignLoadMeter()
        time.sleep(LOOK_S)
        cores = meter.foreign_cores()
        found = f"{cores:.2f} of {meter.cores} cores busy with other work"
        if cores <= foreign_cores_allowed(meter.cores):
            return check(name=name, verdict="ok", found=found)
        advice = "stop it, or times are too long and scatter (crosscast doctor names the busiest)"
        return check(name=name, verdict="warning", found=found, advice=advice)
    advice = "make sure by hand that nobody else is on the device: the vendor's tool does not say"
    if lister is None:
        return check(name=name, verdict="warning", found=reason or "no tool lists them", advice=advice)
    look = take_look(lister, OwnProcesses(os.getpid()))
    if look.problem:
        return check(name=name, verdict="warning", found=f"{lister.name}: {look.problem}", advice=advice)
    strangers = [one for device in look.devices for one in device.processes if one.whose != "own"]
    if strangers:
        pids = ", ".join(str(one.pid) for one in strangers)
        found = f"{len(strangers)} on the device by {lister.name}: process {pids}"
        advice = f"wait for them, or choose an idle device with {chip.visible_devices}"
        return check(name=name, verdict="warning", found=found, advice=advice)
    return check(name=name, verdict="ok", found=f"none on the device by {lister.name}")


def memory(free_bytes: int) -> Check:
    """Memory of the host that is free."""
    found = f"{free_bytes / GIB:.1f} GiB of the host free"
    if free_bytes >= LEAST_MEMORY_BYTES:
        return check(name="memory", verdict="ok", found=found)
    advice = f"free some, or ask for more: less than {LEAST_MEMORY_BYTES / GIB:g} GiB ends launches"
    return check(name="memory", verdict="warning", found=found, advice=advice)


def shared_memory(folder: Path) -> Check:
    """Size of /dev/shm, through which the frameworks' data loaders and collectives pass arrays."""
    advice = "give the container more (docker run --shm-size=16g): loaders and collectives pass arrays through it"
    try:
        size = shutil.disk_usage(folder).total
    except OSError as error:
        return check(name=str(folder), verdict="warning", found=f"{error.strerror}", advice=advice)
    found = f"{size / GIB:.2g} GiB"
    if size < LEAST_SHM_BYTES:
        return check(name=str(folder), verdict="warning", found=found, advice=advice)
    return check(name=str(folder), verdict="ok", found=found)


def time_limit(environ: Mapping[str, str], now_s: float, cpu_limit_s: float | None = None) -> Check:
    """What is left of the batch job and of the CPU time that processes may take (`ulimit -t`)."""
    limits = {}
    if environ.get(JOB_ENDS, "").isdecimal():
        limits["of this job"] = int(environ[JOB_ENDS]) - now_s
    soft_s = cpu_limit_s
    if soft_s is None:
        allowed, _ = resource.getrlimit(resource.RLIMIT_CPU)
        soft_s = None if allowed == resource.RLIM_INFINITY else float(allowed)
    if soft_s is not None:
        limits["of CPU time a process (ulimit -t)"] = soft_s
    if not limits:
        return check(name="time limit", verdict="ok", found="none known")
    found = ", ".join(f"{left_s / 60:.0f} minutes {what}" for what, left_s in limits.items())
    if min(limits.values()) < LEAST_TIME_S:
        advice = "ask for a longer one: what is cut off leaves a record, but no number"
        return check(name="time limit", verdict="warning", found=found, advice=advice)
    return check(name="time limit", verdict="ok", found=found)
