"""How much each channel counts in GraphCast's loss: weights of variables and of levels, without a framework.

Variables are known by the short names of ECMWF, the long ones of WeatherBench 2, those of CMIP and the standard names
of the CF conventions, so that the published weights are found under each.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from harness.errors import UserError
from harness.models.domain import ChannelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LevelWeights = Literal["auto", "level", "thickness", "uniform"]

VARIABLE_WEIGHTS = {"t2m": 1.0, "u10": 0.1, "v10": 0.1, "msl": 0.1, "tp": 0.1}
"""Published in google-deepmind/graphcast; 1 for all others."""

ALIASES = {
    **dict.fromkeys(("2m_temperature", "2t", "tas", "t2", "air_temperature_2m"), "t2m"),
    **dict.fromkeys(("10m_u_component_of_wind", "10u", "uas", "u10m"), "u10"),
    **dict.fromkeys(("10m_v_component_of_wind", "10v", "vas", "v10m"), "v10"),
    **dict.fromkeys(("mean_sea_level_pressure", "psl", "mslp", "prmsl"), "msl"),
    **dict.fromkeys(("total_precipitation", "total_precipitation_6hr", "total_precipitation_24hr"), "tp"),
    **dict.fromkeys(("total_precipitation_1hr", "total_precipitation_12hr", "tp6", "tp06"), "tp"),
    **dict.fromkeys(("temperature", "ta"), "t"),
    **dict.fromkeys(("geopotential",), "z"),
    **dict.fromkeys(("u_component_of_wind", "ua"), "u"),
    **dict.fromkeys(("v_component_of_wind", "va"), "v"),
    **dict.fromkeys(("vertical_velocity", "wap"), "w"),
    **dict.fromkeys(("specific_humidity", "hus"), "q"),
}
"""Other names of variables."""

_STANDARD_NAMES = {
    **dict.fromkeys(("air_pressure_at_mean_sea_level", "air_pressure_at_sea_level"), "msl"),
    **dict.fromkeys(("precipitation_amount", "lwe_thickness_of_precipitation_amount"), "tp"),
    "precipitation_flux": "tp",
    "air_temperature": "t2m",
    "eastward_wind": "u10",
    "northward_wind": "v10",
}
"""Standard names of fields without levels; winds and temperature are then those near the ground."""


def weight_name(channel: ChannelInfo, weights: Mapping[str, float]) -> str | None:
    """The entry of `weights` that is meant by a channel; None where there is none.

    Its variable is asked first, then, without a level, its own name and its standard name.
    """
    known = {_short(name): name for name in reversed(list(weights))}
    names = [channel.variable, _short(channel.variable)]
    if channel.level is None:
        names += [channel.name, _short(channel.name), _STANDARD_NAMES.get(channel.standard_name or "", "")]
    for name in names:
        if name in weights:
            return name
        if name in known:
            return known[name]
    return None


def level_rule(channels: Sequence[ChannelInfo], rule: LevelWeights) -> Literal["level", "thickness", "uniform"]:
    """The rule that `auto` stands for: thickness where levels are depths or heights, else the level itself."""
    if rule != "auto":
        return rule
    lengths = any(channel.level_units in ("m", "cm", "km", "dbar") for channel in channels)
    at_surface = any(channel.level is not None and channel.level <= 0 for channel in channels)
    return "thickness" if lengths or at_surface else "level"


def level_shares(channels: Sequence[ChannelInfo], rule: LevelWeights) -> "NDArray[np.float64]":
    """What part of its variable's weight each channel has, (C,); those of a variable add up to 1.

    `level`: in proportion to the level, as the reference has it for pressures. `thickness`: of the layer around a depth
    or height, whose bounds lie halfway to the next ones, at the surface (0) and as far below the last as above it.
    `uniform`: the same for all. A variable with a single level has 1 whatever the rule. Raises UserError where `level`
    gives a level of 0 nothing.
    """
    import numpy as np

    meant = level_rule(channels, rule)
    shares = np.ones(len(channels))
    for variable in {channel.variable for channel in channels}:
        members = [index for index, channel in enumerate(channels) if channel.variable == variable]
        levels = np.array([1.0 if (level := channels[index].level) is None else level for index in members])
        whole = all(channels[index].level is not None for index in members)
        weights = _thickness(levels) if meant == "thickness" and whole and len(set(levels)) > 1 else levels
        if meant == "uniform" or len(members) == 1:
            weights = np.ones(len(members))
        if not (weights > 0).all():
            raise UserError(
                f"level_weights {meant!r} gives nothing to a level of {variable} at {levels.min():g}: "
                "choose thickness or uniform"
            )
        shares[members] = weights / weights.sum()
    return shares


def in_words(channels: Sequence[ChannelInfo], weights: Mapping[str, float], rule: LevelWeights) -> str:
    """What is not as the reference has it: the rule for levels, and weights found under another name; or nothing."""
    said = []
    meant = level_rule(channels, rule)
    if meant != "level" and any(channel.level is not None for channel in channels):
        how = "thickness of the layer" if meant == "thickness" else "the same for all"
        said.append(f"levels: {how}")
    found = {channel.variable: weight_name(channel, weights) for channel in channels}
    aliases = [
        f"{variable} {weights[name]:g} as {name}" for variable, name in found.items() if name not in (None, variable)
    ]
    if aliases:
        said.append(f"weights of variables: {', '.join(aliases)}")
    return "; ".join(said)


def _short(name: str) -> str:
    return ALIASES.get(name.lower(), name.lower())


def _thickness(levels: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Thickness of the layer around each of N different levels, in any order."""
    import numpy as np

    rising = np.unique(levels)
    halfway = (rising[1:] + rising[:-1]) / 2
    top = 0.0 if rising[0] >= 0 else 2 * rising[0] - halfway[0]
    bounds = np.concatenate([[top], halfway, [2 * rising[-1] - halfway[-1]]])
    return np.diff(bounds)[np.searchsorted(rising, levels)]
