"""How far a step lies beyond those that were measured, and so beyond all that was predicted and checked."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.projection.roofline import Sample
from harness.projection.work import Work

ALIKE = 1.1
"""So much larger a step is still of the size of another."""


class Size(NamedTuple):
    """Operations of a step, and bytes that its largest operator moves, which caches hold or do not."""

    flops: int
    bytes: int

    @staticmethod
    def of(work: Work) -> "Size":
        """Without what goes over a link."""
        local = [(each, times) for each, times in work.operations if each.kind != "collective"]
        return Size(sum(times * each.flops for each, times in local), max(each.bytes for each, _ in local))


def beyond(work: Work, activity: str, samples: Sequence[Sample]) -> str | None:
    """How many times the largest step of an activity that was measured a step is, in words; None where it is none."""
    measured = [Size.of(sample.work) for sample in samples if sample.activity == activity]
    own, largest = Size.of(work), Size(*map(max, zip(*measured, strict=True)))
    if not (said := list(_times(own, largest))):
        return None
    return (
        f"{' and '.join(said)} of any measured {activity}: the interval is that of the sizes that were measured, and "
        "was checked for none as large"
    )


def _times(own: Size, largest: Size) -> Iterator[str]:
    words = ("the operations", "the bytes of the largest operator")
    for mine, most, word in zip(own, largest, words, strict=True):
        ratio = mine / most
        if ratio > ALIKE:
            yield f"{ratio:.1f} times {word}" if ratio < 10 else f"{ratio:,.0f} times {word}"
