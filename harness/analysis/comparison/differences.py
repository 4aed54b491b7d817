"""What of two cells does not agree, in words."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from harness.analysis.cells import Cell
from harness.analysis.comparison.kinds import CHIP, PORT, Facet, Kind
from harness.analysis.comparison.variants import unequal_variants
from harness.analysis.executions import unequal
from harness.data.fingerprints import is_of_today

SAME_SETTINGS = ("model", "preset", "grid", "channels", "training", "seed")
NETWORK = ("architecture", "network")
"""Named only where the fingerprints of two networks do not show that they are the same."""

SAME_INFERENCE_SETTINGS = ("batch_size", "lead_steps")
TITLES: Mapping[Facet, str] = {"versions": "version of the framework", "threads": "threads of the framework"}
SAME_FINGERPRINTS = ("data", "architecture", "initial_weights")
OLDER = {"here": (False, True), "in the baseline": (True, False)}
"""Where the older of two kinds of fingerprints is, by whether that here and that of the baseline are of today."""


@lru_cache(maxsize=2**14)
def differences(cell: Cell, baseline: Cell, kind: Kind | None = None) -> tuple[str, ...]:
    """What differs, or is not known, of the things that two compared cells must share.

    These are the settings of training, precision and inference, the fingerprints of data, network and, launch by
    launch, initial weights, the bits that the matrix product keeps, and what the kind of comparison does not let
    differ; without one it is PORT on one chip and host and CHIP elsewhere. Networks are the same where their
    fingerprints are; where they are not, their hyperparameters are named. Bits that were not measured may differ:
    cautions name them.
    """
    if cell is baseline:
        return ()
    kind = kind or (PORT if _place(cell) == _place(baseline) else CHIP)
    pairs = sorted(cell.summaries.keys() & baseline.summaries.keys())
    of_launches = tuple(_of_launches(cell, baseline, pairs)) if pairs else ("no launch number completed in both",)
    same_network = bool(pairs) and not any(line.startswith("architecture") for line in of_launches)
    settings = _unequal(
        _settings(cell, not same_network, kind.whole_batch), _settings(baseline, not same_network, kind.whole_batch)
    )
    found = [_line(*each) for each in settings]
    found += [_line(facet, *values) for facet, values in _unequal_facets(cell, baseline, kind)]
    found += [_line(*each) for each in _unequal_executions(cell, baseline, kind)]
    return (*found, *of_launches, *(() if kind.allows_bits else _unequal_bits(cell, baseline, pairs)))


def likeness(cell: Cell, *, whole_batch: bool = False) -> str:
    """The settings that cells of every kind of comparison share; cells of unequal ones are never compared.

    With `whole_batch` the batch is that of all devices together.
    """
    return json.dumps(_settings(cell, False, whole_batch), sort_keys=True)


def two_ways(where: str) -> str:
    """That fingerprints of data are of two kinds, which do not show whether the data differ, and what to do."""
    return f"data: fingerprinted in two ways, the older {where}, which must run again to be compared"


def setting_differences(cell: Cell, other: Cell) -> tuple[tuple[str, Any, Any], ...]:
    """Name, value and the other's value of every setting in which two scenarios differ; None where one lacks it."""
    return tuple(_unequal(_all_settings(cell), _all_settings(other)))


def region_differences(cell: Cell, baseline: Cell) -> tuple[str, ...]:
    """The regions of one name whose bounds differ, in words: their scores are of other points."""
    ours, theirs = ({each.name: each for each in one.scenario.inference.bounded_regions} for one in (cell, baseline))
    return tuple(
        _line(f"region {name}", ours[name].bounds_text, theirs[name].bounds_text)
        for name in ours
        if name in theirs and ours[name] != theirs[name]
    )


def inference_rank(cell: Cell, other: Cell) -> tuple[bool, bool]:
    """What chooses among baselines that are alike in all else: first what scores the same, then all of inference."""
    ours, theirs = cell.scenario.inference, other.scenario.inference
    return (ours.skill, ours.regions) != (theirs.skill, theirs.regions), ours != theirs


def _line(name: str, ours: object, theirs: object) -> str:
    return f"{name}: {ours} here, {theirs} in the baseline"


def _place(cell: Cell) -> tuple[str, str]:
    return cell.scenario.chip, cell.host


def _of_launches(cell: Cell, baseline: Cell, pairs: Sequence[int]) -> Iterable[str]:
    for name in SAME_FINGERPRINTS:
        ours, theirs = _fingerprints(cell, pairs, name), _fingerprints(baseline, pairs, name)
        unknown = [number for number in pairs if ours[number] is None or theirs[number] is None]
        differing = [number for number in pairs if number not in unknown and ours[number] != theirs[number]]
        title = name.replace("_", " ")
        if unknown:
            yield f"{title}: fingerprint not recorded (launches {_listed(unknown)})"
        if name == "data" and {each.scenario.data.kind for each in (cell, baseline)} == {"archive"}:
            of_today = {number: (is_of_today(ours[number]), is_of_today(theirs[number])) for number in differing}
            for where, kinds in OLDER.items():
                if older := [number for number in differing if of_today[number] == kinds]:
                    yield f"{two_ways(where)} (launches {_listed(older)})"
            differing = [number for number in differing if of_today[number] not in OLDER.values()]
        if differing:
            yield f"{title}: fingerprints differ (launches {_listed(differing)})"


def _unequal_facets(cell: Cell, baseline: Cell, kind: Kind) -> Iterable[tuple[str, tuple[str, str]]]:
    facets: dict[Facet, tuple[str, str]] = {
        "framework": (cell.scenario.framework, baseline.scenario.framework),
        "chip": (cell.scenario.chip, baseline.scenario.chip),
        "host": (cell.host, baseline.host),
        "versions": (_versions(cell), _versions(baseline)),
        "threads": (_threads(cell), _threads(baseline)),
        "port": (_port(cell), _port(baseline)),
    }
    for facet, values in facets.items():
        if facet not in kind.may_differ and values[0] != values[1] and not (facet == "threads" and "" in values):
            yield TITLES.get(facet, facet), values
    if "variant" not in kind.may_differ and (variants := unequal_variants(cell, baseline)):
        yield "variant of the chip", (" or ".join(variants[0]), " or ".join(variants[1]))


def _threads(cell: Cell) -> str:
    """Threads of the framework on a CPU; empty where they are not known, or the work is done by another device."""
    if cell.scenario.device.lower() != "cpu":
        return ""
    found = {each.framework.threads for each in cell.summaries.values() if each.framework}
    return "" if None in found else " or ".join(map(str, sorted(filter(None, found))))


def _port(cell: Cell) -> str:
    """The port of a lab's own that a cell runs, with its source; none where the network is the harness's."""
    port = cell.scenario.port
    return f"{port.name} (source {port.source[:12]})" if port else "none"


def _versions(cell: Cell) -> str:
    found = dict.fromkeys(
        f"{each.framework.version} ({each.framework.build})" for each in cell.summaries.values() if each.framework
    )
    return " or ".join(found) or "unknown"


def _unequal_executions(cell: Cell, baseline: Cell, kind: Kind) -> Iterable[tuple[str, object, object]]:
    for found in unequal(cell.scenario.execution, baseline.scenario.execution):
        if not kind.allows(found.name):
            yield found


def _unequal_bits(cell: Cell, baseline: Cell, launches: Sequence[int]) -> Iterable[str]:
    numbers: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number in launches:
        ours, theirs = cell.summaries[number].numerics, baseline.summaries[number].numerics
        if ours and theirs and ours.matmul_bits != theirs.matmul_bits:
            numbers[ours.matmul_bits, theirs.matmul_bits].append(number)
    for (here, there), found in numbers.items():
        yield f"bits of the matrix product: {here} here, {there} in the baseline (launches {_listed(found)})"


def _unequal(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            yield name, ours.get(name), theirs.get(name)


@lru_cache(maxsize=1024)
def _all_settings(cell: Cell) -> dict[str, Any]:
    return dict(_flat(cell.scenario.model_dump(mode="json", exclude={"set_values", "files"})))


@lru_cache(maxsize=2048)
def _settings(cell: Cell, with_network: bool, whole_batch: bool = False) -> dict[str, Any]:
    content = cell.scenario.model_dump(mode="json")
    if whole_batch:
        content["training"]["batch_size"] = cell.scenario.whole_batch_size
    inference = {name: content["inference"][name] for name in SAME_INFERENCE_SETTINGS}
    weights = (content["weights"] or {}).get("fingerprint", "drawn")
    names = (*SAME_SETTINGS, *(NETWORK if with_network else ()))
    same = {name: content[name] for name in names if name in content}
    return dict(_flat({**same, "inference": inference, "weights to start from": weights}))


def _flat(content: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _flat(value, f"{prefix}.{name}" if prefix else name)
    elif isinstance(content, list) and any(isinstance(value, Mapping) for value in content):
        for number, value in enumerate(content):
            yield from _flat(value, f"{prefix}[{number}]")
    else:
        yield prefix, content


def _fingerprints(cell: Cell, launches: Sequence[int], name: str) -> dict[int, str | None]:
    found = {number: cell.summaries[number].fingerprints for number in launches}
    return {number: getattr(entry, name) if entry else None for number, entry in found.items()}


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
