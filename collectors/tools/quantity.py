"""Power as the vendors' programs print it: a number with its unit, or something that is no power."""

from __future__ import annotations

import re

WATT_UNITS = frozenset({"W", "Watt", "Watts"})
NUMBER = re.compile(r"([+-]?\d+(?:\.\d+|,\d{1,2})?)\s*([^\d\s.,]\S*)?$")
"""A number with a point, or with a decimal comma of at most two digits: three would be thousands elsewhere."""


def parse_watts(text: str, column_unit: str | None = None) -> float:
    """Watts of "208.36 W", or of "208.36" where the column's title gave the unit.

    Raises ValueError, which names the text, for a sentinel such as [N/A], a number without a unit, a unit other than
    watts and a unit that contradicts the title's.
    """
    found = NUMBER.match(text.strip())
    if found is None:
        raise ValueError(f"{text.strip()!r} is no power")
    units = {unit for unit in (found[2], column_unit) if unit}
    if not units:
        raise ValueError(f"{text.strip()!r} has no unit")
    if not units <= WATT_UNITS:
        raise ValueError(f"{text.strip()!r} [{'/'.join(sorted(units))}] is not in watts")
    return float(found[1].replace(",", "."))
