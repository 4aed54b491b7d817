"""What a network must know of the data it is built for, without any framework."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.frozen import Frozen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ChannelInfo(Frozen):
    """One predicted field: its name, the variable it belongs to and the level it lies on.

    `level` is hPa for the atmosphere and metres below the surface for the ocean; None for fields without levels.
    """

    name: str
    variable: str
    level: float | None = None


class InputSpec(Frozen):
    """What a network takes beside the newest state.

    `history` states in all, the newest included. `forcing_offsets` are the times, in steps after the newest state, at
    which each forcing is given; (1,) is the time of the output. `residual` networks add their output, scaled by
    `Domain.residual_scale`, to the newest state themselves.
    """

    history: int = 1
    forcing_offsets: tuple[int, ...] = (1,)
    residual: bool = False


@dataclass(frozen=True, eq=False)
class Domain:
    """C predicted channels, F forcings and S static fields on a grid of H rows and W columns.

    A network maps x (B, inputs, H, W) to the state (B, C, H, W) one step later, all normalised. The channels of x are,
    in this order: the newest state, the older ones newest first, all forcings at the first offset, at the second and
    so on, the static fields.

    `mask` (C, H, W) is True where a point counts. `residual_scale` (C,) is the standard deviation of the change in one
    step over that of the field, both over the training period.
    """

    channels: tuple[ChannelInfo, ...]
    latitude: "NDArray[np.float64]"
    longitude: "NDArray[np.float64]"
    mask: "NDArray[np.bool_]"
    residual_scale: "NDArray[np.float32]"
    forcings: tuple[str, ...] = ()
    statics: tuple[str, ...] = ()

    @property
    def grid(self) -> tuple[int, int]:
        """Latitude rows and longitude columns."""
        return len(self.latitude), len(self.longitude)

    @property
    def outputs(self) -> int:
        """Number of predicted channels."""
        return len(self.channels)

    def inputs(self, spec: InputSpec) -> int:
        """Number of channels of x for a network with these inputs."""
        return spec.history * self.outputs + len(spec.forcing_offsets) * len(self.forcings) + len(self.statics)


def plain_channels(names: Sequence[str]) -> tuple[ChannelInfo, ...]:
    """Channels that are variables of their own, without levels."""
    return tuple(ChannelInfo(name=name, variable=name) for name in names)
