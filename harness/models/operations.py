"""What operators do: operations, bytes moved and kernels started, by class, without any framework.

Bytes are counted with every input read once and every output written once. The backward pass of a layer holds the
gradients of its inputs, where they are needed, and of its weights. So it is in PyTorch, against whose own counts and
shapes these are tested; a framework that computes more, or moves data that another leaves in place, differs.

A network's `operations` are written with `Layers`: one entry for each operator, in the order of the forward pass.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from harness.models.activations import FLOAT32_BYTES, LOW_BYTES
from harness.scenario.execution import Execution

OperatorClass = Literal[
    "matrix product",
    "spectral",
    "gather/scatter",
    "elementwise",
    "normalisation",
    "optimiser",
    "collective",
]
CLASSES: tuple[OperatorClass, ...] = get_args(OperatorClass)
NumberFormat = Literal["fp64", "fp32", "tf32", "hf32", "fp16", "bf16"]

GELU_FLOPS, SILU_FLOPS, NORM_FLOPS = 20, 8, 8
"""Operations of a value: an error function or an exponential counts as about ten additions. They never bound a kernel,
which waits for memory."""


class Operation(NamedTuple):
    """One operator: what it computes, the bytes it moves, and the kernels that it starts.

    `passed_bytes` are what it writes for the next one, which a compiler that fuses the two leaves in registers; 0 where
    it cannot be fused.
    """

    kind: OperatorClass
    name: str
    flops: int
    bytes: int
    launches: int = 1
    number_format: NumberFormat = "fp32"
    passed_bytes: int = 0


@dataclass(frozen=True)
class Layer:
    """An operator with its backward pass.

    `keeps` says whether the backward pass keeps something of it; `least`, whether every framework does at least its
    products, for every sample.
    """

    forward: tuple[Operation, ...]
    backward: tuple[Operation, ...] = ()
    keeps: bool = True
    least: bool = True


@dataclass(frozen=True)
class Part:
    """Layers one after the other, `times` times.

    A backward pass computes them anew `anew` times as far as it needs, and `again` times as a whole.
    """

    layers: tuple[Layer, ...]
    times: int = 1
    anew: int = 0
    again: int = 0

    @property
    def forward(self) -> tuple[Operation, ...]:
        """The operators of a forward pass, in its order."""
        return tuple(operation for layer in self.layers for operation in layer.forward)

    @property
    def computed_anew(self) -> tuple[Operation, ...]:
        """The operators of one more forward pass in the backward pass.

        It ends as soon as all that was kept is there again: with the inputs of the last layer that keeps any.
        """
        last = max((number for number, layer in enumerate(self.layers) if layer.keeps), default=0)
        return tuple(operation for layer in self.layers[:last] for operation in layer.forward)


def blocks_anew(execution: Execution) -> int:
    """How often a backward pass computes a block of a network anew."""
    return int(execution.recompute.unit == "blocks")


def least_products(parts: Iterable[Part]) -> int:
    """Operations of the products of dense layers in a forward pass, of which no framework can leave one out."""
    return sum(
        part.times * operation.flops
        for part in parts
        for layer in part.layers
        if layer.least
        for operation in layer.forward
        if operation.kind == "matrix product"
    )


class Layers:
    """The operators of networks, in the formats of an execution."""

    def __init__(self, execution: Execution) -> None:
        autocast = execution.precision.autocast.removeprefix("native-")
        self.low: NumberFormat | None = {"bf16": "bf16", "fp16": "fp16"}.get(autocast)  # type: ignore[assignment]
        matmul = execution.precision.matmul
        self.whole: NumberFormat = "fp32" if matmul == "ieee" else matmul

    def linear(
        self, rows: int, inputs: int, outputs: int, *, bias: bool = True, needed: bool = True, least: bool = True
    ) -> Layer:
        """A dense layer; `needed` says whether the gradient of its input is.

        In a lower format operands and gradients are rounded first and results widened, as
        `harness.frameworks.policy` has it.
        """
        given, weights, found = rows * inputs, inputs * outputs, rows * outputs
        forward = [self._product(rows, inputs, outputs, given + weights + found, self.low, bias * outputs)]
        backward = []
        of_weights = self._product(inputs, rows, outputs, given + found + weights, self.low)
        of_input = self._product(rows, outputs, inputs, given + found + weights, self.low)
        if self.low:
            forward = [_lowered(given), _lowered(weights), *forward, _widened(found)]
            backward.append(_lowered(found))
        if needed:
            backward += [of_input, _widened(given)] if self.low else [of_input]
        backward += [of_weights, _widened(weights)] if self.low else [of_weights]
        if bias:
            backward.append(reduction(found, outputs))
        return Layer(tuple(forward), tuple(backward), least=least)

    def _product(
        self, rows: int, inner: int, columns: int, values: int, low: NumberFormat | None, bias: int = 0
    ) -> Operation:
        size = LOW_BYTES if low else FLOAT32_BYTES
        extra = 0 if low else FLOAT32_BYTES * bias
        return Operation(
            "matrix product",
            "mm",
            2 * rows * inner * columns,
            size * values + extra,
            number_format=low or self.whole,
        )

    def transform(self, batches: int, rows: int, inner: int, columns: int, matrices: int = 1) -> Layer:
        """A constant matrix (rows, inner), or one for each batch, times fields (batches, inner, columns)."""
        values = matrices * rows * inner + batches * (inner + rows) * columns
        found = Operation(
            "spectral",
            "bmm",
            2 * batches * rows * inner * columns,
            FLOAT32_BYTES * values,
            number_format=self.whole,
        )
        return Layer((found,), (found,), keeps=False)

    def mixer(self, blocks: int, rows: int, size: int) -> Layer:
        """A dense layer of a spectral MLP, block-diagonal: (blocks, rows, size) to the same, always in float32."""
        values, weights = blocks * rows * size, blocks * size * size
        product = Operation(
            "spectral",
            "baddbmm",
            2 * blocks * rows * size * size,
            FLOAT32_BYTES * (2 * values + weights),
            number_format=self.whole,
        )
        with_bias = product._replace(bytes=product.bytes + FLOAT32_BYTES * blocks * size)
        return Layer((with_bias,), (product, product, reduction(values, blocks * size)))

    def real_form(self, blocks: int, size: int) -> Layer:
        """The real matrix of (2, blocks, size, size) complex weights: a product with 4 x 2 numbers, and a copy."""
        weights = blocks * size * size
        product = Operation(
            "spectral", "mm", 2 * 4 * 2 * weights, FLOAT32_BYTES * (8 + 6 * weights), number_format=self.whole
        )
        return Layer((product, copied(4 * weights)), (copied(4 * weights), product), keeps=False)


def elementwise(
    name: str, values: int, reads: int, *, flops: int = 1, backward_reads: int = 0, keeps: bool = True
) -> Layer:
    """An operator on `values` results from `reads` values; its backward pass reads so many and writes one for each.

    Without `backward_reads` the gradient passes as it is.
    """
    forward = _pointwise(name, flops * values, reads, values)
    back = _pointwise(f"{name} backward", flops * values, backward_reads, values)
    return Layer((forward,), (back,) if backward_reads else (), keeps=keeps)


def added(values: int, *, reads: int | None = None, reduced: int = 0) -> Layer:
    """The sum of two arrays; `reduced` values is the gradient of one that was repeated."""
    forward = _pointwise("add", values, 2 * values if reads is None else reads, values)
    return Layer((forward,), (reduction(values, reduced),) if reduced else (), keeps=False)


def skip(values: int) -> Layer:
    """A sum with what a block was given, whose two gradients are added up in the backward pass."""
    both = _pointwise("add", values, 2 * values, values)
    return Layer((both,), (both,), keeps=False)


def moved(values: int, *, needed: bool = True) -> Layer:
    """An array in another order."""
    return Layer((copied(values),), (copied(values),) if needed else (), keeps=False)


def gelu(values: int) -> Layer:
    """x Phi(x)."""
    return elementwise("gelu", values, values, flops=GELU_FLOPS, backward_reads=2 * values)


def silu(values: int) -> Layer:
    """x / (1 + exp(-x))."""
    return elementwise("silu", values, values, flops=SILU_FLOPS, backward_reads=2 * values)


def normalised(rows: int, width: int) -> Layer:
    """LayerNorm over rows: values, scale and shift in; values, means and inverse deviations out."""
    values = rows * width
    forward = Operation(
        "normalisation",
        "native_layer_norm",
        NORM_FLOPS * values,
        FLOAT32_BYTES * (2 * values + 2 * width + 2 * rows),
        passed_bytes=FLOAT32_BYTES * values,
    )
    backward = Operation(
        "normalisation",
        "native_layer_norm_backward",
        2 * NORM_FLOPS * values,
        FLOAT32_BYTES * (3 * values + 3 * width + 2 * rows),
        passed_bytes=FLOAT32_BYTES * values,
    )
    return Layer((forward,), (backward,))


def gathered(rows: int, width: int, table: int) -> Layer:
    """Rows of a table of so many; what lies in the table is read once a row. Its gradient adds them up again."""
    return Layer((_gather(rows, width),), (_filled(table * width), _scatter(rows, width)), keeps=False)


def summed_by_receiver(rows: int, width: int, table: int) -> Layer:
    """Rows added up into a table; its gradient is gathered."""
    return Layer((_filled(table * width), _scatter(rows, width)), (_gather(rows, width),), keeps=False)


def sliced(values: int, slices: int, *, first: bool) -> tuple[Operation, ...]:
    """What makes the gradient of a slice that of the whole, and adds it to those of the others but for the first."""
    whole = slices * values
    alone = (_filled(whole), copied(values))
    return alone if first else (*alone, _pointwise("add", whole, 2 * whole, whole))


def reduction(values: int, found: int) -> Operation:
    """A sum over all but one axis, as of the gradient of a bias."""
    return Operation("elementwise", "sum", values, FLOAT32_BYTES * (values + found))


def copied(values: int) -> Operation:
    """An array written in another order."""
    return Operation("elementwise", "copy", 0, 2 * FLOAT32_BYTES * values, passed_bytes=FLOAT32_BYTES * values)


def _pointwise(name: str, flops: int, reads: int, values: int) -> Operation:
    return Operation("elementwise", name, flops, FLOAT32_BYTES * (reads + values), passed_bytes=FLOAT32_BYTES * values)


def _gather(rows: int, width: int) -> Operation:
    return Operation("gather/scatter", "index_select", 0, FLOAT32_BYTES * 2 * rows * width)


def _scatter(rows: int, width: int) -> Operation:
    """Each row is read, and added to one of the table, which is read and written."""
    return Operation("gather/scatter", "index_add", rows * width, FLOAT32_BYTES * 3 * rows * width)


def _filled(values: int) -> Operation:
    return Operation("elementwise", "zeros", 0, FLOAT32_BYTES * values)


def _lowered(values: int) -> Operation:
    return Operation("elementwise", "to low", 0, (FLOAT32_BYTES + LOW_BYTES) * values, passed_bytes=LOW_BYTES * values)


def _widened(values: int) -> Operation:
    return Operation(
        "elementwise", "to float32", 0, (FLOAT32_BYTES + LOW_BYTES) * values, passed_bytes=FLOAT32_BYTES * values
    )
