"""Which devices a job sees under ROCm and DTK, from the visible-devices variables of its environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

SHORTEST_UUID, LONGEST_UUID = 5, 20
"""Lengths of "GPU-" with one and with all 16 hexadecimal digits."""


@dataclass(frozen=True)
class VisibleRocm:
    """Positions, in the runtime's own order, of the devices that the job counts as 0, 1, ...

    `reason` says why there is none.
    """

    positions: tuple[int, ...] = ()
    reason: str | None = None


def visible_rocm(uuids: Sequence[str | None], environ: Mapping[str, str]) -> VisibleRocm:
    """Devices that HIP shows under this environment. `uuids` are those of all devices in KFD order, None if unknown.

    Rules: the ROCm runtime and HIP sources. ROCR_VISIBLE_DEVICES comes first: indices or UUIDs (unique prefixes in any
    case), cut at the first entry that is invalid or repeated; set and empty it hides all. HIP_VISIBLE_DEVICES, or
    CUDA_VISIBLE_DEVICES where that is unset or empty, then selects among what is left: cut at the first invalid entry,
    repetitions ignored. AMD's documentation says that HIP follows GPU_DEVICE_ORDINAL and the source that OpenCL alone
    does: where it is the only one and does not name all devices in order, there is no answer.
    """
    if not uuids:
        return VisibleRocm(reason="no device")
    positions = list(range(len(uuids)))
    told = []
    value = environ.get("ROCR_VISIBLE_DEVICES")
    if value is not None:
        told.append(f"ROCR_VISIBLE_DEVICES={value!r}")
        positions = _rocr(value, uuids)
    name = next((name for name in ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES") if environ.get(name)), None)
    if name:
        told.append(f"{name}={environ[name]!r}")
        chosen = _hip(environ[name], [uuids[position] for position in positions])
        positions = [positions[index] for index in chosen]
    ordinal = environ.get("GPU_DEVICE_ORDINAL")
    if ordinal and not told and _hip(ordinal, uuids) != positions:
        return VisibleRocm(
            reason=f"whether HIP follows GPU_DEVICE_ORDINAL={ordinal!r} depends on its version: "
            "set ROCR_VISIBLE_DEVICES or HIP_VISIBLE_DEVICES"
        )
    if not positions:
        return VisibleRocm(reason=f"{' with '.join(told)} shows no device to the job")
    return VisibleRocm(tuple(positions))


def _rocr(value: str, uuids: Sequence[str | None]) -> list[int]:
    def position(entry: str) -> int | None:
        entry = entry.strip().upper()
        if entry.startswith("G"):
            return _by_uuid(entry, uuids)
        return int(entry, 0) if re.fullmatch(r"0X[0-9A-F]{1,8}|[1-9][0-9]{0,8}|0", entry) else None

    return _until_invalid(value, position, len(uuids), repeated_ends=True)


def _hip(value: str, uuids: Sequence[str | None]) -> list[int]:
    def position(entry: str) -> int | None:
        if "GPU-" in entry:
            return _by_uuid(entry.strip().upper(), uuids)
        return int(entry) if re.fullmatch(r"[1-9][0-9]{0,8}|0", entry) else None

    return _until_invalid(value, position, len(uuids), repeated_ends=False)


def _until_invalid(value: str, position: Callable[[str], int | None], count: int, repeated_ends: bool) -> list[int]:
    chosen: list[int] = []
    for entry in value.split(","):
        found = position(entry)
        if found is None or found >= count or (repeated_ends and found in chosen):
            break
        if found not in chosen:
            chosen.append(found)
    return chosen


def _by_uuid(entry: str, uuids: Sequence[str | None]) -> int | None:
    if not SHORTEST_UUID <= len(entry) <= LONGEST_UUID:
        return None
    matches = [position for position, uuid in enumerate(uuids) if uuid and uuid.upper().startswith(entry)]
    return matches[0] if len(matches) == 1 else None
