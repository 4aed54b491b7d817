"""Units as files state them, read by pint with the registry of cf-xarray, and compared with those of a mapping.

The registry takes a second to load, so that it is asked only about units that are not spelt alike.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from harness.data.reading import UnitConversion
from harness.errors import UserError

UNKNOWN = frozenset({"", "unknown", "undefined", "n/a", "na", "?", "not available", "missing", "tbd"})
"""Texts in lower case that say nothing."""

_SALINITY = "psu"
_SAME = {
    **dict.fromkeys(("mb", "mbar", "mbars", "millibar", "millibars", "hpa", "hectopascal", "hectopascals"), "hPa"),
    **dict.fromkeys(("pascal", "pascals"), "Pa"),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), "m"),
    **dict.fromkeys(("%", "percent", "per_cent", "percentage"), "percent"),
    **dict.fromkeys(("1", "dimensionless", "unitless", "none", "-", "--", "~", "nondimensional", "fraction"), "1"),
    **dict.fromkeys(("(0_-_1)", "(0-1)", "0-1", "0_-_1", "[0-1]", "non-dimensional", "proportion", "ratio"), "1"),
    **dict.fromkeys(
        ("psu", "pss", "pss-78", "pss78", "practical_salinity_units", "practical_salinity_unit"), _SALINITY
    ),
    **dict.fromkeys(("ppt", "‰", "per_mille", "per_mil", "permil"), "1e-3"),
    **dict.fromkeys(("degree", "degrees", "deg", "degs", "°", "degree_true", "degrees_true"), "degree"),
    **dict.fromkeys(("radian", "radians", "rad", "rads"), "radian"),
    **dict.fromkeys(("m_s-1", "m/s", "m.s-1", "m_s**-1", "m*s-1", "m_s^-1", "meter/second", "meters/second"), "m s-1"),
    **dict.fromkeys(("m2_s-2", "m2/s2", "m**2_s**-2", "m^2/s^2", "m^2_s^-2", "m**2/s**2", "m2.s-2"), "m2 s-2"),
    **dict.fromkeys(("kg_kg-1", "kg/kg", "kg_kg**-1", "kg.kg-1", "kg_kg^-1"), "kg kg-1"),
}
"""Spellings that differ in nothing but the letters, in lower case and with _ for blanks."""

_DEGREE = r"(?i:deg(?:ree)?s?[\s._-]*|[°º˚]\s*)"


def _thermometer(words: str, letter: str) -> re.Pattern[str]:
    """A scale in every spelling: its words, its letter behind a degree in either case, and its capital alone."""
    spelt = rf"{_DEGREE}?(?i:{words})|{_DEGREE}(?i:{letter})|(?:o\s?)?{letter}"
    return re.compile(rf"(?<![^\W\d])(?:{spelt})(?![^\W\d])")


_THERMOMETERS = {
    "K": _thermometer("kelvins?", "K"),
    "degC": _thermometer("cel[cs]ius|centigrade", "C"),
    "degF": _thermometer("fahrenheit", "F"),
}
"""C and F are temperatures in files, never coulomb and farad; in small letters, alone, they are nothing known."""

_DIFFERENCES = {"K": "K", "degC": "delta_degC", "degF": "delta_degF"}
"""What a scale counts in units made of several, as a gradient in degC/m, where its zero has no meaning."""

_ONE_CHARACTER = str.maketrans({"℃": "°C", "℉": "°F", "\u212a": "K"})
_ANGLES = frozenset({"degree", "radian", "arcminute", "arcsecond", "turn", "degrees", "degrees_north", "degrees_east"})
_WATER = re.compile(r"\s+(of\s+)?(liquid\s+)?water(\s+equivalent)?$|\s+w\.?e\.?$", re.IGNORECASE)
_SUM = re.compile(r"\+|\s-\s|\d\s*-\s*\d")
_POWER = r"(\*\*|\^)\s*"
_LARGE_POWER = re.compile(
    rf"({_POWER}|[a-zA-Z])[-+]?\d{{3,}}|{_POWER}[-+(]*[\d.]+\)*\s*(\*\*|\^)|(?<!\w)(?!10\b)[\d.]+\s*{_POWER}"
)
_LONGEST = 64
_NEVER_MEANT = frozenset({"grain"})
"""What pint makes of gr, by which files mean grams."""


def stated_units(attributes: Mapping[Any, Any]) -> str | None:
    """The attribute `units`, or what stands for it (`Unit`, `UNITS`); None where it says nothing."""
    for wanted in ("units", "unit"):
        for name, value in attributes.items():
            if str(name).lower() == wanted:
                text = (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()
                return None if text.lower() in UNKNOWN else text
    return None


def canonical(text: str) -> str:
    """One spelling for temperatures and the units of `_SAME`; any other text without blanks and stops around it."""
    text = text.translate(_ONE_CHARACTER).strip().rstrip(".")
    for scale, spelling in _THERMOMETERS.items():
        if spelling.fullmatch(text.strip("()[] ")):
            return scale
    key = re.sub(r"\s+", "_", _WATER.sub("", text)).lower()
    return text if text == "M" else _SAME.get(key, text)


def conversion(stated: str, wanted: str, place: str) -> UnitConversion | None:
    """How values in `stated` become values in `wanted`; None where they are the same.

    Salinity in `1` is taken as on the practical scale. Raises UserError, beginning with `place`, where the two are of
    different dimensions, or where one is no unit and they differ.
    """
    ours, theirs = canonical(wanted), canonical(stated)
    if ours == theirs:
        return None
    found = _scale(theirs, ours)
    if found is None:
        for text in (theirs, ours):
            if _quantity(text) is None:
                raise UserError(
                    f"{place} is in {stated!r} and mapped to {wanted!r}, of which {text!r} is no unit that can be read;"
                    f" if the values are right as they are, give it `units: {stated}` in the mapping"
                )
        raise UserError(
            f"{place} is in {stated!r}, which cannot be converted to the {wanted!r} of the mapping: they measure "
            "different things; map another variable or correct `units`"
        )
    factor, offset = found
    if abs(factor - 1) < 1e-12 and offset == 0:
        return None
    return UnitConversion(stated=stated, wanted=wanted, factor=factor, offset=offset)


def is_practical_salinity(stated: str, wanted: str) -> bool:
    """Whether one of the two is practical salinity and the other nothing but `1`, which leaves the scale open."""
    return {canonical(stated), canonical(wanted)} == {_SALINITY, "1"}


def measures(text: str, dimension: str) -> bool:
    """Whether a unit is of a dimension as pint writes it: [pressure], [length]."""
    quantity = _quantity(canonical(text))
    return quantity is not None and bool(quantity.check(dimension))


def is_angle(text: str) -> bool:
    """Whether a unit is one of angles, which pint takes for numbers."""
    quantity = _quantity(canonical(text))
    return quantity is not None and _parts(quantity) <= _ANGLES and bool(_parts(quantity))


@lru_cache(maxsize=256)
def _scale(stated: str, wanted: str) -> tuple[float, float] | None:
    """Factor and offset from one canonical unit to another; None where there is none."""
    if _SALINITY in (stated, wanted):
        return _salinity_scale(stated, wanted)
    source, target = _quantity(stated), _quantity(wanted)
    if source is None or target is None or is_angle(stated) != is_angle(wanted):
        return None
    registry, from_units, to_units = source._REGISTRY, source.units, target.units
    scaled = source.magnitude != 1 or target.magnitude != 1
    try:
        if scaled and registry.Quantity(0, from_units).to_root_units().magnitude != 0:
            return None
        zero, one = (float(registry.Quantity(value, from_units).to(to_units).magnitude) for value in (0.0, 1.0))
    except Exception:
        return None
    if zero == 0:
        return one * float(source.magnitude) / float(target.magnitude), 0.0
    return float(f"{one - zero:.12g}"), float(f"{zero:.12g}")


def _salinity_scale(stated: str, wanted: str) -> tuple[float, float] | None:
    """Practical salinity stands for parts in a thousand; with plain `1` nothing is said of the scale."""
    other = wanted if stated == _SALINITY else stated
    if other == "1":
        return 1.0, 0.0
    quantity = _quantity(other)
    if (
        quantity is None
        or not quantity.dimensionless
        or is_angle(other)
        or "practical_salinity_unit" in _parts(quantity)
    ):
        return None
    thousandths = float(quantity.to_root_units().magnitude) / 1e-3
    return (1 / thousandths if stated == _SALINITY else thousandths), 0.0


@lru_cache(maxsize=256)
def _quantity(text: str) -> Any:
    """A canonical unit as a quantity of pint, None where it is no unit.

    Nor is a temperature times an angle, which is a degree of temperature that no rule here can read, or times a number
    where its zero is not that of Kelvin.
    """
    text = _WATER.sub("", text)
    if len(text) > _LONGEST or _SUM.search(text) or _LARGE_POWER.search(text):
        return None
    from cf_xarray.units import units

    several = text not in _THERMOMETERS
    shifted = several and any(_THERMOMETERS[scale].search(text) for scale in ("degC", "degF"))
    for scale, spelling in _THERMOMETERS.items() if several else ():
        text = spelling.sub(_DIFFERENCES[scale], text)
    text = re.sub(r"\b[A-Z][a-z]{3,}\b", lambda word: word.group().lower(), text)
    text = re.sub(r"(?<=[A-Za-z0-9])\.(?=[A-Za-z])", " ", text)
    text = re.sub(r"\[([^\[\]]*)\]", r"(\1)", text)
    try:
        quantity: Any = units.Quantity(units.parse_expression(text))
        magnitude = float(quantity.magnitude)
    except Exception:
        return None
    turned = "[temperature]" in quantity.dimensionality and _parts(quantity) & _ANGLES
    if turned or (shifted and quantity.check("[temperature]")) or _parts(quantity) & _NEVER_MEANT:
        return None
    return quantity if 0 < magnitude < float("inf") else None


def _parts(quantity: Any) -> set[str]:
    """The names that pint gives the units of a quantity."""
    return {str(name) for name in quantity._units}
