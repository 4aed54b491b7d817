"""What a network in MindSpore is made of, as the child process that builds it tells it."""

from harness.frozen import Frozen


class CellFacts(Frozen):
    """A cell: its path, the names of its class and of those above, and attributes that are plain values."""

    path: str
    kinds: tuple[str, ...]
    attributes: dict[str, bool | int | float | str | None]


class CallFacts(Frozen):
    """A function that the user's own code calls: its name from mindspore on, and its keywords that are plain values.

    `given` are the names of all keywords, `positional` is the number of arguments without one, or None where a list of
    unknown length is unpacked among the arguments.
    """

    place: str
    name: str
    keywords: dict[str, bool | int | float | str | None]
    given: tuple[str, ...] = ()
    positional: int | None = 0


class OptimiserFacts(Frozen):
    """An optimiser: the names of its class and of those above, and whether it decays weights."""

    kinds: tuple[str, ...]
    decays: bool


class NetworkFacts(Frozen):
    """All of it."""

    version: str
    cells: tuple[CellFacts, ...]
    calls: tuple[CallFacts, ...]
    optimiser: OptimiserFacts | None
