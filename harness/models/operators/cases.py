"""Inputs for each operator of the table of choices, with its value and gradients in float64 by NumPy.

Formulas are those of the operators' definitions, none is that of an implementation: GELU (Hendrycks and Gimpel 2016) is
x Phi(x) with the normal distribution function Phi, LayerNorm that of Ba, Kiros and Hinton 2016, Adam and AdamW those of
Kingma and Ba 2014 and of Loshchilov and Hutter 2019.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.models.operators.choices import Operator
from harness.scenario.schema import OptimiserConfig

Array = NDArray[np.floating]
Truth = tuple[Array, Mapping[str, Array]]

SEED = 2026


@dataclass(frozen=True, eq=False)
class Case:
    """An operator with what it is given. `truth` is its value and the gradients of sum(value * cotangent) by inputs.

    `settings` are what the operator is made with, `inputs` float32 arrays in the order of its arguments.
    """

    operator: Operator
    name: str
    inputs: Mapping[str, NDArray[np.float32]]
    settings: Mapping[str, Any]
    cotangent: NDArray[np.float32]
    truth: Truth


@dataclass(frozen=True, eq=False)
class AdamCase:
    """Updates of weights by given gradients (steps, n) at given rates (steps,). `truth` are the weights after them."""

    config: OptimiserConfig
    weights: NDArray[np.float32]
    gradients: NDArray[np.float32]
    rates: NDArray[np.float64]
    truth: Array


def cases() -> tuple[Case, ...]:
    """One of each operator but Adam."""
    return (_gelu(), _soft_shrink(), _layer_norm(), _dense(), _segment_sum(), _spectral())


def adam_cases() -> tuple[AdamCase, ...]:
    """Adam, and AdamW with weight decay."""
    random = np.random.default_rng(SEED)
    weights = random.standard_normal(97).astype(np.float32)
    gradients = random.standard_normal((3, 97)).astype(np.float32)
    rates = np.array([0.1, 0.05, 0.2])
    configs = (OptimiserConfig(), OptimiserConfig(name="adamw", beta2=0.95, weight_decay=0.1))
    return tuple(AdamCase(each, weights, gradients, rates, _adam(each, weights, gradients, rates)) for each in configs)


def _case(
    operator: Operator,
    name: str,
    inputs: Mapping[str, Array],
    settings: Mapping[str, Any],
    formula: Callable[..., Truth],
    shape: tuple[int, ...],
) -> Case:
    """`formula` takes inputs and cotangent in float64."""
    single = {key: np.ascontiguousarray(values, np.float32) for key, values in inputs.items()}
    cotangent = np.random.default_rng(SEED + 1).standard_normal(shape).astype(np.float32)
    truth = formula(*(values.astype(np.float64) for values in (*single.values(), cotangent)))
    return Case(operator, name, single, settings, cotangent, truth)


def _gelu() -> Case:
    def formula(x: Array, slope: Array) -> Truth:
        distribution = 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return x * distribution, {"x": slope * (distribution + x * density)}

    return _case("gelu", "GELU", {"x": np.linspace(-6, 6, 4096).reshape(64, 64)}, {}, formula, (64, 64))


def _soft_shrink() -> Case:
    threshold = 0.01

    def formula(x: Array, slope: Array) -> Truth:
        beyond = np.abs(x) > threshold
        return np.where(beyond, x - np.sign(x) * threshold, 0), {"x": slope * beyond}

    x = np.linspace(-0.05, 0.05, 1000).reshape(20, 50)
    return _case("soft_shrink", "soft shrinkage", {"x": x}, {"threshold": threshold}, formula, x.shape)


def _layer_norm() -> Case:
    epsilon, width = 1e-5, 48

    def formula(x: Array, weight: Array, bias: Array, slope: Array) -> Truth:
        centred = x - x.mean(-1, keepdims=True)
        scale = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
        n, g = centred * scale, slope * weight
        by_x = scale * (g - g.mean(-1, keepdims=True) - n * (g * n).mean(-1, keepdims=True))
        return n * weight + bias, {"x": by_x, "weight": (slope * n).sum(0), "bias": slope.sum(0)}

    random = np.random.default_rng(SEED)
    sizes = 10.0 ** random.uniform(-3, 1, (64, 1))
    x = sizes * (random.standard_normal((64, width)) + 1)
    inputs = {"x": x, "weight": random.standard_normal(width), "bias": random.standard_normal(width)}
    return _case("layer_norm", "LayerNorm", inputs, {"epsilon": epsilon, "width": width}, formula, x.shape)


def _dense() -> Case:
    def formula(x: Array, weight: Array, bias: Array, slope: Array) -> Truth:
        return x @ weight.T + bias, {"x": slope @ weight, "weight": slope.T @ x, "bias": slope.sum(0)}

    random = np.random.default_rng(SEED)
    shapes = {"x": (96, 40), "weight": (24, 40), "bias": (24,)}
    inputs = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    return _case("dense", "dense layer", inputs, {}, formula, (96, 24))


def _segment_sum() -> Case:
    count, rows = 40, 300
    random = np.random.default_rng(SEED)
    segments = random.integers(0, count, rows).astype(np.int32)
    segments[segments == 7] = 8

    def formula(x: Array, slope: Array) -> Truth:
        total = np.zeros((count, x.shape[1]))
        np.add.at(total, segments, x)
        return total, {"x": slope[segments]}

    x = random.standard_normal((rows, 16))
    return _case("segment_sum", "segment sum", {"x": x}, {"segments": segments, "count": count}, formula, (count, 16))


def _spectral() -> Case:
    """There and back through some of the modes: a projection, whose gradient is itself. x is (w, h, B, C)."""
    h, w, kept = 12, 16, 5

    def project(x: Array) -> Array:
        spectrum = np.fft.rfft2(x, axes=(1, 0), norm="ortho")
        spectrum[kept:] = 0
        return np.fft.irfft2(spectrum, s=(h, w), axes=(1, 0), norm="ortho")

    def formula(x: Array, slope: Array) -> Truth:
        return project(x), {"x": project(slope)}

    x = np.random.default_rng(SEED).standard_normal((w, h, 2, 6))
    settings = {"token_grid": (h, w), "rows": range(h), "columns": range(kept)}
    return _case("spectral", "Fourier transform", {"x": x}, settings, formula, x.shape)


def _adam(config: OptimiserConfig, weights: Array, gradients: Array, rates: Array) -> Array:
    found = weights.astype(np.float64)
    first, second = np.zeros_like(found), np.zeros_like(found)
    for step, (gradient, rate) in enumerate(zip(gradients.astype(np.float64), rates, strict=True), 1):
        found = found * (1 - rate * config.weight_decay)
        first = config.beta1 * first + (1 - config.beta1) * gradient
        second = config.beta2 * second + (1 - config.beta2) * gradient**2
        root = np.sqrt(second / (1 - config.beta2**step)) + config.epsilon
        found = found - rate * first / (1 - config.beta1**step) / root
    return found
