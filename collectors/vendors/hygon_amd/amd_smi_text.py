"""What amd-smi prints as JSON, read by key: `metric`, `list`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from collectors.vendors.pci import pci_address
from collectors.vendors.quantity import fraction, watts
from collectors.vendors.smi_row import BadOutputError, Row

POWER_KEYS = ("socket_power", "current_socket_power", "average_socket_power")
"""Newest name first; versions differ in which one holds the value and which "N/A"."""

START = re.compile(r"^[ \t]*(?=[\[{])", re.MULTILINE)
MOST_GPUS = 1024


def metric_rows(text: str) -> dict[int, Row]:
    """GPUs by the number that amd-smi gives them, in order; empty where the text holds no such JSON.

    Raises BadOutputError where it is nested too deep to be read.
    """
    found: dict[int, Row] = {}
    for gpu in _gpus(text):
        power, usage = _mapping(gpu.get("power")), _mapping(gpu.get("usage"))
        told = [(key, power[key]) for key in POWER_KEYS if key in power]
        values = [value for _, item in told if (value := _value_w(item)) is not None]
        raw = "; ".join(f"{key}: {_told(item) or 'no value'}" for key, item in told) or "no power is told"
        row = Row(values[0] if values else None, raw, None, fraction(_told(usage.get("gfx_activity"))))
        if gpu["gpu"] in found:
            row = Row(None, f"GPU {gpu['gpu']} told twice")
        found[gpu["gpu"]] = row
    return dict(sorted(found.items()))


def list_addresses(text: str) -> dict[int, str]:
    """PCI addresses by GPU number from `amd-smi list --json`. Raises BadOutputError as `metric_rows` does."""
    told = ((gpu["gpu"], pci_address(str(gpu.get("bdf")))) for gpu in _gpus(text))
    return {number: address for number, address in told if address}


def _value_w(item: Any) -> float | None:
    """Watts of {"value": 90, "unit": "W"} or "90 W"; a number without a unit is not known to be watts."""
    return watts(_told(item)) if isinstance(item, (Mapping, str)) else None


def _told(item: Any) -> str:
    """A value with its unit where it has one, empty where it is none."""
    if isinstance(item, Mapping):
        return f"{_told(_plain(item.get('value')))} {_plain(item.get('unit')) or ''}".strip()
    return "" if _plain(item) is None else str(item)


def _plain(item: Any) -> str | float | None:
    return item if isinstance(item, (str, int, float)) and not isinstance(item, bool) else None


def _gpus(text: str) -> Iterator[dict[str, Any]]:
    """The objects of the GPUs in a JSON text that other lines may precede and follow.

    What has been read once, up to where it is wrong, is not read again.
    """
    decoder, read_to = json.JSONDecoder(), 0
    for start in START.finditer(text):
        if start.end() < read_to:
            continue
        try:
            content, read_to = decoder.raw_decode(text, start.end())
        except json.JSONDecodeError as error:
            read_to = error.pos
            continue
        except RecursionError:
            raise BadOutputError("its JSON is nested too deep to be read") from None
        except ValueError:
            return
        content = content.get("gpu_data", [content]) if isinstance(content, dict) else content
        gpus = [gpu for gpu in content if _is_gpu(gpu)] if isinstance(content, list) else []
        if gpus:
            yield from gpus
            return


def _is_gpu(item: Any) -> bool:
    number = item.get("gpu") if isinstance(item, dict) else None
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < MOST_GPUS


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
