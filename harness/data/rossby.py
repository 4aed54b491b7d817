"""Rossby waves on the sphere: generated data with an exact forecast.

The stream function is psi = -omega a^2 sin(lat) + sum_k A_k Y_k(lat) cos(m_k lon - m_k c_k t + phase_k), with Y_k the
associated Legendre function of degree n_k and order m_k. Each wave solves the non-divergent barotropic vorticity
equation linearised about the solid-body rotation omega and moves at the angular phase speed
c = omega - 2 (Omega + omega) / (n (n + 1)) (Haurwitz 1940; Holton and Hakim, Dynamic Meteorology, ch. 5 on the plane).

The channels follow from it:
- u, v: the wind, u = -d(psi)/d(lat) / a, v = d(psi)/d(lon) / (a cos(lat));
- z: the height in linear balance with it, g laplacian(z) = div(f grad(psi)), plus a constant;
- t: the departure of a temperature from its mean -dT sin(lat)^2, on whose gradient the wind carries it, linearised as
  above: t = -dT sin(lat) vorticity / (Omega + omega), vorticity being that of the waves.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.data.config import RossbyConfig
from harness.data.forcings import FormulaFields
from harness.data.source import describe_for_digest, step_of_hours
from harness.data.waves import (
    EARTH_RADIUS_M,
    EARTH_ROTATION_RAD_S,
    GRAVITY_M_S2,
    START,
    Array,
    Harmonic,
    TravellingWaves,
    cell_centres,
    draw_harmonics,
    stream_function_profiles,
)
from harness.models.domain import plain_channels

EQUATOR_HEIGHT_M = 5800.0
EQUATOR_TO_POLE_K = 40.0

UNITS = {"u": "m s-1", "v": "m s-1", "z": "m", "t": "K"}


class Wave(Harmonic):
    """A harmonic that solves the vorticity equation."""

    def phase_speed_rad_s(self, rotation_rad_s: float) -> float:
        """Angular speed eastwards over solid-body rotation `rotation_rad_s`, in radians of longitude per second."""
        absolute = EARTH_ROTATION_RAD_S + rotation_rad_s
        return rotation_rad_s - 2 * absolute / (self.degree * (self.degree + 1))


class RossbySource(FormulaFields):
    """A `Source` of Rossby waves on an (H, W) grid; rows are cell centres from north to south, without the poles."""

    def __init__(self, config: RossbyConfig, grid: tuple[int, int]) -> None:
        self.channels: tuple[str, ...] = tuple(config.channels)
        self.channel_info = plain_channels(self.channels)
        self.units = tuple(UNITS[channel] for channel in config.channels)
        self.latitude, self.longitude = cell_centres(grid)
        self.step = step_of_hours(config.step_hours)
        self.times = START + self.step * np.arange(config.time_steps)
        self.mask = np.ones((len(self.channels), *grid), dtype=np.bool_)
        self.valid_steps = np.ones(config.time_steps, dtype=np.bool_)
        self.forcings, self.statics = tuple(config.forcings), tuple(config.statics)
        rotation_rad_s = config.zonal_wind_m_s / EARTH_RADIUS_M
        harmonics = draw_harmonics(np.random.default_rng(config.seed), config.waves, config.wave_wind_m_s)
        self.waves = tuple(Wave(**vars(harmonic)) for harmonic in harmonics)
        profiles = [_profiles(wave, self.latitude, rotation_rad_s) for wave in self.waves]
        mean = _mean_state(self.latitude, rotation_rad_s)
        orders = np.array([wave.order for wave in self.waves])
        self._waves = TravellingWaves(
            profiles=np.stack([np.stack([p[c] for p in profiles], axis=-1) for c in self.channels]),
            mean=np.stack([mean[c] for c in self.channels])[:, :, None],
            orders=orders,
            frequency_rad_s=orders * [wave.phase_speed_rad_s(rotation_rad_s) for wave in self.waves],
            phase_rad=np.array([wave.phase_rad for wave in self.waves]),
            channel_phase_rad=np.array([math.pi / 2 if channel == "v" else 0.0 for channel in self.channels]),
            longitude=self.longitude,
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of names, grid, times and all that makes the values, to 6 digits."""
        digest = hashlib.sha256(describe_for_digest(self))
        self._waves.add_to_digest(digest, self._step_s)
        return digest.hexdigest()

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Fields (n, C, H, W) at these time indices; an index beyond the last time is the exact future."""
        return self._waves.at(np.asarray(indices, dtype=np.float64) * self._step_s)

    def forecast(self, state: NDArray[np.float32], lead: int) -> NDArray[np.float32]:
        """The perfect forecast: `state` (n, C, H, W) moved `lead` steps ahead."""
        return self._waves.moved(state, lead * self._step_s, self.mask)

    @property
    def _step_s(self) -> float:
        return float(self.step / np.timedelta64(1, "s"))


def _profiles(wave: Wave, latitude_deg: Array, rotation_rad_s: float) -> dict[str, Array]:
    """The factor of cos(m lon + ...) in each channel, (H,)."""
    flow = stream_function_profiles(wave.degree, wave.order, wave.amplitude_m2_s, latitude_deg)
    sine = np.sin(np.radians(latitude_deg))
    return flow | {"t": -EQUATOR_TO_POLE_K * sine * flow["vorticity"] / (EARTH_ROTATION_RAD_S + rotation_rad_s)}


def _mean_state(latitude_deg: Array, rotation_rad_s: float) -> dict[str, Array]:
    sine, cosine = np.sin(np.radians(latitude_deg)), np.cos(np.radians(latitude_deg))
    speed_m_s = rotation_rad_s * EARTH_RADIUS_M
    height_drop_m = EARTH_ROTATION_RAD_S * EARTH_RADIUS_M * speed_m_s / GRAVITY_M_S2
    return {
        "u": speed_m_s * cosine,
        "v": np.zeros_like(sine),
        "z": EQUATOR_HEIGHT_M - height_drop_m * sine**2,
        "t": np.zeros_like(sine),
    }
