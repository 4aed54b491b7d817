"""Domains for tests, from a grid and a mask."""

import numpy as np

from harness.models.domain import ChannelInfo, Domain, plain_channels


def make_domain(
    grid, mask, *, channels=(), forcings=(), statics=(), latitude=None, longitude=None, residual_scale=None
):
    """A domain for mask (C, H, W), or a number of channels without masked points."""
    rows, columns = grid
    mask = np.ones((mask, rows, columns), dtype=bool) if isinstance(mask, int) else np.asarray(mask)
    named = tuple(ChannelInfo(name=name, variable=variable, level=level) for name, variable, level in channels)
    return Domain(
        channels=named or plain_channels([f"c{channel}" for channel in range(len(mask))]),
        latitude=90 - 180 * (np.arange(rows) + 0.5) / rows if latitude is None else latitude,
        longitude=360 * np.arange(columns) / columns if longitude is None else longitude,
        mask=mask,
        residual_scale=np.ones(len(mask), np.float32) if residual_scale is None else residual_scale,
        forcings=tuple(forcings),
        statics=tuple(statics),
    )
