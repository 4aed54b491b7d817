"""Energy of a job on several nodes: each accounts for its devices by its own clock, and the windows are added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collectors.accounting.device_energy import DeviceEnergy, ratio
from collectors.accounting.energy import WindowEnergy, farthest_from_1, total, worst


def over_nodes(windows: Mapping[str, WindowEnergy | str], devices_each: int) -> WindowEnergy | None:
    """The window of all nodes together from that of each, by name in order; a text says why a node has none.

    The same work on every node, each by its own monotonic clock: begin, end and length are those of the first window.
    The energy is the sum, None where a node has none, and invalid where that of any node is. No peak of the sum is
    told, as the clocks of nodes are not aligned. Devices are numbered on: device d of the node k is k `devices_each` +
    d. None where no node has a window.
    """
    known = {name: window for name, window in windows.items() if isinstance(window, WindowEnergy)}
    if not known:
        return None
    every = tuple(known.values())
    is_whole = len(known) == len(windows)
    reasons = [
        f"{name}: {reason}"
        for name, window in windows.items()
        for reason in ((window,) if isinstance(window, str) else window.reasons)
    ]
    energy_j = total(each.energy_j for each in every) if is_whole else None
    counter_j = total(each.counter_j for each in every) if is_whole else None
    integral_j = total(each.integral_j for each in every) if is_whole else None
    first, sources = every[0], {each.source for each in every}
    return replace(
        first,
        collector=" and ".join(dict.fromkeys(each.collector for each in every if each.collector)) or None,
        source=None if energy_j is None else sources.pop() if len(sources) == 1 else "mixed",
        energy_j=energy_j,
        mean_power_w=None if energy_j is None else total(each.mean_power_w for each in every),
        peak_power_w=None,
        counter_j=counter_j,
        integral_j=integral_j,
        n_samples=min(each.n_samples for each in every),
        n_unique=min(each.n_unique for each in every),
        max_gap_s=worst([each.max_gap_s for each in every]),
        coverage=min(each.coverage for each in every),
        bracketed=all(each.bracketed for each in every),
        missing_fraction=worst([each.missing_fraction for each in every]),
        counter_vs_integral=ratio(counter_j, integral_j),
        over_cap=worst([each.over_cap for each in every]),
        low_power_at_high_use=worst([each.low_power_at_high_use for each in every]),
        second_opinion=farthest_from_1(each.second_opinion for each in every),
        shared_device=any(each.shared_device for each in every),
        scope_partial=not is_whole or any(each.scope_partial for each in every),
        sampler_died=any(each.sampler_died for each in every),
        valid=energy_j is not None and all(each.valid for each in every),
        reasons=tuple(reasons),
        devices=tuple(
            _of_all(device, name, number * devices_each)
            for number, (name, window) in enumerate(windows.items())
            if isinstance(window, WindowEnergy)
            for device in window.devices
        ),
    )


def _of_all(device: DeviceEnergy, node: str, before: int) -> DeviceEnergy:
    """A sensor with a name and device numbers that no other node has."""
    return replace(
        device, sensor=f"{node}: {device.sensor}", devices=tuple(before + number for number in device.devices)
    )
