"""What was done, in sentences that hold nothing but facts of the records."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import get_args

from harness.analysis.cells import Cell
from harness.analysis.figures.names import people
from harness.analysis.quantities.energy import energy_of
from harness.analysis.reading import StoredRecord
from harness.data.config import SplitName
from harness.scenario.labels import label, precision_label
from harness.scenario.scenario import Scenario
from harness.scenario.schema import OptimiserConfig

GIB = 2**30

SERVES: Mapping[str, str] = {"train": "training on", "validation": "validation on", "test": "scores on"}


def methods(cells: Sequence[Cell]) -> list[str]:
    """Sentences on networks, data, training, executions, precision, machines, launches and energy.

    What differs between cells is listed, each once; what no record says is left out.
    """
    ran = [cell for cell in cells if cell.launches]
    found = [
        *_each(ran, _network),
        *_each(ran, _splits),
        *_each(ran, _training),
        *_each(ran, _inference),
        *_each(ran, _execution),
        *_each(ran, _precision),
        *_each(ran, _own),
        *(machine_sentence(record) for record in _machines(ran)),
        _launches(ran),
        *_each(ran, _energy),
    ]
    return list(dict.fromkeys(filter(None, found)))


def machine_sentence(record: StoredRecord) -> str:
    """The machine of a launch: CPU, memory, accelerators with their driver."""
    place = record.environment
    memory = f", {place.memory_bytes / GIB:.0f} GiB of memory" if place.memory_bytes else ""
    devices = [device.name for device in place.accelerator.devices if device.name]
    counted = [f"{devices.count(name)} x {name}" for name in dict.fromkeys(devices)]
    driver = record.summary.framework.driver if record.summary.framework and devices else None
    accelerators = f", {' and '.join(counted)}{f', driver {driver}' if driver else ''}" if counted else ""
    return f"Host {place.host}: {place.cpu_name}, {place.cpu_count} CPUs{memory}{accelerators}, {place.platform}."


def machines_in_short(launches: Iterable[StoredRecord]) -> str:
    """CPUs and accelerators of launches, for a caption."""
    named: dict[str, None] = {}
    for place in (record.environment for record in launches):
        devices = dict.fromkeys(each.name for each in place.accelerator.devices if each.name)
        named[" with ".join((f"{place.cpu_name} ({place.cpu_count} CPUs)", *devices))] = None
    return "; ".join(named)


def launches_in_short(cells: Iterable[Cell]) -> str:
    """The number of launches of each cell, as `n = 3` or `n = 2 to 3`."""
    numbers = sorted({len(cell.launches) for cell in cells if cell.launches})
    return f"n = {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"n = {numbers[0] if numbers else 0}"


def _each(cells: Sequence[Cell], say: Callable[[Cell], str]) -> Iterable[str]:
    return dict.fromkeys(say(cell) for cell in cells)


def _subject(scenario: Scenario) -> str:
    return people(f"{scenario.model} {scenario.preset}")


def _network(cell: Cell) -> str:
    scenario = cell.scenario
    rows, columns = scenario.grid
    return (
        f"{_subject(scenario)} ran on data {scenario.data_name} of {rows} x {columns} points with "
        f"{len(scenario.channels)} channels."
    )


def _splits(cell: Cell) -> str:
    """The parts of the time axis, by share or by period."""
    splits = cell.scenario.data.splits
    if splits.periods:
        parts = {
            name: first if first == last else f"{first} to {last}" for name, (first, last) in splits.periods.items()
        }
    else:
        named = zip(get_args(SplitName), splits.shares, strict=True)
        parts = {name: f"{share * 100:.4g} % of the time steps" for name, share in named if share}
    listed = ", ".join(f"{SERVES[name]} {part}" for name, part in parts.items())
    return f"Data {cell.scenario.data_name}: {listed}{'' if splits.periods else ', in this order'}."


def _training(cell: Cell) -> str:
    scenario, training = cell.scenario, cell.scenario.training
    if not training.epochs:
        return f"{_subject(scenario)} was not trained."
    stages = " and then ".join(
        f"{stage.epochs} epochs with a {stage.schedule.replace('_', ' ')} learning rate from {stage.learning_rate:g}"
        + (f", over {stage.rollout_steps} autoregressive steps" if stage.rollout_steps > 1 else "")
        for stage in training.trained_stages
    )
    most = training.max_steps_per_epoch
    bounded = f", {most} steps of an epoch at most" if most else ""
    return (
        f"{_subject(scenario)} was trained with {_optimiser(training.optimiser)}, {training.batch_size} samples a step "
        f"on each device, for {stages}{bounded}."
    )


def _optimiser(optimiser: OptimiserConfig) -> str:
    name = {"adam": "Adam", "adamw": "AdamW"}[optimiser.name]
    decay = f", weight decay {optimiser.weight_decay:g}" if optimiser.weight_decay else ""
    clip = f", gradients clipped to a norm of {optimiser.clip_norm:g}" if optimiser.clip_norm else ""
    return f"{name} (beta {optimiser.beta1:g} and {optimiser.beta2:g}{decay}{clip})"


def _inference(cell: Cell) -> str:
    inference = cell.scenario.inference
    names = ", ".join(region.name for region in inference.bounded_regions)
    regions = f", of {names} too" if names else ""
    scored = (
        "" if inference.skill == "none" else f"; forecasts were scored up to {inference.longest_lead} steps{regions}"
    )
    return (
        f"Inference of {_subject(cell.scenario)} was timed on batches of {inference.batch_size}, over "
        f"{inference.min_steps} steps or more after the warm-up{scored}."
    )


def _execution(cell: Cell) -> str:
    described = [found.framework for found in cell.summaries.values() if found.framework]
    versions = dict.fromkeys(f"{people(each.name)} {each.version}" for each in described)
    if not versions:
        return ""
    threads = sorted({each.threads for each in described if each.threads and each.device.lower() == "cpu"})
    of_threads = f" in {' or '.join(map(str, threads))} threads" if threads else ""
    return f"{' or '.join(versions)} ran as {label(cell.scenario.execution)}{of_threads} on {cell.scenario.chip}."


def _precision(cell: Cell) -> str:
    bits = sorted({found.numerics.matmul_bits for found in cell.summaries.values() if found.numerics})
    asked = precision_label(cell.scenario.execution.precision)
    measured = f"; the matrix product was measured to keep {' or '.join(map(str, bits))} bits" if bits else ""
    return f"Precision of {people(cell.scenario.framework)} on {cell.scenario.chip}: {asked}{measured}."


def _own(cell: Cell) -> str:
    words = cell.scenario.own_words
    return f"Set apart from the files of {_subject(cell.scenario)}: {words}." if words else ""


def _launches(cells: Sequence[Cell]) -> str:
    records = [record for cell in cells for record in cell.launches]
    if not records:
        return ""
    versions = sorted({record.environment.crosscast_version for record in records})
    commits = sorted({each.environment.git_commit[:12] for each in records if each.environment.git_commit})
    changed = " with uncommitted changes" if any(record.environment.git_dirty for record in records) else ""
    of_commits = f" (commit {', '.join(commits)}{changed})" if commits else ""
    days = sorted(record.started_at[:10] for record in records)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    weights = "; launch k of all cells of a network began with the same weights" if _began_alike(cells) else ""
    return (
        f"Each launch began anew, {launches_in_short(cells)} for each cell{weights}. "
        f"Crosscast {', '.join(versions)}{of_commits} made them, {when}."
    )


def _began_alike(cells: Sequence[Cell]) -> bool:
    """Whether the records show it of every launch number that several cells of a network have, of one at least."""
    weights: dict[tuple[str, str, int], list[str | None]] = defaultdict(list)
    for cell in cells:
        for launch, summary in cell.summaries.items():
            found = summary.fingerprints
            weights[cell.scenario.model, cell.scenario.preset, launch].append(found and found.initial_weights)
    shared = [each for each in weights.values() if len(each) > 1]
    return bool(shared) and all(len(set(each)) == 1 and None not in each for each in shared)


def _machines(cells: Sequence[Cell]) -> Iterable[StoredRecord]:
    """A launch of each host, one with the most accelerators: a record describes those that its launch used."""
    by_host: dict[str, list[StoredRecord]] = {}
    for record in (record for cell in cells for record in cell.launches):
        by_host.setdefault(record.environment.host, []).append(record)
    return [max(found, key=lambda record: len(record.environment.accelerator.devices)) for found in by_host.values()]


def _energy(cell: Cell) -> str:
    found, what = energy_of(cell), f"Energy of {people(cell.scenario.framework)} on {cell.scenario.chip}"
    activities = (*found.uses, *found.host_uses)
    measured = [activity for activity in activities if found.measured(activity, "energy_j").values]
    scopes = dict.fromkeys(scope for activity in measured for scope in found.scopes_of(activity))
    if measured:
        return f"{what} is that of: {', '.join(scopes).replace('_', ' ') or 'what its sensors hold, not recorded'}."
    reasons = (*found.reasons_for_none, *(reason for activity in activities for reason in found.reasons(activity)))
    return f"{what} was not measured: {'; '.join(dict.fromkeys(reasons)) or 'not recorded'}."
