"""Numbers as the vendors' programs print them: powers with their unit, percentages, small whole numbers."""

from __future__ import annotations

import re

UNITS_W = {"w": 1.0, "watt": 1.0, "watts": 1.0, "mw": 1e-3, "kw": 1e3, "uw": 1e-6, "\u03bcw": 1e-6}
"""Watts in one unit, by its name in small letters (the micro sign becomes the Greek letter there)."""

MEGAWATT = "MW"
"""Not taken for milliwatts, which some would write so."""

NUMBER = re.compile(r"([+-]?\d+(?:\.\d+|,\d{1,2})?)\s*([^\d\s.,]\S*)?$")
"""A number with a point, or with a decimal comma of at most two digits: three would be thousands elsewhere."""

LONGEST_NUMBER = 40
MOST_DIGITS = 9


def parse_watts(text: str, column_unit: str | None = None) -> float:
    """Watts of "208.36 W", "900 mW" or "0.9 kW", or of "208.36" where the column's title gave the unit.

    Raises ValueError, which names the text, for a sentinel such as [N/A], a number without a unit, a unit that is none
    of power and one that contradicts the title's.
    """
    cell = text.strip()
    found = NUMBER.match(cell) if len(cell) <= LONGEST_NUMBER else None
    if found is None:
        raise ValueError(f"{cell[:LONGEST_NUMBER]!r} is no power")
    units = {unit for unit in (found[2], (column_unit or "").strip()) if unit}
    if not units:
        raise ValueError(f"{cell!r} has no unit")
    factors = {None if unit == MEGAWATT else UNITS_W.get(unit.casefold()) for unit in units}
    factor = factors.pop()
    if factor is None or factors:
        raise ValueError(f"{cell!r} [{'/'.join(sorted(units))}] is not in watts")
    return float(found[1].replace(",", ".")) * factor


def watts(text: str, column_unit: str | None = None) -> float | None:
    """What `parse_watts` gives, None where it refuses."""
    try:
        return parse_watts(text, column_unit)
    except ValueError:
        return None


def fraction(text: str | None) -> float | None:
    """The fraction of "34.2%" or "34.2"; None for what is not between 0 and 100."""
    found = NUMBER.match((text or "").strip()[:LONGEST_NUMBER])
    if found is None or found[2] not in (None, "%"):
        return None
    share = float(found[1].replace(",", ".")) / 100
    return share if 0 <= share <= 1 else None


def whole_number(text: str | None) -> int | None:
    """A whole number of at most nine digits, without a sign; None for anything else."""
    return int(text) if text and len(text) <= MOST_DIGITS and text.isascii() and text.isdigit() else None
