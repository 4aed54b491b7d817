"""How the network that a file of weights was made for differs from the one that they are for."""

from collections.abc import Mapping

from harness.models import architecture
from harness.porting.convert.expected import Expected
from harness.porting.convert.tensors import Shape


def other_sizes(shapes: Mapping[str, Shape], wanted: Mapping[str, Shape], expected: Expected) -> str | None:
    """What differs, in a line: patch size 4, not 8. None where the sizes agree or the file does not tell them all."""
    sizes = getattr(architecture(expected.architecture), "sizes", None)
    if sizes is None:
        return None
    found, needed = sizes(shapes), sizes(wanted)
    if not needed or found.keys() != needed.keys():
        return None
    return differing({what: (found[what], size) for what, size in needed.items()}, expected)


def differing(values: Mapping[str, tuple[float | None, float | None]], expected: Expected) -> str | None:
    """The same for what the file has and what is needed, by what it is; None of either is none."""
    unequal = [(what, _said(ours), _said(theirs)) for what, (ours, theirs) in values.items() if ours != theirs]
    if not unequal:
        return None
    what, ours, theirs = unequal[0]
    more = "".join(f"; {what} {ours}, not {theirs}" for what, ours, theirs in unequal[1:])
    return f"another network: the file has {what} {ours}, {expected.title} has {theirs}{more}"


def _said(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
