"""Every table of a suite, in the order in which they are shown."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.pair import Comparison
from harness.analysis.tables.ablation import ablation_table
from harness.analysis.tables.energy import energy_table
from harness.analysis.tables.scaling import scaling_table
from harness.analysis.tables.skill import skill_table
from harness.analysis.tables.speed import speed_table
from harness.analysis.tables.table import Table
from harness.porting.parity.certificate import Certificate

TableBuilder = Callable[[str, Sequence[Group], Mapping[Cell, Comparison]], Table]


def builders(certificates: Sequence[Certificate]) -> tuple[TableBuilder, ...]:
    """What builds each table; those of ablation and scaling have no section where nothing is compared in that way."""
    return (
        *(speed_table, skill_table, energy_table),
        partial(ablation_table, certificates=certificates),
        scaling_table,
    )
