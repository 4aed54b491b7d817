"""What a network must know of data that need not be here: their channels and grid, from the mapping alone."""

import numpy as np

from harness.data.config import ArchiveConfig, GeneratedConfig
from harness.data.source import step_of_hours
from harness.data.waves import START
from harness.data.windows import split_ranges
from harness.models.domain import Domain, InputSpec, plain_channels


def domain_of(config: GeneratedConfig | ArchiveConfig, grid: tuple[int, int]) -> Domain:
    """The domain of a mapping on a grid (rows, columns), no point of which is masked.

    Neither values nor coordinates change the work of a step.
    """
    rows, columns = grid
    if isinstance(config, ArchiveConfig):
        names = [each.name for channel in config.channels for each in channel.at_each_level()]
        forcings = tuple(each if isinstance(each, str) else each.name for each in config.forcings)
        statics = tuple(each if isinstance(each, str) else each.name for each in config.statics)
    else:
        names, forcings, statics = list(config.channels), tuple(config.forcings), tuple(config.statics)
    return Domain(
        channels=plain_channels(names),
        latitude=90 - 180 * (np.arange(rows) + 0.5) / rows,
        longitude=360 * np.arange(columns) / columns,
        mask=np.broadcast_to(np.True_, (len(names), rows, columns)),
        residual_scale=np.ones(len(names), np.float32),
        forcings=forcings,
        statics=statics,
    )


def training_samples(config: GeneratedConfig | ArchiveConfig, spec: InputSpec, rollout_steps: int) -> int | None:
    """Windows of the training split of generated data; None of an archive, whose files say how many there are."""
    if isinstance(config, ArchiveConfig):
        return None
    times = START + step_of_hours(config.step_hours) * np.arange(config.time_steps)
    steps = split_ranges(times, config.splits)["train"]
    offsets = spec.forcing_offsets if config.forcings else ()
    first = max(steps.start + spec.history - 1, -min(offsets, default=0))
    last = min(steps.stop - 1 - rollout_steps, config.time_steps - rollout_steps - max(offsets, default=0))
    return max(0, last + 1 - first)
