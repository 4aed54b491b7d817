"""Random inputs that lie as those that the network passed."""

import zlib

import numpy as np
from numpy.typing import NDArray

from harness.porting.operators.calls import Call, TensorSpec

SMALLEST_SPREAD = 0.1
"""Standard deviation, as a part of the mean, where the network passed equal values."""


def draw(call: Call, seed: int) -> list[NDArray[np.generic]]:
    """The inputs of a call, complex ones as real and imaginary part; the same for equal call and seed."""
    random = np.random.default_rng([seed, zlib.crc32(f"{call.phase} {call.operator}".encode()), call.size])
    return [part for spec in call.tensors for part in _parts(spec, random)]


def cotangents(values: list[NDArray[np.generic]], seed: int) -> list[NDArray[np.float32]]:
    """Standard normal, as the outputs that can have a gradient."""
    random = np.random.default_rng([seed, len(values)])
    return [
        np.asarray(random.standard_normal(value.shape), np.float32)
        for value in values
        if np.issubdtype(value.dtype, np.floating)
    ]


def _parts(spec: TensorSpec, random: np.random.Generator) -> list[NDArray[np.generic]]:
    if spec.dtype == "bool":
        return [np.asarray(random.random(spec.shape) < spec.mean)]
    if not spec.differentiable:
        return [
            np.asarray(random.integers(int(spec.low), int(spec.high), spec.shape, np.dtype(spec.dtype), endpoint=True))
        ]
    return [_real(spec, random) for _ in range(2 if spec.complex else 1)]


def _real(spec: TensorSpec, random: np.random.Generator) -> NDArray[np.float32]:
    """Normal, with the mean and the deviation of the network's values; of one sign where those were."""
    spread = max(spec.deviation, SMALLEST_SPREAD * abs(spec.mean)) or 1.0
    values = spec.mean + spread * random.standard_normal(spec.shape)
    if spec.low >= 0 and spec.high > 0:
        values = np.abs(values)
    elif spec.high <= 0 and spec.low < 0:
        values = -np.abs(values)
    return np.asarray(values, np.float32)
