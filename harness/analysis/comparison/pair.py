"""A cell beside its baseline."""

from dataclasses import dataclass

from harness.analysis.cells import Cell
from harness.analysis.comparison.kinds import PORT, Kind


@dataclass(frozen=True)
class ParityNote:
    """Whether certificates say that the networks of two cells are the same one, and why or why not, in words."""

    certified: bool
    text: str


@dataclass(frozen=True)
class Comparison:
    """A cell and its baseline; `refusal` lists what forbids the comparison and is empty where it is fair.

    `parity` is None where nothing is compared.
    """

    cell: Cell
    baseline: Cell | None
    refusal: tuple[str, ...]
    parity: ParityNote | None = None
    kind: Kind = PORT

    @property
    def is_baseline(self) -> bool:
        """Whether the cell is its own baseline."""
        return self.cell is self.baseline

    @property
    def fair(self) -> bool:
        """Whether there is a baseline other than the cell itself and nothing forbids the ratio."""
        return self.baseline is not None and not self.is_baseline and not self.refusal

    @property
    def certified(self) -> bool:
        """Whether no certificate is lacking."""
        return self.parity is None or self.parity.certified
