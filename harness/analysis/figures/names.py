"""Names and units as people write them, for figures and papers; files of numbers keep the names of records."""

import re
from math import log10

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
FACTOR = re.compile(r"([A-Za-zµ°%]+)(?:\*\*|\^)?([+-]?\d+)?")
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def people(text: str) -> str:
    """A text in which models and frameworks are called as their makers call them, up to a command that it suggests."""
    said, program, command = text.partition("crosscast ")
    return WORD.sub(lambda found: NAMES[found[1]], said) + program + command


def unit(text: str) -> str:
    """A unit with superscripts: `m s-1`, `m/s` and `m s**-1` become m s⁻¹; what is no such unit stays as it is."""
    if text in UNITS:
        return UNITS[text]
    numerator, *denominators = text.split("/")
    parts = [_factors(part, sign) for part, sign in ((numerator, 1), *((each, -1) for each in denominators))]
    if any(part is None for part in parts):
        return text
    factors = [factor for part in parts for factor in part or ()]
    if len(factors) == 1 and factors[0][1] == 1:
        return text
    return " ".join(name if power == 1 else f"{name}{str(power).translate(SUPERSCRIPTS)}" for name, power in factors)


def power_of_ten(value: float) -> str:
    """A power of ten with its exponent raised, as 10⁻³."""
    return f"10{str(round(log10(value))).translate(SUPERSCRIPTS)}"


def _factors(text: str, sign: int) -> list[tuple[str, int]] | None:
    """Names and powers of a product; None where it is no product of units."""
    words = text.replace("*", " * ").replace(" *  * ", "**").replace(" * ", " ").split()
    found = [FACTOR.fullmatch(word) for word in words]
    if not words or any(match is None for match in found):
        return None
    return [(match[1], sign * int(match[2] or 1)) for match in found if match]
