"""What amd-smi prints as JSON, read by key: `metric`, `list`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from collectors.tools.rocm_smi_text import Row, percent, watts

POWER_KEYS = ("socket_power", "current_socket_power", "average_socket_power")
"""Newest name first; versions differ in which one holds the value and which "N/A"."""


def metric_rows(text: str) -> dict[int, Row]:
    """GPUs by the number that amd-smi gives them, in order; empty where the text holds no such JSON."""
    found: dict[int, Row] = {}
    for gpu in _gpus(text):
        power, usage = _mapping(gpu.get("power")), _mapping(gpu.get("usage"))
        told = [(key, power[key]) for key in POWER_KEYS if key in power]
        values = [value for _, item in told if (value := _value_w(item)) is not None]
        activity = usage.get("gfx_activity")
        activity = activity.get("value") if isinstance(activity, Mapping) else activity
        row = Row(values[0] if values else None, json.dumps(dict(told)), None, percent(str(activity)))
        if gpu["gpu"] in found:
            row = Row(None, f"GPU {gpu['gpu']} told twice")
        found[gpu["gpu"]] = row
    return dict(sorted(found.items()))


def list_addresses(text: str) -> dict[int, str]:
    """PCI addresses by GPU number from `amd-smi list --json`."""
    return {gpu["gpu"]: str(gpu["bdf"]).lower() for gpu in _gpus(text) if "bdf" in gpu}


def _value_w(item: Any) -> float | None:
    """Watts of {"value": 90, "unit": "W"} or "90 W"; a number without a unit is not known to be watts."""
    if isinstance(item, Mapping):
        return watts(f"{item.get('value')} {item.get('unit', '')}")
    return watts(item) if isinstance(item, str) else None


def _gpus(text: str) -> Iterator[dict[str, Any]]:
    """The objects of the GPUs in a JSON text that other lines may precede and follow."""
    for start in re.finditer(r"^[ \t]*[\[{]", text, re.MULTILINE):
        try:
            content, _ = json.JSONDecoder().raw_decode(text[start.start() :].lstrip())
        except (ValueError, RecursionError):
            continue
        content = content.get("gpu_data", [content]) if isinstance(content, dict) else content
        gpus = [gpu for gpu in content if isinstance(gpu, dict) and isinstance(gpu.get("gpu"), int)]
        if gpus:
            yield from gpus
            return


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
