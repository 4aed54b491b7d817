"""Does a training step fit the chip, by the counted memory, and which execution would: answered before any launch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any, Literal

from harness.data.opening import open_source
from harness.data.source import Source
from harness.errors import UserError
from harness.frameworks.support import cannot_execute
from harness.launch.requirements import domain_of, problem_of_fields
from harness.machine import memory as machine_memory
from harness.models import architecture
from harness.models.executing import runs_in_tiles
from harness.models.memory import GIB, fitting, step_memory
from harness.results.devices import Accelerator
from harness.scenario.chips import ChipConfig, Figure
from harness.scenario.execution import Execution, World
from harness.scenario.labels import label
from harness.scenario.matrix import Matrix
from harness.scenario.scenario import Scenario
from harness.scenario.variants import as_told, with_memory_of

DIVIDING: tuple[Literal["sharded_optimiser", "sharded"], ...] = ("sharded_optimiser", "sharded")
"""Kinds of World.parallel with which a device holds less, the one that exchanges less first."""


def chip_here(chip: ChipConfig, accelerator: Accelerator) -> ChipConfig:
    """The chip as the variant that the driver names, with the least memory that it tells of a device."""
    found = as_told(chip, device_names(accelerator))
    told = [device.memory_bytes for device in accelerator.devices if device.memory_bytes]
    return with_memory_of(found, min(told, default=None))


def device_names(accelerator: Accelerator) -> list[str]:
    """What the driver calls the devices of a job, as far as it tells."""
    return [device.name for device in accelerator.devices if device.name]


def with_memory(chip: ChipConfig) -> ChipConfig:
    """The chip; a CPU whose file gives no memory has that of this machine, as far as this process may use it."""
    if chip.memory_gib.value is not None or not chip.is_host:
        return chip
    try:
        limit = machine_memory.limit_bytes()
    except OSError:
        return chip
    return chip.model_copy(update={"memory_gib": Figure(value=limit / GIB, source="what this process may use")})


def fitted(matrix: Matrix, archives: Mapping[str, Source], chip: ChipConfig, devices: int = 1) -> Matrix:
    """The matrix with the recomputing and the micro-batches of every cell that fit the chip; remarks say what changed.

    Where one device is not enough, as few as are, of up to `devices`, divide the optimiser or all of the network.
    Cells that become the same are one; those that are not trained stay. Raises UserError where a cell cannot be made to
    fit, or where the memory of the chip is not known.
    """
    cells: dict[str, Scenario] = {}
    remarks = []
    for scenario in matrix.cells:
        name = f"{scenario.model} {scenario.preset} {scenario.framework}"
        found = scenario
        if scenario.training.epochs:
            try:
                package, network, source = _parts(scenario, archives)
                domain, worlds = domain_of(source), _worlds(scenario, devices)
                execution = fitting(
                    package,
                    network,
                    domain,
                    scenario.training,
                    of_rank(chip, scenario),
                    scenario.execution,
                    worlds,
                    runs=partial(_runs, scenario),
                    tiled=_in_tiles(package, scenario),
                )
            except UserError as error:
                raise UserError(f"{name}: {error}") from None
            found = scenario.model_copy(update={"execution": execution})
        if found.execution != scenario.execution:
            graph_on_host = scenario.device == "CPU" and found.execution.is_graph
            saves = "; MindSpore's graphs on a CPU save nothing by recomputing" if graph_on_host else ""
            remarks.append(f"{name} runs as: {label(found.execution)} (--fit){saves}")
        cells.setdefault(found.cell, found)
    return replace(matrix, cells=tuple(cells.values()), remarks=(*matrix.remarks, *remarks))


def _worlds(scenario: Scenario, devices: int) -> Sequence[World]:
    """2, 4, 8 and so on devices for a cell that names one, with what can be divided among them."""
    if scenario.execution.world.devices > 1:
        return ()
    numbers = [2**power for power in range(1, devices.bit_length())]
    return [World(devices=number, parallel=kind) for number in numbers for kind in DIVIDING]


def _runs(scenario: Scenario, execution: Execution) -> bool:
    return cannot_execute(scenario.framework, scenario.device, execution) is None


def warnings_of(matrix: Matrix, archives: Mapping[str, Source], chip: ChipConfig) -> tuple[str, ...]:
    """A line for each cell whose training step is counted to need more than the chip has."""
    if chip.memory_gib.value is None:
        return ()
    found = []
    for scenario in matrix.cells:
        if not scenario.training.epochs:
            continue
        package, network, source = _parts(scenario, archives)
        tiled = _in_tiles(package, scenario)
        needed = step_memory(package, network, domain_of(source), scenario.training, scenario.execution, tiled=tiled)
        limit = of_rank(chip, scenario).memory_gib.value or 0.0
        if needed and needed.total > limit * GIB:
            found.append(
                f"{scenario.model} {scenario.preset} {scenario.framework}: a training step is counted to take "
                f"{needed.total / GIB:.1f} GiB of the {limit:.1f} that {chip.title} has; --fit (FIT=1) "
                "chooses micro-batches and recomputing that fit"
            )
    return tuple(dict.fromkeys(found))


def of_rank(chip: ChipConfig, scenario: Scenario) -> ChipConfig:
    """The chip with the memory that each rank has: on a CPU those of a node share it, elsewhere each has a device."""
    memory, ranks = chip.memory_gib, scenario.execution.world.devices_of_node
    if scenario.device.lower() != "cpu" or memory.value is None or ranks == 1:
        return chip
    return chip.model_copy(update={"memory_gib": memory.model_copy(update={"value": memory.value / ranks})})


def _in_tiles(package: ModuleType, scenario: Scenario) -> bool:
    return runs_in_tiles(package, scenario.execution, scenario.framework, scenario.device)


def _parts(scenario: Scenario, archives: Mapping[str, Source]) -> tuple[ModuleType, Any, Source]:
    if too_large := problem_of_fields(scenario, machine_memory.limit_bytes()):
        raise UserError(too_large)
    package = architecture(scenario.architecture)
    source = archives.get(scenario.data_name) or open_source(scenario.data, grid=scenario.grid)
    return package, package.Network.model_validate(scenario.network), source
