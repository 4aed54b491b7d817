"""Units of records as products of powers, whichever way they are written: m s-1, m/s, m s**-1."""

import re

FACTOR = re.compile(r"([A-Za-zµ°%]+)(?:\*\*|\^)?([+-]?\d+)?")


def factors(text: str) -> list[tuple[str, int]] | None:
    """Names and powers of a product of units, in their order; None where a text is none."""
    numerator, *denominators = text.split("/")
    parts = [_of_product(part, sign) for part, sign in ((numerator, 1), *((each, -1) for each in denominators))]
    if any(part is None for part in parts):
        return None
    return [factor for part in parts for factor in part or ()]


def _of_product(text: str, sign: int) -> list[tuple[str, int]] | None:
    """Names and powers of a product; None where it is no product of units."""
    words = text.replace("*", " * ").replace(" *  * ", "**").replace(" * ", " ").split()
    found = [FACTOR.fullmatch(word) for word in words]
    if not words or any(match is None for match in found):
        return None
    return [(match[1], sign * int(match[2] or 1)) for match in found if match]
