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
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import lpmv

from harness.data.config import RossbyConfig
from harness.data.source import StateOnly, describe_for_digest, step_of_hours
from harness.models.domain import plain_channels

EARTH_RADIUS_M = 6.371e6
EARTH_ROTATION_RAD_S = 7.292e-5
GRAVITY_M_S2 = 9.80665
EQUATOR_HEIGHT_M = 5800.0
EQUATOR_TO_POLE_K = 40.0

START = np.datetime64("2000-01-01T00:00:00", "ns")
MIN_DEGREE, MAX_DEGREE = 2, 8
UNITS = {"u": "m s-1", "v": "m s-1", "z": "m", "t": "K"}

_FINGERPRINT_DIGITS = 6

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Wave:
    """One spherical harmonic of the stream function: amplitude in m2/s (its root mean square over the sphere)."""

    degree: int
    order: int
    amplitude_m2_s: float
    phase_rad: float

    def phase_speed_rad_s(self, rotation_rad_s: float) -> float:
        """Angular speed eastwards over solid-body rotation `rotation_rad_s`, in radians of longitude per second."""
        absolute = EARTH_ROTATION_RAD_S + rotation_rad_s
        return rotation_rad_s - 2 * absolute / (self.degree * (self.degree + 1))


class RossbySource(StateOnly):
    """A `Source` of Rossby waves on an (H, W) grid; rows are cell centres from north to south, without the poles."""

    def __init__(self, config: RossbyConfig, grid: tuple[int, int]) -> None:
        rows, columns = grid
        self.channels: tuple[str, ...] = tuple(config.channels)
        self.channel_info = plain_channels(self.channels)
        self.units = tuple(UNITS[channel] for channel in config.channels)
        self.latitude = 90.0 - (np.arange(rows) + 0.5) * 180.0 / rows
        self.longitude = np.arange(columns) * 360.0 / columns
        self.step = step_of_hours(config.step_hours)
        self.times = START + self.step * np.arange(config.time_steps)
        self.mask = np.ones((len(self.channels), rows, columns), dtype=np.bool_)
        self.valid_steps = np.ones(config.time_steps, dtype=np.bool_)
        self.rotation_rad_s = config.zonal_wind_m_s / EARTH_RADIUS_M
        self.waves = draw_waves(config)
        self._orders = np.array([wave.order for wave in self.waves])
        self._frequency_rad_s = self._orders * [wave.phase_speed_rad_s(self.rotation_rad_s) for wave in self.waves]
        self._phase_rad = np.array([wave.phase_rad for wave in self.waves])
        profiles = [_profiles(wave, self.latitude, self.rotation_rad_s) for wave in self.waves]
        self._profiles = np.stack([np.stack([p[c] for p in profiles], axis=-1) for c in self.channels])
        mean = _mean_state(self.latitude, self.rotation_rad_s)
        self._mean = np.stack([mean[c] for c in self.channels])[:, :, None]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of names, grid, times and all that makes the values.

        Rounded to 6 digits of each channel's largest value, so that another machine's mathematical library gives the
        same.
        """
        digest = hashlib.sha256(describe_for_digest(self))
        scale = np.abs(self._profiles).max(axis=(1, 2), keepdims=True)
        period_steps = self._frequency_rad_s * (self.step / np.timedelta64(1, "s")) / (2 * math.pi)
        for values in (self._profiles / scale, scale / 1e3, self._mean / 1e3, period_steps, self._phase_rad):
            digest.update((np.round(values, _FINGERPRINT_DIGITS) + 0.0).tobytes())
        digest.update(self._orders.astype(np.int64).tobytes())
        return digest.hexdigest()

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Fields (n, C, H, W) at these time indices; an index beyond the last time is the exact future."""
        time_s = np.asarray(indices, dtype=np.float64) * (self.step / np.timedelta64(1, "s"))
        angle_rad = self._phase_rad - np.multiply.outer(time_s, self._frequency_rad_s)
        return self._fields(np.cos(angle_rad), np.sin(angle_rad))

    def forecast(self, state: NDArray[np.float32], lead: int) -> NDArray[np.float32]:
        """The perfect forecast: `state` (n, C, H, W) moved `lead` steps ahead.

        Finds amplitude and phase of each wave in the state by least squares and turns each at its frequency. Needs
        16 bytes a wave for each of the C*H*W values.
        """
        samples = len(state)
        in_phase, in_quadrature = self._patterns()
        design = np.concatenate([in_phase, -in_quadrature], axis=1).transpose(0, 2, 3, 1).reshape(state[0].size, -1)
        anomaly = (state - self._mean).reshape(samples, -1)
        coefficients = np.linalg.lstsq(design, anomaly.T, rcond=None)[0].T
        phasor = coefficients[:, : len(self.waves)] + 1j * coefficients[:, len(self.waves) :]
        moved = phasor * np.exp(-1j * self._frequency_rad_s * lead * (self.step / np.timedelta64(1, "s")))
        return self._fields(moved.real, moved.imag)

    def _patterns(self) -> tuple[Array, Array]:
        """Each wave at phase 0 and a quarter period before, (C, K, H, W)."""
        angle_rad = self._orders[:, None] * np.radians(self.longitude) + self._channel_phase_rad()[:, None, None]
        profiles = self._profiles.transpose(0, 2, 1)[..., None]
        return profiles * np.cos(angle_rad)[:, :, None], profiles * np.sin(angle_rad)[:, :, None]

    def _fields(self, cosine: Array, sine: Array) -> NDArray[np.float32]:
        """Mean plus all waves, from the cosine and sine of each wave's phase, (n, K) each."""
        longitude_rad = self._orders[:, None] * np.radians(self.longitude)
        out = np.empty((len(cosine), *self.mask.shape), dtype=np.float32)
        for c, channel_phase_rad in enumerate(self._channel_phase_rad()):
            east_cosine, east_sine = (
                np.cos(longitude_rad + channel_phase_rad),
                np.sin(longitude_rad + channel_phase_rad),
            )
            wave = cosine[:, :, None] * east_cosine - sine[:, :, None] * east_sine
            out[:, c] = self._profiles[c] @ wave + self._mean[c]
        return out

    def _channel_phase_rad(self) -> Array:
        return np.array([math.pi / 2 if channel == "v" else 0.0 for channel in self.channels])


def draw_waves(config: RossbyConfig) -> tuple[Wave, ...]:
    """Waves of different degree and order, drawn from `config.seed`; together their wind is `config.wave_wind_m_s`."""
    rng = np.random.default_rng(config.seed)
    harmonics = [(n, m) for n in range(MIN_DEGREE, MAX_DEGREE + 1) for m in range(1, n + 1)]
    chosen = rng.permutation(len(harmonics))[: config.waves]
    wind_m_s = rng.uniform(0.5, 1.5, config.waves)
    wind_m_s *= config.wave_wind_m_s / np.linalg.norm(wind_m_s)
    phase_rad = rng.uniform(0.0, 2 * math.pi, config.waves)
    return tuple(
        Wave(n, m, float(wind) * EARTH_RADIUS_M / math.sqrt(n * (n + 1)), float(phase))
        for (n, m), wind, phase in zip((harmonics[k] for k in chosen), wind_m_s, phase_rad, strict=True)
    )


def normalised_legendre(degree: int, order: int, latitude_deg: Array) -> Array:
    """Associated Legendre function of sin(latitude), scaled so that Y cos(m lon) has mean square 1 over the sphere.

    0 where `order` exceeds `degree`.
    """
    if order > degree:
        return np.zeros_like(latitude_deg)
    ratio = math.factorial(degree - order) / math.factorial(degree + order)
    return math.sqrt(2 * (2 * degree + 1) * ratio) * lpmv(order, degree, np.sin(np.radians(latitude_deg)))


def _profiles(wave: Wave, latitude_deg: Array, rotation_rad_s: float) -> dict[str, Array]:
    """The factor of cos(m lon + ...) in each channel, (H,).

    Uses the recurrences of the normalised functions in mu = sin(lat), with e_n = sqrt((n^2 - m^2) / (4 n^2 - 1)):
    mu Y_n = e_(n+1) Y_(n+1) + e_n Y_(n-1) and (1 - mu^2) dY_n/dmu = (n + 1) e_n Y_(n-1) - n e_(n+1) Y_(n+1).
    """
    n, m = wave.degree, wave.order
    latitude_rad = np.radians(latitude_deg)
    here = normalised_legendre(n, m, latitude_deg)
    below = _recurrence_factor(n, m) * normalised_legendre(n - 1, m, latitude_deg)
    above = _recurrence_factor(n + 1, m) * normalised_legendre(n + 1, m, latitude_deg)
    psi = wave.amplitude_m2_s
    radius_at_latitude_m = EARTH_RADIUS_M * np.cos(latitude_rad)
    balanced = (n + 1) / n * below + n / (n + 1) * above
    vorticity = -n * (n + 1) / EARTH_RADIUS_M**2 * psi * here
    return {
        "u": -psi * ((n + 1) * below - n * above) / radius_at_latitude_m,
        "v": psi * m * here / radius_at_latitude_m,
        "z": psi * 2 * EARTH_ROTATION_RAD_S * balanced / GRAVITY_M_S2,
        "t": -EQUATOR_TO_POLE_K * np.sin(latitude_rad) * vorticity / (EARTH_ROTATION_RAD_S + rotation_rad_s),
    }


def _recurrence_factor(degree: int, order: int) -> float:
    return math.sqrt((degree**2 - order**2) / (4 * degree**2 - 1))


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
