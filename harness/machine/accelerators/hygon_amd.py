"""Boards of Hygon and AMD as hy-smi or rocm-smi, the kernel and the version files of DTK and ROCm tell of them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from collectors.vendors.command import absence
from collectors.vendors.host.hwmon import AMD, HYGON, find_machine
from collectors.vendors.hygon_amd import rocm_smi_text
from collectors.vendors.hygon_amd.smi_boards import Found, find_boards
from collectors.vendors.hygon_amd.visible_rocm import visible_rocm
from collectors.vendors.smi_row import BadOutputError
from harness.machine.accelerators.told import number, output_of, version_in
from harness.results.devices import Accelerator, Device, DeviceState

PROGRAMS = ("hy-smi", "rocm-smi")
DRIVER = re.compile(r"driver version\W+([0-9][\w.+-]*)", re.I)
LABELLED = re.compile(r"^\s*(?:\w+)\[(\d{1,4})\]\s*:\s*([^:]+?)\s*:\s*(.+?)\s*$", re.M)
"""One line of most outputs: GPU[0] : what : value."""

TEMPERATURE = re.compile(r"(\d+(?:\.\d+)?)\s*c\b", re.I)


def describe(environ: Mapping[str, str], devices: int | None) -> Accelerator:
    """Driver, DTK or ROCm, and the boards of the first `devices` logical devices, None for all."""
    missing: list[str] = []
    program = _program()
    numbers, table = _numbers(program, environ, devices, missing)
    driver = DRIVER.search(output_of(program, "--showdriverversion", missing=missing) if table else "")
    names = _labelled(program, "--showproductname", missing=missing) if numbers else {}
    memory = _labelled(program, "--showmeminfo", "vram", missing=missing) if numbers else {}
    firmware = _labelled(program, "--showvbios", missing=missing) if numbers else {}
    rows = _rows(table)
    found = tuple(
        Device(
            index=index,
            name=_value(names.get(of), r"card (?:series|model)|product name|device name"),
            memory_bytes=_integer(_value(memory.get(of), r"(?:vram )?total memory \(b\)")),
            power_cap_w=rows[of].cap_w if of in rows else None,
            mode=rows[of].partition if of in rows else None,
            firmware=_value(firmware.get(of), r"vbios"),
        )
        for index, of in numbers
    )
    module = version_in(Path("/sys/module", name, "version") for name in ("hycu", "hydcu", "amdgpu"))
    toolkit = _toolkit(environ)
    versions = {"driver": driver or module, "DTK or ROCm": toolkit}
    missing += [f"the version of the {what} is told nowhere" for what, version in versions.items() if not version]
    return Accelerator(
        vendor="hygon_amd",
        driver=driver[1] if driver else module,
        firmware=next((each.firmware for each in found), None),
        toolkit=toolkit,
        devices=found,
        missing=tuple(dict.fromkeys(missing)),
    )


def states(environ: Mapping[str, str], devices: int, when: Literal["before", "after"]) -> tuple[DeviceState, ...]:
    """Temperature of the first `devices` logical devices."""
    numbers, table = _numbers(_program(), environ, devices, [])
    rows = _rows(table)
    return tuple(
        DeviceState(index=index, when=when, temperature_c=_temperature_c(rows[of].raw) if of in rows else None)
        for index, of in numbers
    )


def _program() -> str:
    return next((program for program in PROGRAMS if absence(program) is None), PROGRAMS[0])


def _numbers(
    program: str, environ: Mapping[str, str], devices: int | None, missing: list[str]
) -> tuple[list[tuple[int, int]], str]:
    """Of the job's devices that the tool lists, the index in the order of HIP and the tool's number; and its table."""
    table = output_of(program, missing=missing)
    rows = _rows(table)
    if not rows:
        return [], table
    try:
        addresses = rocm_smi_text.bus_addresses(output_of(program, "--showbus", missing=missing))
    except BadOutputError as error:
        missing.append(f"{program} --showbus cannot be read: {error}")
        addresses = {}
    boards = find_boards(find_machine((HYGON, AMD)), Found((), rows, addresses, 0.0))
    visible = visible_rocm([uuid for _, uuid in boards.devices], environ)
    if visible.reason:
        missing.append(visible.reason)
    names = [boards.devices[position][0] for position in visible.positions[:devices]]
    unknown = [name for name in names if name not in boards.numbers]
    missing.extend(f"{program} lists no {name}" for name in unknown)
    numbers = [(index, boards.numbers[name]) for index, name in enumerate(names) if name in boards.numbers]
    return numbers, table


def _rows(table: str) -> dict[int, "rocm_smi_text.Row"]:
    try:
        return rocm_smi_text.rows(table)
    except BadOutputError:
        return {}


def _labelled(program: str, *options: str, missing: list[str]) -> dict[int, dict[str, str]]:
    """What a tool says of each device, by its number and the label in small letters."""
    found: dict[int, dict[str, str]] = {}
    for device, label, value in LABELLED.findall(output_of(program, *options, missing=missing)):
        found.setdefault(int(device), {}).setdefault(label.lower(), value)
    return found


def _value(told: Mapping[str, str] | None, label: str) -> str | None:
    """The value under the first label that fits, None where there is none or it is a word for nothing."""
    values = (value for name, value in (told or {}).items() if re.search(label, name))
    found = next(values, None)
    return None if found is None or found.lower() in ("n/a", "none", "unknown") else found


def _integer(text: str | None) -> int | None:
    value = number(text)
    return int(value) if value else None


def _temperature_c(row: str) -> float | None:
    found = TEMPERATURE.search(row)
    return float(found[1]) if found else None


def _toolkit(environ: Mapping[str, str]) -> str | None:
    homes = [Path(environ[name]) for name in ("DTKROOT", "ROCM_PATH", "HIP_PATH") if environ.get(name)]
    for home in (*homes, Path("/opt/dtk"), Path("/opt/rocm")):
        is_dtk = "dtk" in str(home.resolve())
        if version := version_in([home / ".info" / "version", home / ".info" / "version-dev"]):
            return f"{'DTK' if is_dtk else 'ROCm'} {version}"
    return None
