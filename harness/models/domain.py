"""What a network must know of the data it is built for, without any framework."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.frozen import Frozen, PositiveInt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ChannelInfo(Frozen):
    """One predicted field: its name, the variable it belongs to and the level it lies on.

    `level` is in `level_units`, hPa for the atmosphere and metres below the surface for the ocean; None for fields
    without levels. `standard_name` is that of the CF conventions, where the files state one.
    """

    name: str
    variable: str
    level: float | None = None
    level_units: str | None = None
    standard_name: str | None = None


class InputSpec(Frozen):
    """What a network takes beside the newest state.

    `history` states in all, the newest included. `forcing_offsets` are the times, in steps after the newest state, at
    which each forcing is given; (1,) is the time of the output, () leaves the forcings out. `statics` says whether the
    static fields go in. `residual` networks add their output, scaled by `Domain.residual_scale`, to the newest state
    themselves.
    """

    history: PositiveInt = 1
    forcing_offsets: tuple[int, ...] = (1,)
    statics: bool = True
    residual: bool = False


STATE_ALONE = InputSpec(forcing_offsets=(), statics=False)
"""The inputs of a network that takes nothing but the newest state."""


@dataclass(frozen=True)
class InputLayout:
    """How many channels of x are states (all of the history), forcings (all offsets) and static fields.

    In a rollout the next x is the new state, the first `kept` channels of this x, the forcings of the next step and the
    last `statics` channels of this x.
    """

    outputs: int
    states: int
    forcings: int
    statics: int

    @property
    def inputs(self) -> int:
        """Number of channels of x."""
        return self.states + self.forcings + self.statics

    @property
    def kept(self) -> int:
        """Number of leading channels of x that are the older states of the next x."""
        return self.states - self.outputs

    @property
    def state_alone(self) -> bool:
        """Whether x is the newest state and nothing else."""
        return self.inputs == self.outputs


@dataclass(frozen=True, eq=False)
class Domain:
    """C predicted channels, F forcings and S static fields on a grid of H rows and W columns.

    A network maps x (B, inputs, H, W) to the state (B, C, H, W) one step later, all normalised. The channels of x are,
    in this order: the newest state, the older ones newest first, all forcings at the first offset, at the second and
    so on, the static fields.

    `mask` (C, H, W) is True where a point counts. `residual_scale` (C,) is the standard deviation of the change in one
    step over that of the field, both over the training period; NaN for networks that are not residual.
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

    def layout(self, spec: InputSpec) -> InputLayout:
        """The channels of x, by kind, for a network with these inputs."""
        return InputLayout(
            outputs=self.outputs,
            states=spec.history * self.outputs,
            forcings=len(spec.forcing_offsets) * len(self.forcings),
            statics=len(self.statics) if spec.statics else 0,
        )

    def inputs(self, spec: InputSpec) -> int:
        """Number of channels of x for a network with these inputs."""
        return self.layout(spec).inputs


def plain_channels(names: Sequence[str]) -> tuple[ChannelInfo, ...]:
    """Channels that are variables of their own, without levels."""
    return tuple(ChannelInfo(name=name, variable=name) for name in names)
