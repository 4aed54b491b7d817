"""Which of the calls of a training step are run in both frameworks."""

from collections.abc import Sequence

from harness.porting.operators.calls import Call
from harness.porting.operators.support import OperatorMap

MOST_ELEMENTS = 2**22
"""Calls with more elements in all their tensors together are not run."""

CALLS_AN_OPERATOR = 2
"""The calls of an operator in a phase that are run: the largest, then those that the step makes most often."""


def chosen(calls: Sequence[Call], known: OperatorMap) -> tuple[int, ...]:
    """Numbers of the calls to run, in order, those of an operator largest first."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, call in enumerate(calls):
        entry = known.operators.get(call.base)
        if entry is not None and entry.runs and call.size <= MOST_ELEMENTS:
            groups.setdefault((call.operator, call.phase), []).append(number)
    return tuple(number for group in groups.values() for number in _of_group(group, calls))


def _of_group(group: list[int], calls: Sequence[Call]) -> list[int]:
    largest = max(group, key=lambda number: (calls[number].size, -number))
    others = sorted((n for n in group if n != largest), key=lambda n: (-calls[n].count, -calls[n].size, n))
    return [largest, *others[: CALLS_AN_OPERATOR - 1]]
