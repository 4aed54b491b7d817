"""The kinds of comparison: what must agree and what may differ in each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.analysis.executions import belongs, setting_names

Facet = Literal["framework", "chip", "variant", "host", "versions", "threads", "port"]
"""What of two cells is not a setting: where they ran, in what, in which version, how many threads and which port."""

MATMUL = "precision.matmul"


@dataclass(frozen=True)
class Kind:
    """A kind of comparison.

    Of framework, chip, its variant, host, the framework's versions, on a CPU its threads, and a port of a lab's own
    only those in `may_differ` may; of an execution only the settings in `execution`, by dotted names or groups of them.
    Data, network, initial weights, training, inference and the bits of the matrix product must always agree, the bits
    but where `execution` holds the precision of products.
    Commits may differ: a caution names them. With `whole_batch` the batch of all devices together must agree in the
    place of that of each.
    """

    name: Literal["port", "chip", "ablation", "scaling", "history"]
    may_differ: frozenset[Facet] = frozenset()
    execution: tuple[str, ...] = ()
    whole_batch: bool = False

    def allows(self, setting: str) -> bool:
        """Whether a setting of an execution may differ."""
        return belongs(setting, self.execution)

    @property
    def allows_bits(self) -> bool:
        """Whether the matrix products may keep different numbers of bits."""
        return self.allows(MATMUL)


HOW_IT_IS_RUN = ("compilation", "recompute", "accumulation", "operators", "loading")
"""What of an execution may differ between two frameworks or chips: what changes no number but by rounding."""

PORT = Kind("port", frozenset({"framework", "versions", "port"}), HOW_IT_IS_RUN)
CHIP = Kind("chip", frozenset({"framework", "chip", "variant", "host", "versions", "threads", "port"}), HOW_IT_IS_RUN)
SCALING = Kind("scaling", frozenset({"host", "threads"}), ("world",))
STRONG_SCALING = Kind("scaling", frozenset({"host", "threads"}), ("world",), whole_batch=True)
HISTORY = Kind("history", frozenset({"versions"}))


def ablation(settings: Iterable[str]) -> Kind:
    """The ablation of one axis, or of one named step, by the settings that it changes.

    Raises ValueError where there is none, or one is no setting or group of settings of an execution.
    """
    named = tuple(settings)
    unknown = [name for name in named if not any(belongs(setting, (name,)) for setting in setting_names())]
    if unknown or not named:
        raise ValueError(f"no setting of an execution: {', '.join(unknown) or 'none given'}")
    return Kind("ablation", frozenset(), named)
