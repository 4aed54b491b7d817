"""Every table of a suite, in the order in which they are shown."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.pair import Comparison
from harness.analysis.tables.ablation import ablation_table
from harness.analysis.tables.energy import energy_table
from harness.analysis.tables.scaling import scaling_table
from harness.analysis.tables.skill import skill_table
from harness.analysis.tables.speed import speed_table
from harness.analysis.tables.table import Table
from harness.porting.parity.certificate import Certificate


class TableBuilder(Protocol):
    """What builds a table of groups: its data of all of them, its sections of the first `shown`; None: of all."""

    def __call__(
        self, suite: str, groups: Sequence[Group], comparisons: Mapping[Cell, Comparison], *, shown: int | None = None
    ) -> Table:
        """The table."""


def builders(certificates: Sequence[Certificate]) -> tuple[TableBuilder, ...]:
    """What builds each table; those of ablation and scaling have no section where nothing is compared in that way."""
    return (
        *(speed_table, skill_table, energy_table),
        partial(ablation_table, certificates=certificates),
        scaling_table,
    )
