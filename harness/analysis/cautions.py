"""What a reader of the tables must be warned of, computed from the records."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.variants import unequal_variants, variants_of
from harness.analysis.statistics import MIN_LAUNCHES
from harness.results.record import OtherProcess, Record

SAME_BUILD = ("crosscast_version", "git_commit")
SAME_ENVIRONMENT = (
    *SAME_BUILD,
    "python",
    "platform",
    "container",
    "cpu_name",
    "cpu_count",
    "cpu_mhz_max",
    "memory_bytes",
    "packages",
    "visible_devices",
    "threads",
    "variables",
    "accelerator",
)


LEAST_BUSY = 0.5
"""Median utilisation in training below which the chip waited more than it worked."""

OF_AI_CORES = frozenset({"dcmi", "npu-smi"})
"""Tools whose utilisation is that of the AI cores alone, and not of the vector or other units beside them."""


def cautions(group: Group, comparisons: Mapping[Cell, Comparison]) -> tuple[str, ...]:
    """One line each, most grave first, with all cells that it is true of; empty where there is nothing to say."""
    ran = [cell for cell in group.cells if cell.launches]
    said = dict.fromkeys(line for cell in ran for summary in cell.summaries.values() for line in summary.data_cautions)
    lines = [f"data {group.data_name}: {line}" for line in said]
    found = [(line, cell) for cell in ran for line in _of_cell(cell)]
    found += [(line, cell) for cell in ran for line in _of_comparison(comparisons[cell])]
    places: dict[str, list[str]] = {}
    for line, cell in found:
        places.setdefault(line, []).append(group.label(cell))
    all_labels = [group.label(cell) for cell in ran]
    return (*lines, *(f"{_whose(labels, all_labels)}: {line}" for line, labels in places.items()))


def _whose(labels: Sequence[str], of_all: Sequence[str]) -> str:
    """The cells by name, or, of most of many, those that are left."""
    others = [label for label in of_all if label not in labels]
    if not others and len(of_all) > 1:
        return "all cells"
    if others and len(labels) > 2 * len(others):
        return f"all cells but {'; '.join(others)}"
    return "; ".join(labels)


def _of_cell(cell: Cell) -> Iterable[str]:
    launches = cell.launches
    yield from _of_shortfall(cell)
    if len(launches) < MIN_LAUNCHES:
        yield f"{len(launches)} of the {MIN_LAUNCHES} launches that an interval needs"
    if foreign := [record.launch for record in launches if record.load.foreign]:
        yield f"other work ran beside {_launches(foreign)}"
    yield from _of_devices(launches)
    yield from _of_idle_devices(cell)
    yield from _of_nodes(launches)
    if len(variants := variants_of(cell)) > 1:
        yield f"its launches ran on different variants of the chip: {_either(variants)}"
    unsteady: dict[str, list[int]] = {}
    for launch, summary in cell.summaries.items():
        for part in summary.unsteady:
            unsteady.setdefault(part, []).append(launch)
    for part, numbers in unsteady.items():
        yield f"the step time of {part} never settled in {_launches(numbers)}"
    yield from _blown_up(cell)
    if len(hosts := _by_host(cell)) > 1:
        where = "; ".join(f"{_launches(numbers)} on {host}" for host, numbers in hosts.items())
        yield f"pooled from {len(hosts)} hosts of the same kind: {where}"
    if dirty := [record.launch for record in launches if record.environment.git_dirty]:
        yield f"made from a checkout with uncommitted changes: {_launches(dirty)}"
    if unknown := [launch for launch, summary in cell.summaries.items() if summary.numerics is None]:
        yield f"the bits that the matrix product keeps were not measured in {_launches(unknown)}"
    for name in SAME_ENVIRONMENT:
        values = _environments(cell, name)
        if len(values) > 1:
            yield f"{name.replace('_', ' ')} differs between its launches: {_either(values)}"


def _of_devices(launches: Sequence[Record]) -> Iterable[str]:
    """Others on the devices, and what could not be found out of them."""
    shared: dict[str, list[int]] = {}
    unknown: dict[str, list[int]] = {}
    for record in launches:
        devices = record.load.devices
        if devices is not None and devices.others:
            shared.setdefault(_others(devices.others), []).append(record.launch)
        elif devices is not None and devices.reason:
            unknown.setdefault(devices.reason, []).append(record.launch)
    for what, numbers in shared.items():
        yield f"{what} on the device beside {_launches(numbers)}: its times are those of a shared device"
    for reason, numbers in unknown.items():
        yield f"whether others used the device beside {_launches(numbers)} is not known: {reason}"


def _of_idle_devices(cell: Cell) -> Iterable[str]:
    """Devices that waited for the host in training, by the tool that told it."""
    found: dict[str, list[tuple[int, int, float]]] = {}
    for launch, summary in cell.summaries.items():
        for device, share in summary.utilisations:
            if share < LEAST_BUSY:
                found.setdefault(summary.collector or "the power tool", []).append((device, launch, share))
    for tool, idle in found.items():
        devices = sorted({device for device, _, _ in idle})
        numbers = sorted({launch for _, launch, _ in idle})
        least, most = (f"{100 * pick(share for _, _, share in idle):.0f}" for pick in (min, max))
        which = f"device{'s' if len(devices) > 1 else ''} {', '.join(map(str, devices))}"
        of_cores = not OF_AI_CORES.isdisjoint(tool.split(" and "))
        by, pace = (", AI cores alone", "or work beside the AI cores") if of_cores else ("", "not the chip")
        yield (
            f"{which} busy {least if least == most else f'{least} to {most}'} % of the training in "
            f"{_launches(numbers)} (median by {tool}{by}): the host, {pace}, set the pace"
        )


def _of_nodes(launches: Sequence[Record]) -> Iterable[str]:
    """In what the nodes of a launch on several are unlike."""
    unlike: dict[str, list[int]] = {}
    for record in launches:
        for node in record.nodes:
            for difference in node.differences:
                unlike.setdefault(f"node {node.node}: {difference}", []).append(record.launch)
    for what, numbers in unlike.items():
        yield f"its nodes are unlike in {_launches(numbers)}: {what}"


def _others(others: Sequence[OtherProcess]) -> str:
    count = sum(each.processes for each in others)
    held = [each.memory_bytes for each in others if each.memory_bytes]
    memory = f" with {sum(held) / 2**30:.3g} GiB" if held else ""
    return f"{count} process{'es' if count > 1 else ''} of another job{memory}"


def _of_shortfall(cell: Cell) -> Iterable[str]:
    short: dict[str, list[int]] = {}
    for launch, summary in cell.summaries.items():
        if (found := summary.numerics) and found.shortfall:
            short.setdefault(f"{found.shortfall}: this is not {found.asked}", []).append(launch)
    for words_of, numbers in short.items():
        yield f"{words_of} ({_launches(numbers)})"


def _of_comparison(comparison: Comparison) -> Iterable[str]:
    baseline = comparison.baseline
    if baseline is None or comparison.is_baseline or not baseline.launches:
        return
    if comparison.parity and not comparison.parity.certified:
        yield comparison.parity.text
    numbers = {record.launch for record in comparison.cell.launches}
    unpaired = numbers ^ {record.launch for record in baseline.launches}
    if unpaired and comparison.fair:
        yield f"no ratio from {_launches(sorted(unpaired))}, which only one of it and its baseline completed"
    if comparison.cell.host == baseline.host and (elsewhere := _on_other_hosts(comparison.cell, baseline)):
        yield f"{_launches(elsewhere)} ran on another host of the same kind than in the baseline"
    if comparison.fair and (variants := unequal_variants(comparison.cell, baseline)):
        yield f"variant of the chip: {_either(variants[0])} here, {_either(variants[1])} in the baseline"
    for name in SAME_ENVIRONMENT:
        ours, theirs = _environments(comparison.cell, name), _environments(baseline, name)
        if not all(value in theirs for value in ours) or not all(value in ours for value in theirs):
            yield f"{name.replace('_', ' ')}: {_either(ours)} here, {_either(theirs)} in the baseline"
    ours, theirs = _framework_threads(comparison.cell), _framework_threads(baseline)
    if comparison.fair and ours != theirs:
        yield f"threads of the framework: {_either(ours)} here, {_either(theirs)} in the baseline"


def _blown_up(cell: Cell) -> Iterable[str]:
    """A line for each variable at whose lead times an RMSE is infinite or NaN."""
    found: dict[tuple[str, str], dict[float, dict[int, None]]] = {}
    for launch, summary in cell.summaries.items():
        scores = summary.scores
        if scores is None or isfinite(sum(scores.rmse)):
            continue
        for (forecaster, key), rmse in zip(scores.places, scores.rmse, strict=True):
            if not isfinite(rmse):
                found.setdefault((forecaster, key.variable), {}).setdefault(key.lead_h, {})[launch] = None
    for (forecaster, variable), leads in found.items():
        hours = ", ".join(f"{lead_h:g}" for lead_h in leads)
        numbers = sorted({launch for launches in leads.values() for launch in launches})
        whose = "the forecast" if forecaster == "model" else forecaster
        yield f"{whose} of {variable} blew up: RMSE not finite at {hours} h in {_launches(numbers)}"


def _by_host(cell: Cell) -> dict[str, list[int]]:
    """Launch numbers by the host that they ran on."""
    found: dict[str, list[int]] = {}
    for record in cell.launches:
        found.setdefault(record.environment.host, []).append(record.launch)
    return found


def _on_other_hosts(cell: Cell, baseline: Cell) -> list[int]:
    """Numbers of the launches that the two cells of a table ran on different hosts."""
    hosts = {record.launch: record.environment.host for record in baseline.launches}
    return [
        record.launch
        for record in cell.launches
        if hosts.get(record.launch, record.environment.host) != record.environment.host
    ]


def _environments(cell: Cell, name: str) -> list[Any]:
    unique = {id(record.environment): record.environment for record in cell.launches}
    return _distinct(getattr(environment, name) for environment in unique.values())


def _framework_threads(cell: Cell) -> list[Any]:
    return _distinct(found.framework.threads for found in cell.summaries.values() if found.framework)


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _either(values: Sequence[Any]) -> str:
    return " or ".join(words(value) for value in values) or "unknown"


def words(value: Any) -> str:
    """A property of an environment as people read it; long digests are cut."""
    if value is None:
        return "unknown"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={entry}" for name, entry in sorted(value.items())) or "not set"
    return f"{value[:12]}..." if isinstance(value, str) and len(value) >= 40 and value.isalnum() else str(value)


def _launches(numbers: Sequence[int]) -> str:
    return f"launch{'es' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
