"""Settings that were part of a network's hyperparameters and are now part of its execution."""

from collections.abc import Mapping
from typing import Any


def moved_to_execution(network: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The hyperparameters of a record of before, split into those of a network and its execution.

    The second gives what was set away from its default, by dotted names as in `Execution.settings()`. `spectral` and
    `segment_sum` are operators; `pieces` of 2 or more, in which GraphCast computed every range of grid points and every
    message step anew, are `recompute: {unit: ranges, ranges: n}`.
    """
    kept = dict(network)
    settings: dict[str, Any] = {
        f"operators.{name}": value
        for name in ("spectral", "segment_sum")
        if (value := kept.pop(name, "auto")) != "auto"
    }
    if (pieces := kept.pop("pieces", 1)) != 1:
        settings |= {"recompute.unit": "ranges", "recompute.ranges": pieces}
    return kept, settings
