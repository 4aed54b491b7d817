"""Operators that gather, scatter, join, pad and sort, by operators of MindSpore."""

import mindspore as ms
from mindspore import Tensor, nn, ops

from harness.porting.operators.counterparts.arguments import Arguments, Function, Make


def index_select(arguments: Arguments) -> Function:
    """The slices along an axis that an index names."""
    axis = arguments.axes()[0]
    return lambda x, index: ops.gather(x, index, axis)


def embedding(arguments: Arguments) -> Function:
    """Rows of a table; the gradient of the row `padding_idx` is not held at 0."""
    return lambda table, index: ops.gather(table, index, 0)


def gather(arguments: Arguments) -> Function:
    """Single elements along an axis."""
    axis = arguments.axes()[0]
    return lambda x, index: ops.gather_elements(x, axis, index)


def scatter(reduction: str) -> Make:
    """Single elements along an axis set or added to."""

    def make(arguments: Arguments) -> Function:
        axis, value = arguments.axes()[0], arguments["value"]
        if arguments.given("src"):
            return lambda x, index, source: ops.tensor_scatter_elements(x, index, source, axis, reduction)
        shape = arguments.shape("index")
        filled = ops.full(shape, value, dtype=ms.float32)
        return lambda x, index: ops.tensor_scatter_elements(x, index, filled, axis, reduction)

    return make


class AddUp(nn.Cell):
    """x with the rows of `source` added where `index` says; the gradient gathers, the operator's own is far slower."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def construct(self, x: Tensor, index: Tensor, source: Tensor) -> Tensor:
        """(N, ...), (E,), (E, ...) to (N, ...)."""
        return x + ops.unsorted_segment_sum(source, index.astype(ms.int32), self.rows)

    def bprop(self, x: Tensor, index: Tensor, source: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
        """As x counts once and every row of `source` once."""
        return dout, ops.zeros_like(index), ops.gather(dout, index, 0)


def index_add(arguments: Arguments) -> Function:
    """Slices along an axis added where an index says."""
    axis, alpha = arguments.axes()[0], arguments["alpha"]
    add = AddUp(arguments.shape("self")[axis])
    factor = 1 if alpha is None else alpha
    if axis == 0 and factor == 1:
        return add
    return lambda x, index, y: add(x.swapaxes(0, axis), index, y.swapaxes(0, axis) * factor).swapaxes(0, axis)


def index(arguments: Arguments) -> Function:
    """Advanced indexing by one tensor of integers, or by several for the first axes.

    Raises NotImplementedError for masks and for tensors that leave out an axis between them.
    """
    places = _places(arguments)
    if len(places) == 1:
        axis = places[0]
        return lambda x, index: ops.gather(x, index, axis)
    return lambda x, *indices: ops.gather_nd(x, ops.stack(ops.broadcast_tensors(*indices), -1))


def index_put(arguments: Arguments) -> Function:
    """Elements set or added to by tensors of integers for the first axes."""
    places = _places(arguments)
    if places[0] != 0:
        raise NotImplementedError("an index behind a whole axis")
    update = ops.tensor_scatter_add if arguments["accumulate"] else ops.tensor_scatter_update

    def put(x: Tensor, *further: Tensor) -> Tensor:
        indices = ops.stack(ops.broadcast_tensors(*further[:-1]), -1)
        values = ops.broadcast_to(further[-1], indices.shape[:-1] + x.shape[len(places) :])
        return update(x, indices, values)

    return put


def _places(arguments: Arguments) -> tuple[int, ...]:
    indices = arguments["indices"]
    places = tuple(axis for axis, given in enumerate(indices) if given is not None)
    if any(arguments.tensors[indices[axis]["tensor"]].dtype == "bool" for axis in places):
        raise NotImplementedError("an index by a mask has no static shape")
    if len(places) > 1 and places != tuple(range(len(places))):
        raise NotImplementedError("indices that are not for the first axes")
    return places


def masked_fill(arguments: Arguments) -> Function:
    """A number where a mask holds."""
    value = arguments["value"]
    if arguments.given("value"):
        return lambda x, mask, filling: ops.where(mask, filling, x)
    return lambda x, mask: ops.masked_fill(x, mask, float(value))


def join(function: Function) -> Make:
    """Tensors one after the other along an axis, there already or new."""

    def make(arguments: Arguments) -> Function:
        axis = arguments["dim"] or 0
        return lambda *tensors: function(tensors, axis)

    return make


def pad(arguments: Arguments) -> Function:
    """A number around a tensor, or a part of it, by concatenation: the gradient of ops.pad is wrong in compiled graphs.

    `pad` has two sizes for every axis, the last axis first; negative ones cut off.
    """
    sizes, value, shape = arguments["pad"], float(arguments["value"] or 0), arguments.shape("self")
    around = {len(shape) - 1 - k // 2: (sizes[k], sizes[k + 1]) for k in range(0, len(sizes), 2)}
    steps = tuple((axis, before, after) for axis, (before, after) in around.items() if before or after)

    def surround(x: Tensor) -> Tensor:
        for axis, before, after in steps:
            x = cut(x, axis, max(0, -before), max(0, -after))
            x = extend(x, axis, max(0, before), max(0, after), value)
        return x

    if not arguments.spec("self").complex:
        return surround
    return lambda x: ops.Complex()(surround(ops.real(x)), surround(ops.imag(x)))


def cut(x: Tensor, axis: int, before: int, after: int) -> Tensor:
    """x without the first and the last slices along an axis."""
    if before or after:
        x = x.swapaxes(0, axis)[before : x.shape[axis] - after].swapaxes(0, axis)
    return x


def extend(x: Tensor, axis: int, before: int, after: int, value: float) -> Tensor:
    """x between slices of a value along an axis."""
    parts: tuple[Tensor, ...] = (x,)
    if before:
        parts = (filled(x, axis, before, value), *parts)
    if after:
        parts = (*parts, filled(x, axis, after, value))
    return ops.concat(parts, axis) if before or after else x


def filled(x: Tensor, axis: int, size: int, value: float) -> Tensor:
    """A value in the shape of x but for the size of one axis."""
    return ops.full((*x.shape[:axis], size, *x.shape[axis + 1 :]), value, dtype=x.dtype)


def edges(mode: str) -> Make:
    """Reflected or repeated values around the last axes."""

    def make(arguments: Arguments) -> Function:
        padding = arguments["padding"]
        return lambda x: ops.pad(x, padding, mode=mode)

    return make


def roll(arguments: Arguments) -> Function:
    """What is shifted out at one end of an axis comes in at the other, by concatenation; ops.roll is not for CPU."""
    shape, shifts = arguments.shape("self"), arguments["shifts"]
    whole = not arguments["dims"]
    axes = (0,) if whole else arguments.axes("dims")
    lengths = (arguments.spec("self").size,) if whole else tuple(shape[axis] for axis in axes)
    cuts = tuple(
        (axis, length - shift % length) for axis, shift, length in zip(axes, shifts, lengths, strict=True) if length
    )

    def turn(x: Tensor) -> Tensor:
        x = x.reshape(-1) if whole else x
        for axis, place in cuts:
            x = x.swapaxes(0, axis)
            x = ops.concat((x[place:], x[:place]), 0).swapaxes(0, axis) if place < x.shape[0] else x.swapaxes(0, axis)
        return x.reshape(shape)

    return turn


def flip(arguments: Arguments) -> Function:
    """The order of axes turned round."""
    axes = arguments["dims"]
    return lambda x: ops.flip(x, axes)


def repeat(arguments: Arguments) -> Function:
    """Copies side by side."""
    times = arguments["repeats"]
    return lambda x: ops.tile(x, times)


def triangle(function: Function) -> Make:
    """What lies on one side of a diagonal; 0 elsewhere."""

    def make(arguments: Arguments) -> Function:
        diagonal = arguments["diagonal"] or 0
        return lambda x: function(x, diagonal)

    return make


def sort(arguments: Arguments) -> Function:
    """Values in order along an axis; their places are left out, as equal values may come in any order."""
    axis, falling = arguments.axes()[0], bool(arguments["descending"])
    return lambda x: ops.sort(x, axis, falling)[0]


def top(arguments: Arguments) -> Function:
    """The k largest or smallest values along an axis."""
    k, axis, largest = arguments["k"], arguments.axes()[0], bool(arguments["largest"])
    return lambda x: ops.topk(x, k, axis, largest, True)[0]


def pixel_shuffle(arguments: Arguments) -> Function:
    """Channels to pixels."""
    factor = arguments["upscale_factor"]
    return lambda x: ops.pixel_shuffle(x, factor)


COUNTERPARTS: dict[str, Make] = {
    "index_select": index_select,
    "embedding": embedding,
    "gather": gather,
    "scatter": scatter("none"),
    "scatter_add": scatter("add"),
    "index_add": index_add,
    "index": index,
    "index_put": index_put,
    "_index_put_impl": index_put,
    "masked_fill": masked_fill,
    "cat": join(ops.cat),
    "stack": join(ops.stack),
    "constant_pad_nd": pad,
    "reflection_pad2d": edges("reflect"),
    "replication_pad2d": edges("replicate"),
    "roll": roll,
    "flip": flip,
    "repeat": repeat,
    "tril": triangle(ops.tril),
    "triu": triangle(ops.triu),
    "sort": sort,
    "topk": top,
    "pixel_shuffle": pixel_shuffle,
}
