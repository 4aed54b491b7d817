"""Values that do not belong, put into content that JSON or YAML hold."""

import copy
import math
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]

DELETED, NESTED = object(), object()

NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, 10**59, 10**400, -(10**400), 0.5, -0.0, 1e-320, 1e30, 1e59, 1e308, -1e308)
NOT_FINITE = (math.inf, -math.inf, math.nan)
TEXTS = ("", " ", "text", "3", "1e400", "NaN", "é\x00", "\x1b[31m", "../..", "[/red]", "a" * 300, "2001-02-30")
OTHERS = (None, True, [], {}, [1], {"x": 1}, [[]], DELETED, NESTED)

wrong_values = st.sampled_from((*NUMBERS, *NOT_FINITE, *TEXTS, *OTHERS)) | st.integers() | st.floats() | st.text()


def places(content: Any, above: Place = ()) -> Iterator[Place]:
    """The way to everything in a content."""
    if isinstance(content, list | dict):
        for name, value in list(enumerate(content)) if isinstance(content, list) else content.items():
            yield (*above, name)
            yield from places(value, (*above, name))


def mutated(content: Any, changes: list[tuple[Place, Any]]) -> Any:
    """A copy of a content with other values at some places; those that an earlier change took away are passed over."""
    changed = copy.deepcopy(content)
    for place, value in changes:
        *above, name = place
        try:
            holder = changed
            for step in above:
                holder = holder[step]
            if value is DELETED:
                del holder[name]
            else:
                holder[name] = nested(holder[name], 40) if value is NESTED else value
        except (IndexError, KeyError, TypeError):
            continue
    return changed


def nested(value: Any, depth: int) -> Any:
    """A value in lists in lists."""
    for _ in range(depth):
        value = [value]
    return value


def mutations(content: Any) -> st.SearchStrategy[Any]:
    """One to four changes of a content."""
    change = st.tuples(st.sampled_from(list(places(content))), wrong_values)
    return st.lists(change, min_size=1, max_size=4).map(lambda changes: mutated(content, changes))
