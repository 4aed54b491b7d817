"""NVIDIA GPUs through NVML (nvidia-ml-py): power and total energy of each board, found by UUID."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from collectors.base import STATUS_ERROR, Probe, Reading, Sensor, checked_reading
from collectors.vendors.nvidia.nvidia_power import UPDATE_PERIOD_S, averaging, mig_shared
from collectors.vendors.nvidia.visible_cuda import Gpu, visible_gpus


class NvmlCollector:
    """Power in watts and the energy counter in joules of each GPU that the job's environment shows.

    Reads the field `power instant` where the driver offers it and else nvmlDeviceGetPowerUsage. An NVML error is a
    reading without watts that carries NVML's text.
    """

    name = "nvml"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._sensors: tuple[Sensor, ...] = ()
        self._instant: dict[str, bool] = {}
        self._handles: dict[str, Any] = {}
        self._nvml: Any = None

    def probe(self) -> Probe:
        """One sensor for each visible board, or why there is none."""
        try:
            import pynvml
        except ImportError as error:
            return Probe(reason=f"nvidia-ml-py cannot be imported: {error}")
        try:
            with _session(pynvml):
                return self._probe(pynvml)
        except pynvml.NVMLError_LibraryNotFound:
            return Probe(reason="NVML library not found (libnvidia-ml.so.1: no NVIDIA driver here)")
        except pynvml.NVMLError as error:
            return Probe(reason=f"NVML: {error}")

    def _probe(self, pynvml: Any) -> Probe:
        handles, unreadable = list_boards(pynvml)
        visible = visible_gpus([gpu for gpu, _ in handles], self._environ)
        if visible.reason:
            return Probe(reason="; ".join([visible.reason, *unreadable]))
        sensors = []
        for gpu, handle in handles:
            if gpu.uuid not in visible.uuids:
                continue
            devices = tuple(number for number, uuid in enumerate(visible.uuids) if uuid == gpu.uuid)
            sensor, error = self._sensor(pynvml, handle, gpu, devices if visible.numbered else ())
            if sensor is None:
                unreadable.append(f"{gpu.uuid}: {error}")
            else:
                sensors.append(sensor)
        self._sensors = tuple(sensors)
        return Probe(self._sensors, None if sensors else "; ".join(unreadable))

    def _sensor(self, pynvml: Any, handle: Any, gpu: Gpu, devices: tuple[int, ...]) -> tuple[Sensor | None, str | None]:
        capability = _optional(pynvml, pynvml.nvmlDeviceGetCudaComputeCapability, handle)
        capability = tuple(capability) if capability else None
        has_counter = _optional(pynvml, pynvml.nvmlDeviceGetTotalEnergyConsumption, handle) is not None
        self._instant[gpu.uuid] = _optional(pynvml, _instant_power_mw, pynvml, handle) is not None
        error = None
        try:
            self._power_mw(pynvml, handle, gpu.uuid)
        except pynvml.NVMLError as failed:
            error = str(failed)
        if error and not has_counter:
            return None, error
        cap_mw = _optional(pynvml, pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        kind, window_s = averaging(capability, self._instant[gpu.uuid])
        return Sensor(
            id=gpu.uuid,
            scope="card",
            kind="counter" if error else kind,
            name=gpu.name,
            window_s=window_s,
            update_period_s=UPDATE_PERIOD_S,
            resolution_w=0.001,
            has_counter=has_counter,
            counter_resolution_j=0.001 if has_counter else None,
            power_cap_w=cap_mw / 1000 if cap_mw else None,
            devices=devices,
            shared=mig_shared(gpu.mig_enabled),
            tool_version=_optional(pynvml, pynvml.nvmlSystemGetNVMLVersion),
            driver_version=_optional(pynvml, pynvml.nvmlSystemGetDriverVersion),
        ), None

    def start(self, period_s: float) -> None:
        """Opens NVML and the boards found by `probe`. Raises RuntimeError with NVML's text."""
        import pynvml

        try:
            pynvml.nvmlInit()
            self._nvml = pynvml
            self._handles = {sensor.id: pynvml.nvmlDeviceGetHandleByUUID(sensor.id) for sensor in self._sensors}
        except pynvml.NVMLError as error:
            self.stop()
            raise RuntimeError(f"NVML: {error}") from error

    def sample(self) -> Sequence[Reading]:
        """One reading for each board that reports power."""
        return [self._read(sensor.id) for sensor in self._sensors if sensor.kind != "counter"]

    def _read(self, uuid: str) -> Reading:
        handle = self._handles[uuid]
        t0_ns = time.monotonic_ns()
        try:
            power_mw = self._power_mw(self._nvml, handle, uuid)
        except self._nvml.NVMLError as error:
            return Reading(t0_ns, time.monotonic_ns(), uuid, None, STATUS_ERROR, str(error))
        t1_ns = time.monotonic_ns()
        rates = _optional(self._nvml, self._nvml.nvmlDeviceGetUtilizationRates, handle)
        memory = _optional(self._nvml, self._nvml.nvmlDeviceGetMemoryInfo, handle)
        utilisation = rates.gpu / 100 if rates is not None else None
        taken_bytes = int(memory.used) if memory is not None else None
        return checked_reading(t0_ns, t1_ns, uuid, power_mw / 1000, f"{power_mw} mW", utilisation, taken_bytes)

    def _power_mw(self, pynvml: Any, handle: Any, uuid: str) -> int:
        if self._instant[uuid]:
            return _instant_power_mw(pynvml, handle)
        power_mw: int = pynvml.nvmlDeviceGetPowerUsage(handle)
        return power_mw

    def read_counter(self, sensor: str) -> float | None:
        """Energy since the driver was loaded in joules (NVML counts millijoules), None on an NVML error."""
        energy_mj = _optional(self._nvml, self._nvml.nvmlDeviceGetTotalEnergyConsumption, self._handles[sensor])
        return None if energy_mj is None else energy_mj / 1000

    def stop(self) -> None:
        """Closes NVML."""
        if self._nvml is not None:
            _optional(self._nvml, self._nvml.nvmlShutdown)
        self._nvml, self._handles = None, {}


@contextmanager
def _session(pynvml: Any) -> Iterator[None]:
    pynvml.nvmlInit()
    try:
        yield
    finally:
        _optional(pynvml, pynvml.nvmlShutdown)


def _optional(pynvml: Any, call: Any, *args: Any) -> Any:
    """What `call` returns, None on an NVML error."""
    try:
        return call(*args)
    except pynvml.NVMLError:
        return None


def _instant_power_mw(pynvml: Any, handle: Any) -> int:
    field = pynvml.nvmlDeviceGetFieldValues(handle, [pynvml.NVML_FI_DEV_POWER_INSTANT])[0]
    if field.nvmlReturn != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(field.nvmlReturn)
    return int(field.value.uiVal)


def list_boards(pynvml: Any) -> tuple[list[tuple[Gpu, Any]], list[str]]:
    """Boards this process may open with their handles, and why others may not be."""
    boards: list[tuple[Gpu, Any]] = []
    unreadable: list[str] = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            migs = _mig_uuids(pynvml, handle)
            boards.append(
                (
                    Gpu(
                        uuid=pynvml.nvmlDeviceGetUUID(handle),
                        name=pynvml.nvmlDeviceGetName(handle),
                        pci_bus_id=_text(pynvml.nvmlDeviceGetPciInfo(handle).busId),
                        mig_enabled=migs is not None,
                        mig_uuids=migs or (),
                    ),
                    handle,
                )
            )
        except pynvml.NVMLError as error:
            unreadable.append(f"GPU {index}: {error}")
    return boards, unreadable


def _mig_uuids(pynvml: Any, handle: Any) -> tuple[str, ...] | None:
    """UUIDs of the MIG instances of a board, None where MIG is off or unknown to it."""
    mode = _optional(pynvml, pynvml.nvmlDeviceGetMigMode, handle)
    if not mode or mode[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
        return None
    uuids = []
    for index in range(_optional(pynvml, pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        instance = _optional(pynvml, pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, index)
        uuid = _optional(pynvml, pynvml.nvmlDeviceGetUUID, instance) if instance is not None else None
        if uuid:
            uuids.append(uuid)
    return tuple(uuids)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
