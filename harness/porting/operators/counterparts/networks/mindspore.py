"""Matrix products, normalisation, convolution, pooling, attention, losses and transforms by operators of MindSpore."""

import math

import mindspore as ms
from mindspore import Tensor, ops

from harness.porting.operators.counterparts.arguments import Arguments, Function, Make

NORMS = {0: "backward", 1: "ortho", 2: "forward"}
INVERSE_NORMS = {0: "forward", 1: "ortho", 2: "backward"}
NO_REDUCTION, MEAN = 0, 1


def product_and_sum(product: Function) -> Make:
    """beta * self + alpha * product(left, right)."""

    def make(arguments: Arguments) -> Function:
        beta, alpha = arguments["beta"], arguments["alpha"]
        if beta == 1 and alpha == 1:
            return lambda x, left, right: x + product(left, right)
        return lambda x, left, right: x * beta + product(left, right) * alpha

    return make


def as_is(function: Function) -> Make:
    """A counterpart that takes the tensors and nothing else."""
    return lambda arguments: function


def layer_norm(arguments: Arguments) -> Function:
    """The primitive for LayerNorm; the mean and the deviation that PyTorch keeps for the gradient are left out."""
    shape, epsilon = arguments["normalized_shape"], arguments["eps"]
    first = len(arguments.shape("input")) - len(shape)
    norm = ops.LayerNorm(first, first, epsilon)
    ones, zeros = ops.ones(shape, ms.float32), ops.zeros(shape, ms.float32)
    if arguments.given("weight") and arguments.given("bias"):
        return lambda x, weight, bias: norm(x, weight, bias)[0]
    if arguments.given("weight"):
        return lambda x, weight: norm(x, weight, zeros)[0]
    return lambda x: norm(x, ones, zeros)[0]


def batch_norm(arguments: Arguments) -> Function:
    """Normalisation of each channel by the batch or by given statistics, which are not updated here."""
    epsilon, channels = arguments["eps"], arguments.shape("input")[1]
    shape = (1, channels) + (1,) * (len(arguments.shape("input")) - 2)
    axes = (0, *range(2, len(shape)))
    affine, by_batch = arguments.given("weight"), bool(arguments["training"])

    def normalise(x: Tensor, *further: Tensor) -> Tensor:
        if by_batch:
            centred = x - ops.mean(x, axes, True)
            n = centred * ops.rsqrt(ops.mean(ops.square(centred), axes, True) + epsilon)
        else:
            n = (x - further[-2].reshape(shape)) * ops.rsqrt(further[-1].reshape(shape) + epsilon)
        return n * further[0].reshape(shape) + further[1].reshape(shape) if affine else n

    return normalise


def group_norm(arguments: Arguments) -> Function:
    """Normalisation of groups of channels of a sample."""
    epsilon, groups, shape = arguments["eps"], arguments["group"], arguments.shape("input")
    along = (1, shape[1]) + (1,) * (len(shape) - 2)
    affine = arguments.given("weight")

    def normalise(x: Tensor, *further: Tensor) -> Tensor:
        x = x.reshape(shape[0], groups, -1)
        centred = x - ops.mean(x, -1, True)
        n = (centred * ops.rsqrt(ops.mean(ops.square(centred), -1, True) + epsilon)).reshape(shape)
        return n * further[0].reshape(along) + further[1].reshape(along) if affine else n

    return normalise


def convolution(arguments: Arguments) -> Function:
    """A convolution over two axes, plain or transposed, with zeros around; over one axis as one over two.

    Raises NotImplementedError for three axes and for a transposed one with output padding.
    """
    rank = len(arguments.shape("weight")) - 2
    transposed, biased = bool(arguments["transposed"]), arguments.given("bias")
    if rank > 2 or (transposed and any(arguments["output_padding"])):
        raise NotImplementedError("convolution over three axes, or transposed with output padding")
    ahead = (1,) * (2 - rank)
    kernel, stride = ahead + arguments.shape("weight")[2:], ahead + tuple(arguments["stride"])
    dilation, padding = ahead + tuple(arguments["dilation"]), (0,) * (2 - rank) + tuple(arguments["padding"])
    around = tuple(size for size in padding for _ in range(2))
    settings = {"pad_mode": "pad", "pad": around, "stride": stride, "dilation": dilation, "group": arguments["groups"]}
    outputs = arguments.shape("weight")[1] * arguments["groups"] if transposed else arguments.shape("weight")[0]
    kind = ops.Conv2DTranspose if transposed else ops.Conv2D
    convolve = kind(arguments.shape("weight")[0], kernel, **settings)
    x_shape, shape = _planes(arguments.shape("input"), ahead), _planes(arguments.shape("weight"), ahead)
    lengths = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + 1
        for n, s, p, d, k in zip(x_shape[2:], stride, padding, dilation, kernel, strict=True)
    )
    out_shape = (x_shape[0], outputs, *lengths)

    def apply(x: Tensor, weight: Tensor, *bias: Tensor) -> Tensor:
        x, weight = x.reshape(x_shape), weight.reshape(shape)
        y = convolve(x, weight, out_shape) if transposed else convolve(x, weight)
        if biased:
            y = ops.bias_add(y, bias[0])
        return y if rank == 2 else y.reshape(y.shape[0], y.shape[1], y.shape[3])

    return apply


def _planes(shape: tuple[int, ...], ahead: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:2], *ahead, *shape[2:])


def attention(arguments: Arguments) -> Function:
    """softmax(query key^T * scale + mask) value."""
    if arguments["dropout_p"]:
        raise NotImplementedError("attention with dropout is random")
    scale, causal, masked = arguments["scale"], bool(arguments["is_causal"]), arguments.given("attn_mask")
    queries, keys = arguments.shape("query")[-2], arguments.shape("key")[-2]
    factor = 1 / math.sqrt(arguments.shape("query")[-1]) if scale is None else scale
    past = ops.tril(ops.ones((queries, keys), ms.float32)) > 0

    def attend(query: Tensor, key: Tensor, value: Tensor, *mask: Tensor) -> Tensor:
        scores = ops.matmul(query, key.swapaxes(-1, -2)) * factor
        if masked:
            scores = scores + mask[0]
        if causal:
            scores = ops.where(past, scores, ops.full_like(scores, -1e30))
        return ops.matmul(ops.softmax(scores, -1), value)

    return attend


def along_axis(function: Function) -> Make:
    """A function and the axis that it works along."""

    def make(arguments: Arguments) -> Function:
        axis = arguments["dim"]
        return lambda x: function(x, axis)

    return make


def max_pool(arguments: Arguments) -> Function:
    """The largest value of every window; its place is left out."""
    kernel, padding = arguments["kernel_size"], arguments["padding"]
    stride, dilation, ceil = arguments["stride"] or kernel, arguments["dilation"], bool(arguments["ceil_mode"])
    return lambda x: ops.max_pool2d(x, kernel, stride, padding, dilation, False, ceil)


def average_pool(arguments: Arguments) -> Function:
    """The mean of every window; MindSpore takes the padding of each of the four sides."""
    kernel, given = arguments["kernel_size"], arguments["padding"] or (0,)
    padding = (given[0], given[0], given[-1], given[-1])
    stride, ceil = arguments["stride"] or kernel, bool(arguments["ceil_mode"])
    around, divisor = bool(arguments["count_include_pad"]), arguments["divisor_override"] or 0
    return lambda x: ops.avg_pool2d(x, kernel, stride, padding, ceil, around, divisor)


def adaptive_average_pool(arguments: Arguments) -> Function:
    """The mean of windows that make an output of a given size."""
    size = arguments["output_size"]
    return lambda x: ops.adaptive_avg_pool2d(x, size)


def upsample(mode: str) -> Make:
    """Interpolation to a given size."""

    def make(arguments: Arguments) -> Function:
        size, aligned = arguments["output_size"], arguments["align_corners"]
        if mode == "nearest":
            return lambda x: ops.interpolate(x, size=size, mode="nearest")
        return lambda x: ops.interpolate(x, size=size, mode=mode, align_corners=bool(aligned))

    return make


def grid_sample(arguments: Arguments) -> Function:
    """Values between the points of a grid; modes are numbered as aten does."""
    mode = ("bilinear", "nearest", "bicubic")[arguments["interpolation_mode"]]
    padding, aligned = ("zeros", "border", "reflection")[arguments["padding_mode"]], bool(arguments["align_corners"])
    return lambda x, grid: ops.grid_sample(x, grid, mode, padding, aligned)


def elementwise_loss(function: Function) -> Make:
    """A loss of every element and its reduction."""

    def make(arguments: Arguments) -> Function:
        reduction = arguments["reduction"]
        if reduction == NO_REDUCTION:
            return function
        if reduction == MEAN:
            return lambda x, target: ops.mean(function(x, target))
        return lambda x, target: ops.sum(function(x, target))

    return make


def squared_error(x: Tensor, target: Tensor) -> Tensor:
    """(x - target)^2."""
    return ops.square(x - target)


def cross_entropy_of_logits(x: Tensor, target: Tensor) -> Tensor:
    """The binary cross-entropy of sigmoid(x), in a form that does not overflow."""
    return ops.relu(x) - x * target + ops.log1p(ops.exp(ops.abs(x) * -1.0))


def negative_log_likelihood(arguments: Arguments) -> Function:
    """Minus the value at the target's class, of (N, C), reduced; the sum of the weights is left out.

    Raises NotImplementedError with weights of the classes.
    """
    if arguments.given("weight"):
        raise NotImplementedError("class weights")
    reduction = ("none", "mean", "sum")[arguments["reduction"]]
    ignored = arguments["ignore_index"]
    return lambda x, target: ops.nll_loss(x, target.astype(ms.int32), None, ignored, reduction)


def real_to_complex(arguments: Arguments) -> Function:
    """A Fourier transform of a real tensor, onesided or whole."""
    axes, norm = arguments["dim"], NORMS[arguments["normalization"]]
    if not arguments["onesided"]:
        return lambda x: ops.fftn(ops.Complex()(x, ops.zeros_like(x)), dim=axes, norm=norm)
    if len(axes) == 1:
        return lambda x: ops.rfft(x, dim=axes[0], norm=norm)
    if len(axes) == 2:
        return lambda x: ops.rfft2(x, dim=axes, norm=norm)
    return lambda x: ops.rfftn(x, dim=axes, norm=norm)


def complex_to_real(arguments: Arguments) -> Function:
    """The inverse transform of a onesided spectrum."""
    axes, norm = arguments["dim"], INVERSE_NORMS[arguments["normalization"]]
    last = arguments["last_dim_size"]
    sizes = (*(arguments.shape("self")[axis] for axis in axes[:-1]), last)
    if len(axes) == 1:
        return lambda x: ops.irfft(x, n=last, dim=axes[0], norm=norm)
    if len(axes) == 2:
        return lambda x: ops.irfft2(x, s=sizes, dim=axes, norm=norm)
    return lambda x: ops.irfftn(x, s=sizes, dim=axes, norm=norm)


def complex_to_complex(arguments: Arguments) -> Function:
    """A transform or its inverse."""
    axes = arguments["dim"]
    if arguments["forward"]:
        norm = NORMS[arguments["normalization"]]
        return lambda x: ops.fftn(x, dim=axes, norm=norm)
    norm = INVERSE_NORMS[arguments["normalization"]]
    return lambda x: ops.ifftn(x, dim=axes, norm=norm)


COUNTERPARTS: dict[str, Make] = {
    "mm": as_is(ops.matmul),
    "mv": as_is(ops.matmul),
    "dot": as_is(ops.matmul),
    "bmm": as_is(ops.bmm),
    "addmm": product_and_sum(ops.matmul),
    "baddbmm": product_and_sum(ops.bmm),
    "native_layer_norm": layer_norm,
    "native_batch_norm": batch_norm,
    "native_group_norm": group_norm,
    "convolution": convolution,
    "_scaled_dot_product_flash_attention_for_cpu": attention,
    "_softmax": along_axis(ops.softmax),
    "_log_softmax": along_axis(ops.log_softmax),
    "max_pool2d_with_indices": max_pool,
    "avg_pool2d": average_pool,
    "_adaptive_avg_pool2d": adaptive_average_pool,
    "upsample_nearest2d": upsample("nearest"),
    "upsample_bilinear2d": upsample("bilinear"),
    "upsample_bicubic2d": upsample("bicubic"),
    "grid_sampler_2d": grid_sample,
    "mse_loss": elementwise_loss(squared_error),
    "binary_cross_entropy_with_logits": elementwise_loss(cross_entropy_of_logits),
    "nll_loss_forward": negative_log_likelihood,
    "_fft_r2c": real_to_complex,
    "_fft_c2r": complex_to_real,
    "_fft_c2c": complex_to_complex,
}
