"""Names and units as people write them, for figures and papers; files of numbers keep the names of records."""

import re
from math import log10

from harness.analysis.units import factors

NAMES = {
    "fourcastnet": "FourCastNet",
    "graphcast": "GraphCast",
    "aigoms": "AI-GOMS",
    "pytorch": "PyTorch",
    "mindspore": "MindSpore",
}
WORD = re.compile(rf"(?<![\w./-])({'|'.join(NAMES)})(?![\w./-]*[\w/])")
"""A name that stands alone, and is no part of a path, a command or a longer name."""

UNITS = {"degC": "°C", "deg_C": "°C"}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def people(text: str) -> str:
    """A text in which models and frameworks are called as their makers call them, up to a command that it suggests."""
    said, program, command = text.partition("crosscast ")
    return WORD.sub(lambda found: NAMES[found[1]], said) + program + command


def unit(text: str) -> str:
    """A unit with superscripts: `m s-1`, `m/s` and `m s**-1` become m s⁻¹; what is no such unit stays as it is."""
    if text in UNITS:
        return UNITS[text]
    found = factors(text)
    if found is None:
        return text
    if len(found) == 1 and found[0][1] == 1:
        return text
    return " ".join(name if power == 1 else f"{name}{str(power).translate(SUPERSCRIPTS)}" for name, power in found)


def power_of_ten(value: float) -> str:
    """A power of ten with its exponent raised, as 10⁻³."""
    return f"10{str(round(log10(value))).translate(SUPERSCRIPTS)}"
