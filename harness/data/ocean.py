"""Planetary waves of a stratified ocean with continents: generated data with an exact forecast.

The stream function psi = sum_k A_k Y_k(lat) cos(m_k lon - m_k c_k t + phase_k) cos(j_k pi depth / D), with Y_k the
associated Legendre function of degree n_k and order m_k and j_k the vertical mode, solves the quasi-geostrophic
equation on the sphere, linearised about rest,

    d/dt q + 2 Omega / a^2 d(psi)/d(lon) = 0,   q = laplacian(psi) + d/dz (f0^2 / N^2 d(psi)/dz),

between a rigid lid and a flat bottom at depth D, with constant N and constant f0 in the stretching term. Mode j has the
deformation radius L_1 / j, L_1 = N D / (pi f0), and the angular phase speed
c = -2 Omega / (n (n + 1) + (a j / L_1)^2) (Pedlosky, Geophysical Fluid Dynamics, ch. 6, on the plane).

The channels follow from it:
- U, V: the current, U = -d(psi)/d(lat) / a, V = d(psi)/d(lon) / (a cos(lat));
- T, S: what current and vertical motion, w = -(f0 / N^2) d/dt d(psi)/dz, change of a mean that depends on latitude
  and depth, linearised as above, added to that mean's value at the equator (T) or at 45 degrees (S) at that depth; the
  means compensate each other in density, so that the ocean is at rest;
- SSH: the height in linear balance with the surface current, and the inverse barometer, -(msl - 101325 Pa) / (rho g).

Forcings are the weather above: Rossby waves (see rossby.py), at half their strength aloft, known at every time. Waves
pass under the continents, which hide them: a point of a channel counts where the sea floor lies deeper than its level.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.data.bathymetry import DEEPEST_M, topography_m
from harness.data.config import OceanConfig, OceanForcing, OceanVariable, RossbyConfig
from harness.data.reading import DataReading
from harness.data.rossby import EQUATOR_HEIGHT_M, RossbySource
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
    rounded,
    stream_function_profiles,
)
from harness.errors import UserError
from harness.models.domain import ChannelInfo

CORIOLIS_RAD_S = 1e-4
"""f0 of the stretching term."""
SEA_DENSITY_KG_M3 = 1025.0
AIR_DENSITY_KG_M3 = 1.2
SEA_LEVEL_PA = 101_325.0
AIR_SCALE_HEIGHT_M = 8000.0
DEEP_T_C, SURFACE_T_K, T_SCALE_M = 2.0, 26.0, 800.0
DEEP_S_PSU, SURFACE_S_PSU, S_SCALE_M = 34.0, 3.0, 500.0
EQUATOR_AIR_K, EQUATOR_TO_POLE_AIR_K = 300.0, 40.0

MODES = (1, 2)
UNITS: dict[OceanVariable, str] = {"T": "degC", "S": "psu", "U": "m s-1", "V": "m s-1", "SSH": "m"}

_SURFACE_PART_OF_WEATHER = 0.5

Fields = NDArray[np.float32]
Indices = Sequence[int] | NDArray[np.int64]


@dataclass(frozen=True)
class OceanWave(Harmonic):
    """A harmonic in a vertical mode."""

    mode: int

    def squared_wavenumber(self, radius_m: float) -> float:
        """-q / psi in 1/m2 where the first mode has the deformation radius `radius_m`."""
        return self.degree * (self.degree + 1) / EARTH_RADIUS_M**2 + (self.mode / radius_m) ** 2

    def frequency_rad_s(self, radius_m: float) -> float:
        """Angular frequency, negative for waves that move west."""
        speed_rad_s = -2 * EARTH_ROTATION_RAD_S / (EARTH_RADIUS_M**2 * self.squared_wavenumber(radius_m))
        return self.order * speed_rad_s


class OceanSource:
    """A `Source` of ocean waves on an (H, W) grid; rows are cell centres from north to south, without the poles."""

    def __init__(self, config: OceanConfig, grid: tuple[int, int]) -> None:
        self.channels, self.reading = config.channels, DataReading()
        self.channel_info = tuple(
            ChannelInfo(name=name, variable=variable, level=depth, level_units=None if depth is None else "m")
            for name, variable, depth in config.levels
        )
        self.units = tuple(UNITS[variable] for _, variable, _ in config.levels)
        self.latitude, self.longitude = cell_centres(grid)
        self.step = step_of_hours(config.step_hours)
        self.times = START + self.step * np.arange(config.time_steps)
        self.valid_steps = np.ones(config.time_steps, dtype=np.bool_)
        self.forcings: tuple[OceanForcing, ...] = tuple(config.forcings)
        self.statics = tuple(config.statics)
        self._topography_m = topography_m(config.seed, config.land_fraction, self.latitude, self.longitude)
        self.mask = np.stack([-self._topography_m > (depth or 0.0) for _, _, depth in config.levels])
        self._check_wet()
        self.waves = draw_ocean_waves(config)
        radius_m = config.deformation_radius_km * 1e3
        self._waves = TravellingWaves(
            profiles=np.stack(
                [
                    np.stack([_profile(variable, depth, wave, radius_m, self.latitude) for wave in self.waves], axis=-1)
                    for _, variable, depth in config.levels
                ]
            ),
            mean=np.stack([np.full((grid[0], 1), _mean(variable, depth)) for _, variable, depth in config.levels]),
            orders=np.array([wave.order for wave in self.waves]),
            frequency_rad_s=np.array([wave.frequency_rad_s(radius_m) for wave in self.waves]),
            phase_rad=np.array([wave.phase_rad for wave in self.waves]),
            channel_phase_rad=np.array([math.pi / 2 if info.variable == "V" else 0.0 for info in self.channel_info]),
            longitude=self.longitude,
        )
        weather = RossbyConfig(kind="rossby", step_hours=config.step_hours, seed=config.seed + 1)
        self._weather = RossbySource(weather, grid)
        self._barometer = np.array([info.variable == "SSH" for info in self.channel_info])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of names, grid, times and all that makes the values, to 6 digits."""
        digest = hashlib.sha256(describe_for_digest(self))
        self._waves.add_to_digest(digest, self._step_s)
        digest.update(np.packbits(self.mask).tobytes())
        digest.update(rounded(self._topography_m / DEEPEST_M))
        digest.update(self._weather.fingerprint.encode())
        return digest.hexdigest()

    def read(self, indices: Indices) -> Fields:
        """Fields (n, C, H, W) at these time indices; an index beyond the last time is the exact future."""
        times_s = np.asarray(indices, dtype=np.float64) * self._step_s
        return self._masked(self._waves.at(times_s) + self._barometer_m(indices))

    def read_forcings(self, indices: Indices) -> Fields:
        """Forcings (n, F, H, W) at these time indices, which may lie beyond the last time."""
        if not self.forcings:
            return np.empty((len(indices), 0, *self.mask.shape[1:]), dtype=np.float32)
        weather = self._surface_weather(indices)
        return np.stack([weather[name] for name in self.forcings], axis=1).astype(np.float32)

    def read_statics(self) -> Fields:
        """Static fields (S, H, W)."""
        return np.broadcast_to(self._topography_m, (len(self.statics), *self.mask.shape[1:])).astype(np.float32)

    def forecast(self, state: Fields, starts: Indices, lead: int) -> Fields:
        """The perfect forecast: `state` (n, C, H, W) at `starts` moved `lead` steps ahead, the weather being known.

        Looks at the points of the mask alone.
        """
        ends = np.asarray(starts, dtype=np.int64) + lead
        moved = self._waves.moved(state - self._barometer_m(starts), lead * self._step_s, self.mask)
        return self._masked(moved + self._barometer_m(ends))

    @property
    def _step_s(self) -> float:
        return float(self.step / np.timedelta64(1, "s"))

    def _masked(self, fields: Array | Fields) -> Fields:
        return np.where(self.mask, fields, np.nan).astype(np.float32)

    def _barometer_m(self, indices: Indices) -> Array:
        """(n, C, H, W): what the weight of the air adds to the sea level, 0 in the other channels."""
        pressure_pa = self._surface_weather(indices)["msl"] - SEA_LEVEL_PA
        height_m = -pressure_pa / (SEA_DENSITY_KG_M3 * GRAVITY_M_S2)
        return height_m[:, None] * self._barometer[:, None, None]

    def _surface_weather(self, indices: Indices) -> dict[OceanForcing, Array]:
        """Each forcing (n, H, W) in m/s, K and Pa."""
        u, v, z, t = self._weather.read(indices).astype(np.float64).transpose(1, 0, 2, 3)
        part = _SURFACE_PART_OF_WEATHER
        sine = np.sin(np.radians(self.latitude))[:, None]
        msl = SEA_LEVEL_PA + part * AIR_DENSITY_KG_M3 * GRAVITY_M_S2 * (z - EQUATOR_HEIGHT_M)
        return {
            "u10": part * u,
            "v10": part * v,
            "t2m": EQUATOR_AIR_K - EQUATOR_TO_POLE_AIR_K * sine**2 + part * t,
            "msl": msl,
            "sp": msl * np.exp(-np.maximum(self._topography_m, 0.0) / AIR_SCALE_HEIGHT_M),
        }

    def _check_wet(self) -> None:
        for channel, wet in zip(self.channels, self.mask.any(axis=(1, 2)), strict=True):
            if not wet:
                raise UserError(f"the generated ocean has no point as deep as channel {channel!r} on this grid")


def draw_ocean_waves(config: OceanConfig) -> tuple[OceanWave, ...]:
    """Waves of different degree and order, each in one of MODES, drawn from `config.seed`."""
    rng = np.random.default_rng(config.seed)
    harmonics = draw_harmonics(rng, config.waves, config.wave_current_m_s)
    modes = rng.choice(MODES, config.waves)
    return tuple(OceanWave(**vars(harmonic), mode=int(mode)) for harmonic, mode in zip(harmonics, modes, strict=True))


def _profile(
    variable: OceanVariable, depth_m: float | None, wave: OceanWave, radius_m: float, latitude_deg: Array
) -> Array:
    """The factor of cos(m lon + ...) in a channel, (H,)."""
    flow = stream_function_profiles(wave.degree, wave.order, wave.amplitude_m2_s, latitude_deg)
    if variable == "SSH" or depth_m is None:
        return flow["z"]
    angle_rad = wave.mode * math.pi * depth_m / DEEPEST_M
    if variable in ("U", "V"):
        return flow[variable.lower()] * math.cos(angle_rad)
    vorticity = -wave.squared_wavenumber(radius_m) * flow["psi"] * math.cos(angle_rad)
    shear = wave.mode * math.pi / DEEPEST_M * math.sin(angle_rad) * flow["psi"]
    per_shear_m_s = (DEEPEST_M / (math.pi * radius_m)) ** 2 / CORIOLIS_RAD_S
    northward, upward = _gradient(variable, depth_m, latitude_deg)
    return northward * vorticity / (2 * EARTH_ROTATION_RAD_S) + upward * per_shear_m_s * shear


def _mean(variable: OceanVariable, depth_m: float | None) -> float:
    """What T or S depart from at a depth; 0 in the other channels."""
    if variable == "T" and depth_m is not None:
        return DEEP_T_C + SURFACE_T_K * math.exp(-depth_m / T_SCALE_M)
    if variable == "S" and depth_m is not None:
        return DEEP_S_PSU + SURFACE_S_PSU * math.exp(-depth_m / S_SCALE_M)
    return 0.0


def _gradient(variable: OceanVariable, depth_m: float, latitude_deg: Array) -> tuple[Array, Array]:
    """Of the mean of T or S: its derivative by latitude (radians) over cos(latitude), and upwards per metre, (H,).

    The means are a deep value plus, decaying with depth, cos(lat)^2 for T and sin(2 lat)^2 for S.
    """
    sine = np.sin(np.radians(latitude_deg))
    if variable == "T":
        decay, scale_m, northward = SURFACE_T_K * math.exp(-depth_m / T_SCALE_M), T_SCALE_M, -2 * sine
        shape = 1 - sine**2
    else:
        decay, scale_m = SURFACE_S_PSU * math.exp(-depth_m / S_SCALE_M), S_SCALE_M
        northward, shape = 8 * sine * (1 - 2 * sine**2), 4 * sine**2 * (1 - sine**2)
    return decay * northward, decay * shape / scale_m
