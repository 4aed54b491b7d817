"""Travelling waves on the sphere: fields that are sums of spherical harmonics, each moving at its own phase speed."""

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import lpmv

EARTH_RADIUS_M = 6.371e6
EARTH_ROTATION_RAD_S = 7.292e-5
GRAVITY_M_S2 = 9.80665

START = np.datetime64("2000-01-01T00:00:00", "ns")
MIN_DEGREE, MAX_DEGREE = 2, 8

_FINGERPRINT_DIGITS = 6

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Harmonic:
    """One spherical harmonic of the stream function: amplitude in m2/s (its root mean square over the sphere)."""

    degree: int
    order: int
    amplitude_m2_s: float
    phase_rad: float


@dataclass(frozen=True)
class TravellingWaves:
    """C channels, each mean(lat) + sum_k profile_k(lat) cos(m_k lon + quarter - w_k t + phase_k), k = 1..K.

    `profiles` (C, H, K) and `mean` (C, H, 1) are in the channels' units, `orders` m_k, `frequency_rad_s` w_k and
    `phase_rad` are (K,); `channel_phase_rad` (C,) is the quarter period by which a channel is ahead, or 0.
    """

    profiles: Array
    mean: Array
    orders: NDArray[np.int64]
    frequency_rad_s: Array
    phase_rad: Array
    channel_phase_rad: Array
    longitude: Array

    def at(self, time_s: Array) -> NDArray[np.float32]:
        """Fields (n, C, H, W) at these times (n,) in seconds after the start."""
        angle_rad = self.phase_rad - np.multiply.outer(time_s, self.frequency_rad_s)
        return self._fields(np.cos(angle_rad), np.sin(angle_rad))

    def moved(self, state: NDArray[np.floating], time_s: float, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """`state` (n, C, H, W) moved ahead by `time_s`, as seen at the points of `mask` (C, H, W) alone.

        Finds amplitude and phase of each wave in the state by least squares and turns each at its frequency. Needs
        16 bytes a wave for each of the C*H*W values.
        """
        scale = np.abs(self.profiles).max(axis=(1, 2))[:, None, None]
        in_phase, in_quadrature = self._patterns()
        design = np.concatenate([in_phase, -in_quadrature], axis=1) / scale[..., None]
        anomaly = (state - self.mean) / scale
        coefficients = np.linalg.lstsq(design.transpose(0, 2, 3, 1)[mask], anomaly[:, mask].T, rcond=None)[0].T
        phasor = coefficients[:, : len(self.orders)] + 1j * coefficients[:, len(self.orders) :]
        turned = phasor * np.exp(-1j * self.frequency_rad_s * time_s)
        return self._fields(turned.real, turned.imag)

    def add_to_digest(self, digest: "hashlib._Hash", step_s: float) -> None:
        """Hash all that makes the values.

        Rounded to 6 digits of each channel's largest value, so that another machine's mathematical library gives the
        same.
        """
        scale = np.abs(self.profiles).max(axis=(1, 2), keepdims=True)
        period_steps = self.frequency_rad_s * step_s / (2 * math.pi)
        for values in (self.profiles / scale, scale / 1e3, self.mean / 1e3, period_steps, self.phase_rad):
            digest.update(rounded(values))
        digest.update(self.orders.astype(np.int64).tobytes())

    def _patterns(self) -> tuple[Array, Array]:
        """Each wave at phase 0 and a quarter period before, (C, K, H, W)."""
        angle_rad = self.orders[:, None] * np.radians(self.longitude) + self.channel_phase_rad[:, None, None]
        profiles = self.profiles.transpose(0, 2, 1)[..., None]
        return profiles * np.cos(angle_rad)[:, :, None], profiles * np.sin(angle_rad)[:, :, None]

    def _fields(self, cosine: Array, sine: Array) -> NDArray[np.float32]:
        """Mean plus all waves, from the cosine and sine of each wave's phase, (n, K) each."""
        longitude_rad = self.orders[:, None] * np.radians(self.longitude)
        channels, rows, _ = self.profiles.shape
        out = np.empty((len(cosine), channels, rows, len(self.longitude)), dtype=np.float32)
        for c, channel_phase_rad in enumerate(self.channel_phase_rad):
            east_cosine, east_sine = (
                np.cos(longitude_rad + channel_phase_rad),
                np.sin(longitude_rad + channel_phase_rad),
            )
            wave = cosine[:, :, None] * east_cosine - sine[:, :, None] * east_sine
            out[:, c] = self.profiles[c] @ wave + self.mean[c]
        return out


def draw_harmonics(rng: np.random.Generator, count: int, speed_m_s: float) -> tuple[Harmonic, ...]:
    """Harmonics of different degree and order; together their root mean square flow is `speed_m_s`."""
    harmonics = [(n, m) for n in range(MIN_DEGREE, MAX_DEGREE + 1) for m in range(1, n + 1)]
    chosen = rng.permutation(len(harmonics))[:count]
    flow_m_s = rng.uniform(0.5, 1.5, count)
    flow_m_s *= speed_m_s / np.linalg.norm(flow_m_s)
    phase_rad = rng.uniform(0.0, 2 * math.pi, count)
    return tuple(
        Harmonic(n, m, float(flow) * EARTH_RADIUS_M / math.sqrt(n * (n + 1)), float(phase))
        for (n, m), flow, phase in zip((harmonics[k] for k in chosen), flow_m_s, phase_rad, strict=True)
    )


def cell_centres(grid: tuple[int, int]) -> tuple[Array, Array]:
    """Latitudes (H,) of cell centres from north to south, without the poles, and longitudes (W,) from 0 eastwards."""
    rows, columns = grid
    return 90.0 - (np.arange(rows) + 0.5) * 180.0 / rows, np.arange(columns) * 360.0 / columns


def rounded(values: Array) -> bytes:
    """Values near 1 in 6 digits, as bytes for a digest."""
    rounded: NDArray[Any] = np.round(values, _FINGERPRINT_DIGITS) + 0.0
    return rounded.tobytes()


def normalised_legendre(degree: int, order: int, latitude_deg: Array) -> Array:
    """Associated Legendre function of sin(latitude), scaled so that Y cos(m lon) has mean square 1 over the sphere.

    0 where `order` exceeds `degree`.
    """
    if order > degree:
        return np.zeros_like(latitude_deg)
    ratio = math.factorial(degree - order) / math.factorial(degree + order)
    return math.sqrt(2 * (2 * degree + 1) * ratio) * lpmv(order, degree, np.sin(np.radians(latitude_deg)))


def stream_function_profiles(degree: int, order: int, amplitude_m2_s: float, latitude_deg: Array) -> dict[str, Array]:
    """The factor of cos(m lon + ...) in what follows from a stream function amplitude * Y_n^m, (H,) each.

    `psi` itself; `u` and `v`, its flow, v a quarter period ahead; `vorticity`; `z`, the height in linear balance.
    Uses the recurrences of the normalised functions in mu = sin(lat), with e_n = sqrt((n^2 - m^2) / (4 n^2 - 1)):
    mu Y_n = e_(n+1) Y_(n+1) + e_n Y_(n-1) and (1 - mu^2) dY_n/dmu = (n + 1) e_n Y_(n-1) - n e_(n+1) Y_(n+1).
    """
    n, m = degree, order
    here = normalised_legendre(n, m, latitude_deg)
    below = _recurrence_factor(n, m) * normalised_legendre(n - 1, m, latitude_deg)
    above = _recurrence_factor(n + 1, m) * normalised_legendre(n + 1, m, latitude_deg)
    psi = amplitude_m2_s
    radius_at_latitude_m = EARTH_RADIUS_M * np.cos(np.radians(latitude_deg))
    balanced = (n + 1) / n * below + n / (n + 1) * above
    return {
        "psi": psi * here,
        "u": -psi * ((n + 1) * below - n * above) / radius_at_latitude_m,
        "v": psi * m * here / radius_at_latitude_m,
        "z": psi * 2 * EARTH_ROTATION_RAD_S * balanced / GRAVITY_M_S2,
        "vorticity": -n * (n + 1) / EARTH_RADIUS_M**2 * psi * here,
    }


def _recurrence_factor(degree: int, order: int) -> float:
    return math.sqrt((degree**2 - order**2) / (4 * degree**2 - 1))
