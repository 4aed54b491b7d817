"""What a cell of a table holds: a quantity or words, typed, so that each format of a file writes it in its own way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.cells import Cell
from harness.analysis.number_format import MISSING, Digits, digits
from harness.analysis.quantities.quantity import Quantity
from harness.analysis.quantities.skill import NotFinite

NO_INTERVAL = "*"
UNCERTIFIED = "†"

Sources = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """A quantity as it is shown: divided to a readable unit, perhaps signed, with at most so many decimals.

    `starred` marks it where it has no interval; one that is missing shows its reason.
    """

    quantity: Quantity
    divisor: float = 1.0
    signed: bool = False
    max_decimals: int | None = None
    starred: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.quantity, Quantity):
            raise TypeError(f"a number of a table is a Quantity, no {type(self.quantity).__name__}")

    @property
    def sources(self) -> Sources:
        """The cells whose records hold it."""
        return self.quantity.sources

    @property
    def digits(self) -> Digits | None:
        """Value and interval as text; None where there is no value."""
        found, divisor = self.quantity, self.divisor
        if found.value is None:
            return None
        if found.low is None or found.high is None:
            return digits(found.value / divisor, None, None, self.signed, self.max_decimals)
        bounds = found.low / divisor, found.high / divisor
        return digits(found.value / divisor, *bounds, self.signed, self.max_decimals)

    @property
    def mark(self) -> str:
        """What stands behind it: a star where an interval is lacking."""
        missing = self.quantity.value is None or self.quantity.has_interval
        return NO_INTERVAL if self.starred and not missing else ""

    def __str__(self) -> str:
        found = self.digits
        if found is None:
            return f"{MISSING} {self.quantity.reason}" if self.quantity.reason else MISSING
        return f"{found} {self.mark}".rstrip()


@dataclass(frozen=True, slots=True)
class Count:
    """A number that is exact, such as one of launches or a lead time."""

    value: float
    sources: Sources = ()

    def __str__(self) -> str:
        return f"{self.value:g}"


@dataclass(frozen=True, slots=True)
class Heading:
    """A name and its unit."""

    name: str
    unit: str

    def __str__(self) -> str:
        return f"{self.name}, {self.unit}"


@dataclass(frozen=True, slots=True)
class Words:
    """Text about some cells."""

    text: str
    sources: Sources = ()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison says, marked where no certificate says that the networks are the same."""

    word: str
    certified: bool = True
    sources: Sources = ()

    def __str__(self) -> str:
        return self.word if self.certified else f"{self.word} {UNCERTIFIED}"


Content = str | Number | Count | Heading | Words | Verdict
Row = tuple[Content, ...]


def sources_of(content: Content) -> Sources:
    """The cells whose records hold it; none where it is of no cell."""
    return () if isinstance(content, str | Heading) else content.sources


def columns_of(name: str, found: Quantity | None) -> dict[str, object]:
    """Value and bounds of the interval as columns of a file."""
    percent = round(100 * (found.confidence if found else 0.95))
    return {
        name: found.value if found else None,
        f"{name}_low{percent}": found.low if found else None,
        f"{name}_high{percent}": found.high if found else None,
    }


def ratio_columns(name: str, found: Quantity | None) -> dict[str, object]:
    """Ratio to the baseline, bounds of its 95 % interval, pairs and verdict as columns of a file."""
    known = found if found and found.value is not None else None
    return {
        **columns_of(f"{name}_ratio", known),
        f"{name}_ratio_pairs": known.number if known else None,
        f"{name}_verdict": known.verdict if known else None,
    }


def launches_text(numbers: Sequence[int]) -> str:
    """Numbers of launches in words."""
    return f"launch{'es' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def not_finite_text(found: NotFinite) -> str:
    """In words, in which launches the RMSE is infinite or NaN, and what it is in the others."""
    kinds: Mapping[str, tuple[int, ...]] = {"infinite": found.infinite, "NaN": found.nan}
    parts = [f"{word} in {launches_text(numbers)}" for word, numbers in kinds.items() if numbers]
    if found.others:
        parts.append(f"{Number(found.others)} in the other{'s' if found.others.number > 1 else ''}")
    return "; ".join(parts)


def joined(answers: Mapping[str, str]) -> str:
    """The answers by label, or the one that all give."""
    if len(set(answers.values())) == 1:
        return next(iter(answers.values()))
    return ", ".join(f"{label}: {answer}" for label, answer in answers.items())
