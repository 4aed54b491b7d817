"""What NVIDIA's power values mean by generation: known to NVML and to nvidia-smi, which reads the same sensor."""

from __future__ import annotations

from collectors.base import Kind

UPDATE_PERIOD_S = 0.1
"""Update period of the power value on A100, H100 and RTX 3090 (Yang, Adamek, Armour 2023, arXiv:2312.02741)."""

SAMPLED_WINDOW_S = {(8, 0): 0.025, (9, 0): 0.025}
"""Averaging window within each update by compute capability: GA100 and GH100 (same source)."""

LEGACY_AVERAGE_S = 1.0
"""Averaging window of nvmlDeviceGetPowerUsage and `power.draw` on Ampere and later but GA100 (NVML API reference)."""


def averaging(capability: tuple[int, int] | None, instant: bool) -> tuple[Kind, float | None]:
    """Kind of the power value and its averaging window in seconds.

    `instant` tells that the value is the driver's momentary one. Where it is not and the generation is not known, the
    longest window is assumed.
    """
    if instant or (capability is not None and capability <= (8, 0)):
        return "instant", SAMPLED_WINDOW_S.get(capability) if capability else None
    return "average_window", LEGACY_AVERAGE_S


def mig_shared(enabled: bool) -> str | None:
    """Why the power of a board is not the job's alone."""
    return "MIG: the power is that of the whole board" if enabled else None
