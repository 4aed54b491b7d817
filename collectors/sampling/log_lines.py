"""One line of a sampler's log as a checked record: what a line must hold, and what is wrong with one that does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from collectors.sampling.log_checks import MOST_NS, MOST_VALUE

MAX_LINE_BYTES = 1 << 20
MAX_BAD_LINES = 3
EXCERPT_LENGTH = 60


class BadLine(ValueError):
    """A line that is no whole record of a log; the message says what is wrong with it."""


def parse_line(line: bytes) -> tuple[str, dict[str, Any]]:
    """The kind of a line and its fields without the kind, checked where the kind is known. Raises BadLine."""
    if len(line) > MAX_LINE_BYTES:
        raise BadLine(f"has {len(line)} bytes, more than the {MAX_LINE_BYTES} of any line of a sampler")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"is no whole JSON record ({_cut(str(error))})") from None
    if not isinstance(record, dict):
        raise BadLine(f"is {_told(record)}, not an object")
    kind = record.pop("type", None)
    if not isinstance(kind, str):
        raise BadLine(f"type is {_told(kind)}, not text")
    return kind, check_fields(kind, record)


def check_fields(kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record of a log that belong to its kind. Raises BadLine for one that is missing or wrong.

    What a later version adds to a reading is left out; other kinds keep all that they hold.
    """
    if kind == "end":
        for name in END_NUMBERS:
            if not _is_number_or_none(record.get(name)):
                raise BadLine(f"{name} is {_told(record[name])}, not a finite number that a sampler writes")
    if kind not in FIELDS:
        return dict(record)
    fields = {}
    for name, (is_right, wanted, required) in FIELDS[kind].items():
        if name not in record:
            if required:
                raise BadLine(f"{name} is missing")
            continue
        if not is_right(record[name]):
            raise BadLine(f"{name} is {_told(record[name])}, not {wanted}")
        fields[name] = record[name]
    if fields["t1_ns"] < fields["t0_ns"]:
        raise BadLine(f"t1_ns of {fields['t1_ns']} is before t0_ns of {fields['t0_ns']}")
    return fields


def told(bad_lines: tuple[str, ...], n_bad_lines: int) -> str | None:
    """The bad lines of a log in a sentence, None where there is none."""
    if not n_bad_lines:
        return None
    lines = "line is" if n_bad_lines == 1 else "lines are"
    rest = ", ..." if n_bad_lines > len(bad_lines) > 0 else ""
    which = f": {'; '.join(bad_lines)}{rest}" if bad_lines else ""
    return f"{n_bad_lines} {lines} bad in the log of the sampler{which}"


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_NS


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_number_or_none(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= MOST_VALUE


def _is_size_or_none(value: object) -> bool:
    return value is None or (isinstance(value, int) and _is_number_or_none(value) and value >= 0)


END_NUMBERS = ("n_ticks", "n_late_ticks", "max_late_s", "n_lost_lines", "cpu_s")
Check = tuple[Callable[[object], bool], str, bool]
_TIME: Check = (_is_time, "a time in nanoseconds", True)
_SENSOR: Check = (_is_text, "the name of a sensor", True)
FIELDS: Mapping[str, Mapping[str, Check]] = {
    "power": {
        "t0_ns": _TIME,
        "t1_ns": _TIME,
        "sensor": _SENSOR,
        "power_w": (_is_number_or_none, "a finite number that a sensor gives", True),
        "status": (_is_text, "text", False),
        "raw": (_is_text_or_none, "text", False),
        "utilisation": (_is_number_or_none, "a finite number that a sensor gives", False),
        "memory_bytes": (_is_size_or_none, "a whole number of bytes", False),
        "memory_fraction": (_is_number_or_none, "a finite number that a sensor gives", False),
    },
    "counter": {
        "t0_ns": _TIME,
        "t1_ns": _TIME,
        "sensor": _SENSOR,
        "counter_j": (_is_number_or_none, "a finite number that a sensor gives", True),
    },
}
"""Fields of the readings of a log: how each is checked, what it has to be, and whether it has to be there."""


def _told(value: object) -> str:
    try:
        return _cut(json.dumps(value))
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"


def _cut(text: str) -> str:
    return text if len(text) <= EXCERPT_LENGTH else text[: EXCERPT_LENGTH - 3] + "..."
