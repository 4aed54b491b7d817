"""Arithmetic, comparisons, activations and reductions by operators of MindSpore.

A function that is handed on has a name: MindSpore compiles a lambda only where it is returned on a line of its own.
"""

import math
from typing import Any

import mindspore as ms
from mindspore import Tensor, ops

from harness.porting.operators.counterparts.arguments import Arguments, Function, Make


def plain(function: Function) -> Make:
    """A counterpart that takes the tensors and nothing else."""
    return lambda arguments: function


def two_sided(function: Function) -> Make:
    """A counterpart of `self` and `other`, of which one may be a number; `other` times alpha."""

    def make(arguments: Arguments) -> Function:
        alpha = arguments["alpha"]
        left, right = arguments["self"], arguments["other"]
        if alpha not in (None, 1):
            if arguments.given("other"):
                return lambda x, y: function(x, y * alpha)
            right = right * alpha
        if arguments.given("self") and arguments.given("other"):
            return function
        if arguments.given("self"):
            return lambda x: function(x, right)
        return lambda y: function(left, y)

    return make


def multiply(arguments: Arguments) -> Function:
    """A product; of a complex tensor and a number part by part, as MindSpore has no gradient for the two together."""
    other = arguments["other"]
    if arguments.spec("self").complex and not arguments.given("other"):
        return lambda x: ops.Complex()(ops.real(x) * other, ops.imag(x) * other)
    return two_sided(ops.mul)(arguments)


def divide(arguments: Arguments) -> Function:
    """A quotient, rounded as `rounding_mode` says."""
    mode = arguments["rounding_mode"]
    if mode is None:
        return two_sided(ops.div)(arguments)
    if mode == "floor":
        return two_sided(ops.floor_divide)(arguments)
    return two_sided(_truncated_quotient)(arguments)


def _truncated_quotient(x: Tensor, y: Tensor) -> Tensor:
    return ops.trunc(ops.div(x, y))


def _subtracted_from(x: Tensor, y: Tensor) -> Tensor:
    return y - x


def _complex(real: Tensor, imaginary: Tensor) -> Tensor:
    return ops.Complex()(real, imaginary)


def power(arguments: Arguments) -> Function:
    """`self` to the power of `exponent`; the square by multiplication."""
    exponent, base = arguments["exponent"], arguments["self"]
    if not arguments.given("self"):
        return lambda y: ops.pow(base, y)
    if arguments.given("exponent"):
        return ops.pow
    if exponent == 2:
        return ops.square
    return lambda x: ops.pow(x, exponent)


def clamp(arguments: Arguments) -> Function:
    """Values within bounds, each a number or a tensor."""
    low, high = arguments["min"], arguments["max"]
    if arguments.given("min") and arguments.given("max"):
        return ops.clamp
    if arguments.given("min"):
        return lambda x, least: ops.clamp(x, least, high)
    if arguments.given("max"):
        return lambda x, most: ops.clamp(x, low, most)
    return lambda x: ops.clamp(x, low, high)


def where(arguments: Arguments) -> Function:
    """`self` where the condition holds, else `other`."""
    return lambda condition, x, y: ops.where(condition, x, y)


def add_product(operation: Function) -> Make:
    """self + value * operation(tensor1, tensor2)."""

    def make(arguments: Arguments) -> Function:
        value = arguments["value"]
        return lambda x, left, right: x + operation(left, right) * value

    return make


def lerp(arguments: Arguments) -> Function:
    """self + weight * (end - self)."""
    weight = arguments["weight"]
    if arguments.given("weight"):
        return lambda x, end, factor: x + factor * (end - x)
    return lambda x, end: x + weight * (end - x)


def gelu(arguments: Arguments) -> Function:
    """The exact (erf) GELU or the one by tanh, as PyTorch was asked."""
    approximate = arguments["approximate"]
    return lambda x: ops.gelu(x, approximate=approximate)


def leaky_relu(arguments: Arguments) -> Function:
    """x, or slope times x below 0."""
    slope = arguments["negative_slope"]
    return lambda x: ops.leaky_relu(x, slope)


def elu(arguments: Arguments) -> Function:
    """scale * x, or scale * alpha * (exp(input_scale * x) - 1) below 0."""
    alpha, scale, input_scale = arguments["alpha"], arguments["scale"], arguments["input_scale"]
    return lambda x: ops.where(x > 0, x, alpha * ops.expm1(ops.minimum(x, ops.zeros_like(x)) * input_scale)) * scale


def softplus(arguments: Arguments) -> Function:
    """log(1 + exp(beta x)) / beta, in a form that does not overflow."""
    beta = arguments["beta"]
    return lambda x: ops.relu(x) + ops.log1p(ops.exp(ops.abs(x * beta) * -1.0)) / beta


def softshrink(arguments: Arguments) -> Function:
    """x less the threshold, towards 0."""
    limit = float(arguments["lambd"])
    return lambda x: ops.softshrink(x, limit)


def hardtanh(arguments: Arguments) -> Function:
    """Values within two bounds."""
    low, high = arguments["min_val"], arguments["max_val"]
    return lambda x: ops.clamp(x, low, high)


def threshold(arguments: Arguments) -> Function:
    """x above a threshold, else a value."""
    limit, value = arguments["threshold"], arguments["value"]
    return lambda x: ops.where(x > limit, x, ops.full_like(x, value))


def total(arguments: Arguments) -> Function:
    """The sum over axes; truth counts as 1."""
    axes, keep = arguments.axes(), bool(arguments["keepdim"])
    if not arguments.spec("self").differentiable:
        return lambda x: ops.sum(x.astype(ms.int64), axes, keep)
    return lambda x: ops.sum(x, axes, keep)


def mean(arguments: Arguments) -> Function:
    """The mean over axes."""
    axes, keep = arguments.axes(), bool(arguments["keepdim"])
    return lambda x: ops.mean(x, axes, keep)


def variance(arguments: Arguments) -> Function:
    """The variance over axes; the divisor is the number of values less the correction."""
    return _mean_square(arguments)


def deviation(arguments: Arguments) -> Function:
    """The standard deviation over axes."""
    squared = _mean_square(arguments)
    return lambda x: ops.sqrt(squared(x))


def variance_and_mean(arguments: Arguments) -> Function:
    """The variance and the mean over axes."""
    spread, average = variance(arguments), mean(arguments)
    return lambda x: (spread(x), average(x))


def _mean_square(arguments: Arguments) -> Function:
    axes, keep = arguments.axes(), bool(arguments["keepdim"])
    correction = arguments["correction"]
    divisor = math.prod(arguments.shape("self")[axis] for axis in axes) - (1 if correction is None else correction)
    return lambda x: ops.sum(ops.square(x - ops.mean(x, axes, True)), axes, keep) / divisor


def norm(arguments: Arguments) -> Function:
    """The norm of order `ord` over axes; that of order 2 with the gradient 0 at 0, as in PyTorch."""
    axes, keep, order = arguments.axes(), bool(arguments["keepdim"]), arguments["ord"]
    if order == 1:
        return lambda x: ops.sum(ops.abs(x), axes, keep)
    if order != 2:
        return lambda x: ops.pow(ops.sum(ops.pow(ops.abs(x), order), axes, keep), 1 / order)

    def euclidean(x: Tensor) -> Tensor:
        squares = ops.sum(ops.square(x), axes, keep)
        positive = squares > 0
        return ops.where(positive, ops.sqrt(ops.where(positive, squares, ops.ones_like(squares))), 0.0 * squares)

    return euclidean


def extreme(function: Function) -> Make:
    """The largest or smallest value over axes."""

    def make(arguments: Arguments) -> Function:
        axes, keep = arguments.axes(), bool(arguments["keepdim"])
        return lambda x: function(x, axes, keep)

    return make


def extreme_with_place(function: Function, whole: Function) -> Make:
    """The largest or smallest value along an axis and its place; without an axis that of all values, alone."""

    def make(arguments: Arguments) -> Function:
        if arguments["dim"] is None:
            if arguments.given("other"):
                return two_sided(ops.maximum if whole is ops.amax else ops.minimum)(arguments)
            return whole
        axis, keep = arguments.axes()[0], bool(arguments["keepdim"])
        return lambda x: function(x, axis, keep)

    return make


def _largest(x: Tensor, axis: int, keep: bool) -> tuple[Tensor, Tensor]:
    place, value = ops.ArgMaxWithValue(axis, keep)(x)
    return value, place


def _smallest(x: Tensor, axis: int, keep: bool) -> tuple[Tensor, Tensor]:
    place, value = ops.ArgMinWithValue(axis, keep)(x)
    return value, place


def place_of_extreme(function: Function) -> Make:
    """The place of the largest or smallest value."""

    def make(arguments: Arguments) -> Function:
        axis, keep = arguments["dim"], bool(arguments["keepdim"])
        return lambda x: function(x, axis, keep)

    return make


def accumulate(function: Function) -> Make:
    """Sums or products of the values up to each one along an axis."""

    def make(arguments: Arguments) -> Function:
        axis = arguments["dim"]
        return lambda x: function(x, axis)

    return make


def as_real(arguments: Arguments) -> Function:
    """Real and imaginary part on a new last axis."""
    return lambda x: ops.stack((ops.real(x), ops.imag(x)), -1)


def as_complex(arguments: Arguments) -> Function:
    """A complex tensor of the real and imaginary part on the last axis."""
    return lambda x: ops.Complex()(x[..., 0], x[..., 1])


UNARY: dict[str, Any] = {
    name: plain(getattr(ops, name))
    for name in [
        "abs",
        "acos",
        "asin",
        "atan",
        "ceil",
        "cos",
        "cosh",
        "erf",
        "exp",
        "expm1",
        "floor",
        "isinf",
        "isnan",
        "log",
        "log10",
        "log1p",
        "log2",
        "logical_not",
        "neg",
        "reciprocal",
        "relu",
        "round",
        "rsqrt",
        "sigmoid",
        "sin",
        "sinh",
        "sqrt",
        "tan",
        "tanh",
        "trunc",
        "silu",
        "mish",
        "hardswish",
        "hardsigmoid",
        "erfc",
    ]
}

COUNTERPARTS: dict[str, Make] = {
    **UNARY,
    **{
        name: two_sided(getattr(ops, name))
        for name in (["eq", "ne", "gt", "ge", "lt", "le", "maximum", "minimum", "atan2"])
    },
    "add": two_sided(ops.add),
    "sub": two_sided(ops.sub),
    "rsub": two_sided(_subtracted_from),
    "mul": multiply,
    "div": divide,
    "floor_divide": two_sided(ops.floor_divide),
    "remainder": two_sided(ops.floor_mod),
    "logical_and": plain(ops.logical_and),
    "logical_or": plain(ops.logical_or),
    "bitwise_and": two_sided(ops.bitwise_and),
    "bitwise_or": two_sided(ops.bitwise_or),
    "bitwise_not": plain(ops.logical_not),
    "sgn": plain(ops.sign),
    "sign": plain(ops.sign),
    "pow": power,
    "clamp": clamp,
    "clamp_min": clamp,
    "clamp_max": clamp,
    "where": where,
    "addcmul": add_product(ops.mul),
    "addcdiv": add_product(ops.div),
    "lerp": lerp,
    "gelu": gelu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "softplus": softplus,
    "softshrink": softshrink,
    "hardtanh": hardtanh,
    "threshold": threshold,
    "sum": total,
    "mean": mean,
    "var": variance,
    "std": deviation,
    "var_mean": variance_and_mean,
    "linalg_vector_norm": norm,
    "amax": extreme(ops.amax),
    "amin": extreme(ops.amin),
    "max": extreme_with_place(_largest, ops.amax),
    "min": extreme_with_place(_smallest, ops.amin),
    "argmax": place_of_extreme(ops.argmax),
    "argmin": place_of_extreme(ops.argmin),
    "cumsum": accumulate(ops.cumsum),
    "cumprod": accumulate(ops.cumprod),
    "view_as_real": as_real,
    "view_as_complex": as_complex,
    "complex": plain(_complex),
    "_conj": plain(ops.conj),
    "_neg_view": plain(ops.neg),
}
