"""What an architecture says of its execution, and executions that do not go with it: without any framework."""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any, get_args

from harness.errors import UserError, nearest
from harness.models.operators.choices import CHOICES, Operator, all_serving
from harness.scenario.execution import Execution


def operators_of(package: ModuleType) -> Sequence[Operator]:
    """The operators of the table of choices that the networks of an architecture use, beside those that all use.

    Raises UserError where the table has no such operator.
    """
    used: Sequence[Operator] = getattr(package, "OPERATORS", ())
    known = get_args(Operator)
    if unknown := next((each for each in used if each not in known), None):
        raise UserError(f"{package.__name__}: OPERATORS names {unknown!r}; {nearest(str(unknown), known)}")
    return used


def runs_in_tiles(package: ModuleType, execution: Execution, framework: str, device: str | None) -> bool:
    """Whether rows of a network run a tile at a time on a device, by the framework's name for it."""
    if device is None or (framework, device) not in CHOICES:
        return False
    return all_serving(execution, operators_of(package), framework, device).get("messages") == "tiled"


def blocks_of(source: Any, network: Any) -> Sequence[Any]:
    """The parts of a network that a backward pass can compute anew, as the module that built it names them.

    Raises UserError where it names none.
    """
    name_blocks = getattr(source, "blocks", None)
    if name_blocks is None:
        name = getattr(source, "__name__", type(source).__name__)
        raise UserError(
            f"recompute.unit blocks: {name} has no function blocks(network); see harness/models/__init__.py"
        )
    blocks: Sequence[Any] = name_blocks(network)
    return blocks


def check_execution(package: ModuleType, grid: tuple[int, int], execution: Execution, batch_size: int) -> None:
    """Raise UserError where an architecture on a grid (rows, columns) cannot be run like that, or a batch not divided.

    `batch_size` is the optimiser's, of which accumulation makes micro-batches.
    """
    ranges, points = execution.recompute.ranges, math.prod(grid)
    if execution.recompute.unit == "ranges" and not getattr(package, "RANGES", False):
        name = package.__name__.rpartition(".")[2]
        raise UserError(f"recompute.unit ranges: {name} does not work through ranges of grid points; use unit: blocks")
    if ranges > points:
        raise UserError(
            f"recompute.ranges {ranges:,} is more than the {points:,} points of the grid {grid[0]}x{grid[1]}; lower it"
        )
    if batch_size % execution.accumulation:
        valid = [parts for parts in range(1, batch_size + 1) if batch_size % parts == 0]
        raise UserError(
            f"accumulation {execution.accumulation} does not divide training.batch_size {batch_size}; "
            f"numbers that do: {', '.join(map(str, valid))}"
        )
