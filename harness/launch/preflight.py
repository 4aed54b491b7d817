"""What can be known to fail before the first launch of a bench: splits, batches, lead times, memory, disk."""

import shutil
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.data.config import ArchiveConfig, SplitName
from harness.data.land import land_of
from harness.data.opening import open_source
from harness.data.source import Source
from harness.data.windows import Windows
from harness.errors import UserError
from harness.launch.plan import LaunchPlan
from harness.launch.requirements import MemoryNeed, memory_needs, problem_of_fields, record_bytes, size_text
from harness.launch.room import problem_of_ranks
from harness.machine import memory as machine_memory
from harness.models import architecture
from harness.models.executing import check_execution
from harness.results.record import Environment
from harness.runners.schedule import learning_rates
from harness.runners.skill import Scorer
from harness.scenario.chips import ChipConfig
from harness.scenario.scenario import Scenario

GIB = 2**30


def problems_of(
    plans: Sequence[LaunchPlan],
    archives: Mapping[str, Source],
    results: Path,
    chip: ChipConfig,
    environment: Environment,
) -> list[str]:
    """A line for each thing that no launch could get round, with what to change; each is said once for all frameworks.

    What is counted of memory and disk is the least that a launch takes, so that nothing is refused that fits.
    """
    launches = Counter(plan.scenario.cell for plan in plans)
    scenarios = {plan.scenario.cell: plan.scenario for plan in plans}
    machine_bytes = machine_memory.limit_bytes()
    problems: list[str] = []
    disk_bytes = 0
    for cell, scenario in scenarios.items():
        where = f"{scenario.model} {scenario.preset} on {scenario.data_name}"
        if too_many := problem_of_ranks(scenario, environment):
            problems.append(too_many)
            continue
        if too_large := problem_of_fields(scenario, machine_bytes):
            problems.append(f"{where}: {too_large}")
            continue
        package = architecture(scenario.architecture)
        network = package.Network.model_validate(scenario.network)
        source = archives.get(scenario.data_name) or open_source(scenario.data, grid=scenario.grid)
        try:
            check_execution(package, scenario.grid, scenario.execution, scenario.training.batch_size)
            windows = Windows(source, scenario.data.splits, package.input_spec(network))
        except UserError as error:
            problems.append(f"{where}: {error}")
            continue
        of_splits = split_problems(scenario, windows)
        here = environment.of_devices(scenario.execution.world.devices_of_node)
        of_memory = _Limits(machine_bytes, _device_bytes(chip, here)).problems_of(scenario, source, package, network)
        of_regions = region_problems(scenario, source)
        problems += [f"{where}: {problem}" for problem in (*of_splits, *of_memory, *of_regions)]
        if not of_splits:
            disk_bytes += launches[cell] * record_bytes(scenario, windows)
    if of_disk := disk_problem(results, disk_bytes, len(plans)):
        problems.append(of_disk)
    return list(dict.fromkeys(problems))


def split_problems(scenario: Scenario, windows: Windows) -> list[str]:
    """What does not fit of the splits, and what to change: windows of each split, batches, lead times, warm-up."""
    training, history = scenario.training, windows.spec.history
    more_data = "use more data" if isinstance(scenario.data, ArchiveConfig) else "raise time_steps of the data"
    found: list[str] = []
    for stage in training.trained_stages:
        count, lead = _windows(windows, "train", stage.rollout_steps), stage.rollout_steps
        if not count:
            found.append(
                f"{_too_short(windows, 'train', history + lead)} that stage {stage.name!r} takes: {more_data} or give "
                "train a larger share of splits"
            )
        elif count < scenario.whole_batch_size:
            devices = scenario.execution.world.devices
            of_all = f" on {devices} devices" if devices > 1 else ""
            lower = f"lower it to at most {count // devices}, " if count >= devices else ""
            found.append(
                f"the train split has {count} windows, fewer than training.batch_size {training.batch_size}{of_all}: "
                f"{lower}{more_data} or give train a larger share of splits"
            )
        else:
            try:
                learning_rates(stage, training.steps_of(count // scenario.whole_batch_size))
            except UserError as error:
                found.append(f"{error}: lower warmup_steps or raise epochs")
    if training.epochs and windows.validates and not _windows(windows, "validation", 1):
        found.append(
            f"{_too_short(windows, 'validation', history + 1)} that a loss takes: {more_data}, give validation a "
            "larger share of splits, or set it to 0 to train without one"
        )
    longest = scenario.inference.longest_lead
    if not _windows(windows, "test", longest):
        shorter = range(1, min(longest, len(windows.source.times)))
        reached = bisect_left(shorter, True, key=lambda lead: not _windows(windows, "test", lead))
        lower = f"lower inference.lead_steps to at most {reached}, " if reached else ""
        found.append(
            f"{_too_short(windows, 'test', history + longest)} that inference.lead_steps up to {longest} take: {lower}"
            f"{more_data} or give test a larger share of splits"
        )
    return found


def region_problems(scenario: Scenario, source: Source) -> list[str]:
    """The regions in which a channel has no point to be scored, or of land or sea where that is not known."""
    found = []
    scored = scenario.inference.skill != "none"
    for region in scenario.inference.bounded_regions if scored else ():
        try:
            land = land_of(source) if region.surface else None
            Scorer(source.channels, source.latitude, source.mask, longitude=source.longitude, region=region, land=land)
        except UserError as error:
            found.append(f"{error}; leave {region.name!r} out of inference.regions")
    return found


def disk_problem(results: Path, needed_bytes: int, launches: int) -> str | None:
    """What to say where the records of the launches do not fit on the disk of the results."""
    place = next((folder for folder in (results.absolute(), *results.absolute().parents) if folder.is_dir()), None)
    if place is None:
        return None
    free_bytes = shutil.disk_usage(place).free
    if needed_bytes <= free_bytes:
        return None
    return (
        f"{results}: {size_text(free_bytes)} of disk are free, and the records of {launches} launches take at least "
        f"{size_text(needed_bytes)}: free space or choose other RESULTS="
    )


class _Limits:
    """What the machine has at most for a launch, and its device; None where that is not known."""

    def __init__(self, machine_bytes: int, device_bytes: int | None) -> None:
        self._machine_bytes, self._device_bytes = machine_bytes, device_bytes

    def problems_of(self, scenario: Scenario, source: Source, package: ModuleType, network: Any) -> list[str]:
        """What of a launch does not fit."""
        needs = memory_needs(scenario, source, package, network)
        ranks = scenario.execution.world.devices_of_node
        of_each, whose = self._machine_bytes // ranks, "of each rank " if ranks > 1 else ""
        if scenario.device.lower() == "cpu":
            return _too_much(needs, of_each, f"{whose}here")
        on_host = memory_needs(scenario, source, package, network, copies=1)
        found = _too_much(on_host, of_each, f"{whose}of the machine")
        return found if self._device_bytes is None else [*found, *_too_much(needs, self._device_bytes, "of the device")]


def _too_much(needs: Sequence[MemoryNeed], limit_bytes: int, whose: str) -> list[str]:
    found = []
    for need in needs:
        if need.total_bytes <= limit_bytes:
            continue
        fitting = need.fitting_batch(limit_bytes)
        change = f"lower {need.setting} to at most {fitting}, " if fitting > 0 else ""
        found.append(
            f"{need.activity} takes at least {size_text(need.total_bytes)} of memory ({need.parameters:,} parameters "
            f"with what is kept of each {size_text(need.parameter_bytes)}, a batch of {need.batch_size} "
            f"{size_text(need.batch_bytes)}), and the memory {whose} is {size_text(limit_bytes)}: {change}take a "
            "smaller preset or more memory"
        )
    return found


def _device_bytes(chip: ChipConfig, environment: Environment) -> int | None:
    """Memory of the largest device that the driver tells of, else what the chip's file says."""
    told = [device.memory_bytes for device in environment.accelerator.devices if device.memory_bytes]
    if told:
        return max(told)
    return None if chip.memory_gib.value is None else int(chip.memory_gib.value * GIB)


def _windows(windows: Windows, split: SplitName, lead: int) -> int:
    try:
        return len(windows.starts(split, lead))
    except UserError:
        return 0


def _too_short(windows: Windows, split: SplitName, steps: int) -> str:
    return f"the {split} split has {len(windows.ranges[split])} steps, and no {steps} valid ones in a row"
