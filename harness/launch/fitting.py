"""Does a training step fit the chip, by the counted memory, and which execution would: answered before any launch."""

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from harness.data.opening import open_source
from harness.data.source import Source
from harness.errors import UserError
from harness.launch.requirements import domain_of, problem_of_fields
from harness.machine import memory as machine_memory
from harness.models import architecture
from harness.models.memory import GIB, fitting, step_memory
from harness.results.devices import Accelerator
from harness.scenario.labels import label
from harness.scenario.matrix import Matrix
from harness.scenario.scenario import Scenario
from harness.scenario.schema import ChipConfig, Figure
from harness.scenario.variants import as_told, with_memory_of


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
    runs_on_host = {entry.device for entry in chip.frameworks.values()} <= {"cpu", "CPU"}
    if chip.memory_gib.value is not None or not runs_on_host:
        return chip
    try:
        limit = machine_memory.limit_bytes()
    except OSError:
        return chip
    return chip.model_copy(update={"memory_gib": Figure(value=limit / GIB, source="what this process may use")})


def fitted(matrix: Matrix, archives: Mapping[str, Source], chip: ChipConfig) -> Matrix:
    """The matrix with the recomputing and the micro-batches of every cell that fit the chip; remarks say what changed.

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
                execution = fitting(package, network, domain_of(source), scenario.training, chip, scenario.execution)
            except UserError as error:
                raise UserError(f"{name}: {error}") from None
            found = scenario.model_copy(update={"execution": execution})
        if found.execution != scenario.execution:
            graph_on_host = scenario.device == "CPU" and found.execution.is_graph
            saves = "; MindSpore's graphs on a CPU save nothing by recomputing" if graph_on_host else ""
            remarks.append(f"{name} runs as: {label(found.execution)} (--fit){saves}")
        cells.setdefault(found.cell, found)
    return replace(matrix, cells=tuple(cells.values()), remarks=(*matrix.remarks, *remarks))


def warnings_of(matrix: Matrix, archives: Mapping[str, Source], chip: ChipConfig) -> tuple[str, ...]:
    """A line for each cell whose training step is counted to need more than the chip has."""
    if chip.memory_gib.value is None:
        return ()
    found = []
    for scenario in matrix.cells:
        if not scenario.training.epochs:
            continue
        package, network, source = _parts(scenario, archives)
        needed = step_memory(package, network, domain_of(source), scenario.training, scenario.execution)
        if needed and needed.total > chip.memory_gib.value * GIB:
            found.append(
                f"{scenario.model} {scenario.preset} {scenario.framework}: a training step is counted to take "
                f"{needed.total / GIB:.1f} GiB of the {chip.memory_gib.value:.1f} that {chip.title} has; --fit (FIT=1) "
                "chooses micro-batches and recomputing that fit"
            )
    return tuple(dict.fromkeys(found))


def _parts(scenario: Scenario, archives: Mapping[str, Source]) -> tuple[ModuleType, Any, Source]:
    if too_large := problem_of_fields(scenario, machine_memory.limit_bytes()):
        raise UserError(too_large)
    package = architecture(scenario.architecture)
    source = archives.get(scenario.data_name) or open_source(scenario.data, grid=scenario.grid)
    return package, package.Network.model_validate(scenario.network), source
