"""What the error codes of DCMI mean, and what helps. npu-smi prints the same codes."""

from __future__ import annotations

import re

from collectors.vendors.command import excerpt

MEANINGS = {
    -8001: "invalid parameter",
    -8002: "not permitted: run as root or as a member of the group HwHiAiUser",
    -8003: "memory operation failed",
    -8004: "secure function failed",
    -8005: "the driver cannot be reached: add this user to the group HwHiAiUser (usermod -aG HwHiAiUser USER, then log "
    "in anew), and see that the driver runs",
    -8006: "the device did not answer in time",
    -8007: "invalid device id",
    -8008: "the device does not exist",
    -8009: "a call of the driver failed",
    -8010: "message to the device could not be sent",
    -8011: "no message from the device",
    -8012: "the device is not ready yet",
    -8013: "not supported in a container",
    -8015: "reset failed",
    -8016: "reset cancelled",
    -8017: "the device is being upgraded",
    -8020: "the device is in use by another container or not mounted into this one: end that one, or mount "
    "/dev/davinciN, /dev/davinci_manager, /dev/devmm_svm and /dev/hisi_hdc",
    -8023: "no such configuration",
    -8255: "not supported by this device",
}
"""By code (DCMI API reference, return codes)."""

CODE = re.compile(r"(?<![\w.])-8\d{3}(?!\d)")


def meaning(code: int) -> str:
    """An error code in words: "error -8008 (the device does not exist)"."""
    return f"error {code} ({MEANINGS.get(code, 'not a documented code')})"


def error_in(text: str) -> str | None:
    """The first line of an output that tells an error code, with what the code means; None where none does."""
    for line in text.splitlines():
        if match := CODE.search(line):
            return f"{excerpt(line)}: {meaning(int(match[0]))}"
    return None
