"""Which module of a port is which of the reference."""

from collections import defaultdict
from collections.abc import Sequence


def counterparts(reference: Sequence[str], port: Sequence[str]) -> dict[str, str]:
    """Modules of the port with the name of their counterpart in the reference; those without one are left out.

    Modules of the same name are counterparts. Below counterparts, modules that are left over in both are paired in the
    order of their calls where they are equally many: a list of modules is numbered here and keyed by size there.
    """
    names = {name: name for name in port if name in set(reference)}
    while True:
        left_there, left_here = _children_left(reference, set(names.values())), _children_left(port, set(names))
        new = {
            ours: theirs
            for parent, children in left_here.items()
            if len(others := left_there.get(names.get(parent, parent), [])) == len(children)
            for ours, theirs in zip(children, others, strict=True)
        }
        if not new:
            return names
        names |= new


def _children_left(names: Sequence[str], paired: set[str]) -> dict[str, list[str]]:
    """Names that are not paired by the innermost paired name that they lie in, without those inside another of them."""
    left = [name for name in names if name not in paired]
    found: dict[str, list[str]] = defaultdict(list)
    for name in left:
        around = [other for other in paired if _inside(name, other)]
        parent = max(around, key=len, default=None)
        if parent is not None and not any(_inside(name, other) and _inside(other, parent) for other in left):
            found[parent].append(name)
    return found


def _inside(name: str, other: str) -> bool:
    return name != other and (other == "" or name.startswith(f"{other}."))
