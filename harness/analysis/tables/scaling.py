"""How trainings scale over devices: speed-up, efficiency, exchange, energy and memory beside one device."""

from collections.abc import Iterator, Mapping, Sequence

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import energy_ratio, for_energy
from harness.analysis.comparison.scaling import (
    Curve,
    curves,
    devices_of,
    efficiency,
    nodes_of,
    rates,
    slow_rank,
    speed_up,
    world_text,
)
from harness.analysis.content import Content, Count, Heading, Number, Row, Words, columns_of
from harness.analysis.number_format import MISSING, readable_unit
from harness.analysis.quantities.energy import WHOLE_TRAINING, energy_of
from harness.analysis.quantities.metrics import EXCHANGE
from harness.analysis.quantities.quantity import Measured, Quantity
from harness.analysis.quantities.speed import speed_of
from harness.analysis.tables.parts import INTERVALS, failure_lines
from harness.analysis.tables.table import Data, Section, Table

MEMORIES = ("device_bytes", "process_rss_bytes")
PERCENT = 0.01
ON_A_CPU = (
    "Ranks on a CPU share its cores, of which one rank alone has all, and the bandwidth of its memory: this shows that "
    "all works together, and nothing of how a chip scales."
)
DEFINITIONS = (
    "Weak scaling keeps the batch of each device, strong scaling that of all together; n devices with batches of B see "
    "the batches of nB that one would. A step is as long as that of the slowest rank.",
    "Speed-up: training rate (samples a second, data and steps, compilation left out) over that of one device, by "
    "launches of the same number, with the 95 % interval of the paired ratios; ideal is the number of devices. "
    "Efficiency: speed-up over the number of devices.",
    "Exchange: what the exchange of gradients adds to a training step, measured after the training by steps without "
    "it. Energy: gross, of all devices of the job, of the whole training; the ratio is to one device. Memory: of the "
    "device, or process, that took most.",
    INTERVALS,
)


def scaling_table(
    suite: str, groups: Sequence[Group], comparisons: Mapping[Cell, Comparison], *, shown: int | None = None
) -> Table:
    """Build the table with sections of the first `shown` groups; it has none where all have as many devices."""
    sections, rows = [], []
    for number, group in enumerate(groups):
        for curve in curves(group):
            several = len(list(rates(curve.base))) > 1
            for rate in rates(curve.base):
                stage = rate.title if several else ""
                if shown is None or number < shown:
                    sections.append(_section(group, curve, rate, stage))
                rows += [_data_row(group, curve, each, rate.name, stage) for each in _places(curve)]
    return Table("scaling", f"Scaling over devices, suite {suite}", tuple(sections), lambda: Data.of(rows), DEFINITIONS)


def _section(group: Group, curve: Curve, rate: Measured, stage: str) -> Section:
    memory = _memory(curve.base)
    divisor, unit = readable_unit("bytes", memory.median.value or 0.0 if memory else 0.0)
    columns: Row = (
        "devices",
        "batch of each",
        "n",
        Heading(rate.title, rate.unit),
        "speed-up",
        "efficiency, %",
        "exchange, %",
        Heading("energy", "J/sample"),
        "energy, ratio",
        Heading("memory of each", unit),
    )
    rows = tuple(_row(each, rate.name, divisor) for each in _places(curve))
    title = f"{curve.name}{f', {stage}' if stage else ''}: {group.title}"
    return Section(title, columns, rows, tuple(dict.fromkeys(_notes(group, curve))))


def _places(curve: Curve) -> tuple[Comparison, ...]:
    """The base beside itself, then the others."""
    return (Comparison(curve.base, curve.base, ()), *curve.points)


def _row(comparison: Comparison, rate_name: str, divisor: float) -> Row:
    cell = comparison.cell
    rate, exchange, memory = speed_of(cell).get(rate_name), speed_of(cell).get(EXCHANGE), _memory(cell)
    energy = energy_of(cell).measured(WHOLE_TRAINING, "sample_energy_j")
    ratios: tuple[Content, ...]
    if comparison.is_baseline:
        ratios = (Count(1, (cell,)), Count(100, (cell,)))
    elif comparison.refusal:
        ratios = ("refused", "see below")
    else:
        ratios = (
            _of_cell(speed_up(comparison, rate_name), cell),
            _of_cell(efficiency(comparison, rate_name), cell, PERCENT),
        )
    return (
        Count(devices_of(cell), (cell,)) if nodes_of(cell) == 1 else Words(world_text(cell), (cell,)),
        Count(cell.scenario.training.batch_size, (cell,)),
        Count(len(rate.values) if rate else 0, (cell,)),
        _median(rate),
        *ratios,
        _median(exchange, PERCENT),
        _median(energy),
        _energy_ratio(comparison),
        _median(memory, divisor),
    )


def _energy_ratio(comparison: Comparison) -> Content:
    found = energy_ratio_of(comparison)
    if comparison.is_baseline or found is None:
        return MISSING
    return Words("refused", (comparison.cell,)) if found.reason else _of_cell(found, comparison.cell)


def energy_ratio_of(comparison: Comparison) -> Quantity | None:
    """The ratio of the energy of a training sample to that on one device; None where either is not measured."""
    of_energy = for_energy(comparison)
    if of_energy.refusal:
        return Quantity(None, sources=(comparison.cell,), reason="; ".join(of_energy.refusal))
    found = energy_ratio(of_energy, WHOLE_TRAINING, "sample_energy_j")
    return None if found is None or found.value is None else found


def _of_cell(found: Quantity, cell: Cell, divisor: float = 1.0) -> Content:
    return MISSING if found.value is None else Number(found._replace(sources=(cell,), reason=None), divisor)


def _median(measured: Measured | None, divisor: float = 1.0) -> Content:
    if measured is None or not measured.values:
        return MISSING
    return Number(measured.median, divisor)


def _memory(cell: Cell) -> Measured | None:
    """Of the device where the framework counts it, else of the process."""
    return next(
        (speed_of(cell)[name] for name in MEMORIES if name in speed_of(cell) and speed_of(cell)[name].values), None
    )


def _notes(group: Group, curve: Curve) -> Iterator[str]:
    for each in curve.points:
        yield from (f"Refused: {_called(each.cell)}: {line}" for line in each.refusal)
        if (exchange := speed_of(each.cell).get(EXCHANGE)) and exchange.reason:
            yield f"{_called(each.cell)}: exchange: {exchange.reason}"
        if found := slow_rank(each.cell):
            rank, ratio = found
            yield (
                f"{_called(each.cell)}: rank {rank} takes {ratio:.2f} times as long as the quickest for a step without "
                "exchange, and the others wait for it in every step with it"
            )
    for cell in dict.fromkeys(each.cell for each in _places(curve)):
        yield from (f"Energy: {line}" for line in energy_of(cell).reasons_for_none)
    if memory := _memory(curve.base):
        yield f"Memory: {memory.title}."
    if curve.base.scenario.device.lower() == "cpu":
        yield ON_A_CPU
    yield from failure_lines(group)


def _called(cell: Cell) -> str:
    devices, _, nodes = world_text(cell).partition(" ")
    return f"{devices} devices {nodes}".rstrip()


def _data_row(group: Group, curve: Curve, comparison: Comparison, rate_name: str, stage: str) -> dict[str, object]:
    cell = comparison.cell
    rate, exchange, memory = speed_of(cell).get(rate_name), speed_of(cell).get(EXCHANGE), _memory(cell)
    energy = energy_of(cell).measured(WHOLE_TRAINING, "sample_energy_j")
    one = Quantity(1.0)
    faster, share = (
        (one, one) if comparison.is_baseline else (speed_up(comparison, rate_name), efficiency(comparison, rate_name))
    )
    return {
        "model": group.model,
        "preset": group.preset,
        "chip": cell.scenario.chip,
        "data": group.data_name,
        "host": cell.host,
        "framework": cell.scenario.framework,
        "scaling": curve.scaling,
        "parallel": curve.parallel,
        "stage": stage or None,
        "cell": group.label(cell),
        "cell_key": cell.key,
        "devices": devices_of(cell),
        "nodes": nodes_of(cell),
        "batch_size": cell.scenario.training.batch_size,
        "launches": len(rate.values) if rate else 0,
        **columns_of("rate_samples_per_s", rate.median if rate else None),
        "ideal_speed_up": devices_of(cell),
        **columns_of("speed_up", faster),
        **columns_of("efficiency_fraction", share),
        **columns_of("exchange_fraction", exchange.median if exchange else None),
        **columns_of("sample_energy_j", energy.median),
        **columns_of("sample_energy_ratio", None if comparison.is_baseline else energy_ratio_of(comparison)),
        **columns_of("memory_bytes", memory.median if memory else None),
        "memory_of": memory.title if memory else None,
        "refusal": "; ".join(comparison.refusal) or None,
    }
