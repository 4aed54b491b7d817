"""What rocm-smi, hy-smi and amd-smi say of one device."""

from __future__ import annotations

import re
from dataclasses import dataclass

ABSENT = re.compile(r"n/?a\b|none\b|-+|unknown|unsupported|not supported", re.IGNORECASE)
SECOND_DIE = re.compile(r"secondary die", re.IGNORECASE)
WHOLE_BOARD = frozenset({"", "normal", "n/a", "na", "-", "none", "unknown", "default", "disabled", "off", "spx"})
PARTITION = re.compile(r"(?<![A-Za-z])(?:DPX|TPX|QPX|CPX|MIG)(?![A-Za-z])")


class BadOutputError(ValueError):
    """An output that no tool prints when it works. The message says what is wrong with it."""


@dataclass(frozen=True)
class Row:
    """What a tool says of one device. `power_w` is None where it cannot be told from `raw`, the text it stands in.

    `partition` is the mode of a board that is divided among several users, `second_die` marks a die whose power is in
    that of the die before it. `taken` is the fraction of its memory that is taken. `in_table` marks a row of the table
    that lists all devices.
    """

    power_w: float | None
    raw: str
    cap_w: float | None = None
    utilisation: float | None = None
    second_die: bool = False
    partition: str | None = None
    taken: float | None = None
    in_table: bool = False

    @property
    def draws(self) -> bool:
        """Whether the device has a power above 0 W, which is what a failed read prints."""
        return self.power_w is not None and self.power_w > 0


def partition_of(mode: str) -> str | None:
    """The mode that a tool prints of a board, None where it is that of a board in one piece or tells nothing."""
    return None if mode.strip().casefold() in WHOLE_BOARD else mode.strip()
