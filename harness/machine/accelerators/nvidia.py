"""NVIDIA's boards as NVML tells of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from collectors.vendors.nvidia.nvml import list_boards
from collectors.vendors.nvidia.visible_cuda import visible_gpus
from harness.results.devices import UNORDERED, Accelerator, Device, DeviceState

THROTTLE_REASONS = {
    "GpuIdle": "idle",
    "ApplicationsClocksSetting": "clocks set by hand",
    "SwPowerCap": "power cap",
    "HwSlowdown": "hardware slowdown",
    "SyncBoost": "sync boost",
    "SwThermalSlowdown": "temperature, by software",
    "HwThermalSlowdown": "temperature, by hardware",
    "HwPowerBrakeSlowdown": "power brake",
    "DisplayClockSetting": "display",
}
"""NVML's names of the bits, nvmlClocksEventReason*, in words."""

VIOLATIONS = {"power cap": "NVML_PERF_POLICY_POWER", "temperature": "NVML_PERF_POLICY_THERMAL"}

SM, MEMORY = 1, 2
"""NVML_CLOCK_SM and NVML_CLOCK_MEM."""

UNCORRECTED, OF_ALL_ITS_LIFE, OF_THE_CHIP = 1, 1, 0
"""NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_AGGREGATE_ECC and NVML_TEMPERATURE_GPU."""

ValueT = TypeVar("ValueT")


class _Asked:
    """Calls of NVML, of which each that fails leaves its reason."""

    def __init__(self, pynvml: Any) -> None:
        self._pynvml = pynvml
        self.missing: dict[str, None] = {}

    def __call__(self, what: str, function: str, *args: Any, then: Callable[[Any], ValueT]) -> ValueT | None:
        """What a function of NVML returns, through `then`; None on an error."""
        try:
            return then(getattr(self._pynvml, function)(*args))
        except (self._pynvml.NVMLError, OSError, AttributeError, TypeError, ValueError) as error:
            self.missing[f"{what}: {error}"] = None
            return None


def describe(environ: Mapping[str, str], devices: int | None) -> Accelerator:
    """Driver and boards of the first `devices` logical devices, None for all."""
    with _session() as (pynvml, reason):
        if pynvml is None:
            return Accelerator(vendor="nvidia", missing=(reason,))
        asked = _Asked(pynvml)
        boards, unreadable = _boards(pynvml, environ, devices)
        found = tuple(_device(asked, index, handle) for index, handle in boards)
        return Accelerator(
            vendor="nvidia",
            driver=asked("driver", "nvmlSystemGetDriverVersion", then=str),
            firmware=next((device.firmware for device in found), None),
            toolkit=asked("CUDA", "nvmlSystemGetCudaDriverVersion_v2", then=_cuda),
            devices=found,
            missing=(*unreadable, *asked.missing),
        )


def states(environ: Mapping[str, str], devices: int, when: Literal["before", "after"]) -> tuple[DeviceState, ...]:
    """Clocks, temperature, throttling and errors of the first `devices` logical devices."""
    with _session() as (pynvml, _):
        if pynvml is None:
            return ()
        boards, _ = _boards(pynvml, environ, devices)
        return tuple(_state(_Asked(pynvml), pynvml, index, handle, when) for index, handle in boards)


@contextmanager
def _session() -> Iterator[tuple[Any, str]]:
    """NVML while it is open, or None and why it is not."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError, OSError) as error:
        yield None, f"NVML: {error}"
        return
    try:
        yield pynvml, ""
    finally:
        _Asked(pynvml)("end", "nvmlShutdown", then=bool)


def _boards(pynvml: Any, environ: Mapping[str, str], devices: int | None) -> tuple[list[tuple[int, Any]], list[str]]:
    """Logical numbers and handles of the job's boards, and why there are none or in which order they are."""
    try:
        listed, unreadable = list_boards(pynvml)
    except (pynvml.NVMLError, OSError) as error:
        return [], [f"boards: {error}"]
    visible = visible_gpus([gpu for gpu, _ in listed], environ)
    if visible.reason:
        return [], [visible.reason, *unreadable]
    handles = {gpu.uuid: handle for gpu, handle in listed}
    chosen = visible.uuids[:devices] if visible.numbered else visible.uuids
    if not visible.numbered:
        unreadable.append(f"the order in which CUDA counts the boards {UNORDERED}")
    return [(index, handles[uuid]) for index, uuid in enumerate(chosen)], unreadable


def _device(asked: _Asked, index: int, handle: Any) -> Device:
    def enabled(what: str, function: str) -> bool | None:
        return asked(what, function, handle, then=lambda told: bool(told[0] if isinstance(told, list) else told))

    return Device(
        index=index,
        name=asked("name", "nvmlDeviceGetName", handle, then=str),
        memory_bytes=asked("memory", "nvmlDeviceGetMemoryInfo", handle, then=lambda told: int(told.total)),
        clock_mhz_max=asked("clocks", "nvmlDeviceGetMaxClockInfo", handle, SM, then=float),
        memory_clock_mhz_max=asked("memory clocks", "nvmlDeviceGetMaxClockInfo", handle, MEMORY, then=float),
        power_cap_w=asked("power cap", "nvmlDeviceGetEnforcedPowerLimit", handle, then=lambda told: told / 1000),
        ecc=enabled("ECC", "nvmlDeviceGetEccMode"),
        persistence=enabled("persistence", "nvmlDeviceGetPersistenceMode"),
        mode="MIG" if enabled("MIG", "nvmlDeviceGetMigMode") else None,
        firmware=asked("firmware", "nvmlDeviceGetVbiosVersion", handle, then=str),
    )


def _state(asked: _Asked, pynvml: Any, index: int, handle: Any, when: Literal["before", "after"]) -> DeviceState:
    def reasons(bits: int) -> tuple[str, ...]:
        names = {word: getattr(pynvml, f"nvmlClocksEventReason{name}", 0) for name, word in THROTTLE_REASONS.items()}
        return tuple(word for word, bit in names.items() if bits & bit)

    throttled_s = {
        word: told
        for word, policy in VIOLATIONS.items()
        if (told := asked(word, "nvmlDeviceGetViolationStatus", handle, getattr(pynvml, policy), then=_violation_s))
        is not None
    }
    return DeviceState(
        index=index,
        when=when,
        clock_mhz=asked("clock", "nvmlDeviceGetClockInfo", handle, SM, then=float),
        memory_clock_mhz=asked("memory clock", "nvmlDeviceGetClockInfo", handle, MEMORY, then=float),
        temperature_c=asked("temperature", "nvmlDeviceGetTemperature", handle, OF_THE_CHIP, then=float),
        throttle_reasons=asked("throttling", "nvmlDeviceGetCurrentClocksThrottleReasons", handle, then=reasons),
        throttled_s=throttled_s or None,
        ecc_errors=asked("ECC errors", "nvmlDeviceGetTotalEccErrors", handle, UNCORRECTED, OF_ALL_ITS_LIFE, then=int),
    )


def _cuda(version: int) -> str:
    """13020 is CUDA 13.2."""
    return f"CUDA {version // 1000}.{version % 1000 // 10}"


def _violation_s(told: Any) -> float:
    return float(told.violationTime) / 1e9
