"""MLPs over many rows in PyTorch, a tile of rows at a time.

On a CPU an array with a row for every edge does not fit in the cache. Operator by operator it is written to memory and
read back some fifty times a step of message passing, into pages that are new each time. Here all operators of an MLP
run on one tile of rows before the next, forward and backward, and only what swish and the LayerNorm are given is kept:
the rest is cheap to compute again. Sums of messages, and gradients of what was gathered, are added up tile by tile.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode

from harness.models.operators.choices import CHOICES
from harness.models.tiling import takes_tiles, tile_rows

TILED = frozenset(
    device for (framework, device), choice in CHOICES.items() if framework == "pytorch" and choice.messages == "tiled"
)
"""Devices on which rows run in tiles, by PyTorch's names."""


def in_tiles(x: Tensor, rows: int, width: int) -> bool:
    """Whether an MLP on x with so many rows of so many values runs in tiles.

    Not where one tile holds all rows, and not where operators are compiled, cast to another format or watched.
    """
    return (
        x.device.type in TILED
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled(x.device.type)
        and not _get_current_function_mode_stack()
        and _get_current_dispatch_mode() is None
        and takes_tiles(rows, width)
    )


class Tail:
    """All that follows the first product of an MLP: swish and a dense layer, again and again, and then a LayerNorm.

    `norm` holds weight and bias (out,) of the LayerNorm or nothing, `layers` weights (out, in) and biases (out,) in
    turn. `kept` is what a backward pass needs of all rows: what swish is given each time, what the LayerNorm is given,
    its means and its scales.
    """

    def __init__(
        self, norm: Sequence[Tensor], layers: Sequence[Tensor], epsilon: float, kept: Sequence[Tensor] = ()
    ) -> None:
        self.norm, self.epsilon, self.kept = norm, epsilon, kept
        self.layers = list(zip(layers[::2], layers[1::2], strict=True))

    def parameters(self) -> tuple[Tensor, ...]:
        """Those of the LayerNorm and of the layers."""
        return (*self.norm, *(each for layer in self.layers for each in layer))

    def keep(self, rows: int) -> None:
        """Make room for what is kept of so many rows."""
        new = self.layers[0][0].new_empty
        of_norm = (len(self.norm[0]), 1, 1) if self.norm else ()
        self.kept = [new(rows, width) for width in (*(weight.shape[1] for weight, _ in self.layers), *of_norm)]

    def first(self, rows: slice) -> Tensor | None:
        """Where to write what the first layer gives for some rows, if that is kept."""
        return self.kept[0][rows] if self.kept else None

    def forward(self, first: Tensor, rows: slice, out: Tensor | None = None) -> Tensor:
        """What the first layer gives for some rows (R, C) to (R, out), written to `out` if that is given."""
        value, kept = first, [each[rows] for each in self.kept]
        for index, (weight, bias) in enumerate(self.layers, start=1):
            to = kept[index] if index < len(kept) else None if self.norm or index < len(self.layers) else out
            value = torch.addmm(bias, F.silu(value), weight.t(), out=to)
        if not self.norm:
            return value
        given = value, value.shape[1:], *self.norm, self.epsilon
        if out is None and not kept:
            return torch.native_layer_norm(*given)[0]
        out = torch.empty_like(value) if out is None else out
        mean, scale = kept[-2:] or value.new_empty(2, len(value), 1)
        torch.ops.aten.native_layer_norm.out(*given, out0=out, out1=mean, out2=scale)
        return out

    def start(self) -> None:
        """Begin a backward pass."""
        self.slopes = [torch.zeros_like(parameter) for parameter in self.parameters()]

    def backward(self, slope: Tensor, rows: slice) -> Tensor:
        """The gradient of what comes out for some rows (R, out) to that of what the first layer gave (R, C)."""
        kept, of_norm = [each[rows] for each in self.kept], len(self.norm)
        if self.norm:
            slope, *found = torch.ops.aten.native_layer_norm_backward(
                slope, kept[-3], kept[-3].shape[1:], *kept[-2:], *self.norm, [True, True, True]
            )
            for total, part in zip(self.slopes, found, strict=False):
                total += part
        for index in reversed(range(len(self.layers))):
            of_weight, of_bias = self.slopes[of_norm + 2 * index :][:2]
            of_weight.addmm_(slope.t(), F.silu(kept[index]))
            of_bias += slope.sum(0)
            slope = slope @ self.layers[index][0]
            torch.ops.aten.silu_backward.grad_input(slope, kept[index], grad_input=slope)
        return slope


class How(NamedTuple):
    """What a function is told beside tensors; the numbers are of terms of the first product and of those of a norm."""

    terms: int
    norm: int
    epsilon: float
    skip: bool
    keeps: bool
    by_kind: bool


class _Rows(torch.autograd.Function):
    """An MLP whose first layer is given the sum of products of several inputs."""

    @staticmethod
    def forward(ctx: Any, how: How, *given: Tensor) -> Tensor:
        """Inputs (R, F) of all terms, their weights (C, F), bias (C,) and the tail to (R, out)."""
        (inputs, weights, bias), tail = _parted(how, given)
        count = len(inputs[0])
        if how.keeps:
            tail.keep(count)
        out = bias.new_empty(count, len(tail.layers[-1][1]))
        for rows in _slices(count, len(bias)):
            first = torch.addmm(bias, inputs[0][rows], weights[0].t(), out=tail.first(rows))
            for x, weight in zip(inputs[1:], weights[1:], strict=True):
                first.addmm_(x[rows], weight.t())
            value = tail.forward(first, rows, out[rows])
            if how.skip:
                value += inputs[0][rows]
        ctx.how, ctx.given = how, len(given)
        ctx.save_for_backward(*given, *tail.kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Any, ...]:
        """The gradients of all that was given."""
        how, saved = ctx.how, ctx.saved_tensors
        (inputs, weights, bias), tail = _parted(how, saved[: ctx.given], saved[ctx.given :])
        tail.start()
        of_weights, of_bias = [torch.zeros_like(weight) for weight in weights], torch.zeros_like(bias)
        needed = ctx.needs_input_grad[1 : 1 + how.terms]
        of_inputs = [torch.empty_like(x) if need else None for x, need in zip(inputs, needed, strict=True)]
        for rows in _slices(len(slope), len(bias)):
            back = tail.backward(slope[rows], rows)
            of_bias += back.sum(0)
            for index, (x, weight) in enumerate(zip(inputs, weights, strict=True)):
                of_weights[index].addmm_(back.t(), x[rows])
                if (of_input := of_inputs[index]) is not None:
                    skipped = how.skip and index == 0
                    out = of_input[rows]
                    torch.addmm(slope[rows], back, weight, out=out) if skipped else torch.mm(back, weight, out=out)
        return (None, *of_inputs, *of_weights, of_bias, *tail.slopes)


class _Messages(torch.autograd.Function):
    """The messages of edges, added up for each receiver, and the edges with their messages added where `skip`."""

    @staticmethod
    def forward(
        ctx: Any, how: How, graph: "Ends", edges: Tensor, senders: Tensor, receivers: Tensor, *given: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """Edges (E, B, F) or their kinds (K, 1, F), ends (N, B, C) and (M, B, C), weight (C, F), tail.

        Gives the new edges (E, B, out) and what receivers get (M, B, out).
        """
        weight, tail = given[0], _tail(how, given[1:])
        batch, width = senders.shape[1:]
        shape, count = (batch, len(tail.layers[-1][1])), len(graph.senders)
        if how.keeps:
            tail.keep(count * batch)
        product = F.linear(edges, weight) if how.by_kind else None
        updated = edges.new_empty(count, *shape) if how.skip else None
        received = edges.new_empty(len(receivers), *shape)
        for tile in graph.tiles(tile_rows(count, batch * width), len(receivers)):
            rows, own = _of_batch(tile.edges, batch), graph.of_tile(tile, edges) if how.by_kind else edges[tile.edges]
            first = weight.new_empty(rows.stop - rows.start, width) if not how.keeps else tail.kept[0][rows]
            ends = first.unflatten(0, (-1, batch))
            torch.index_select(senders, 0, graph.senders[tile.edges], out=ends)
            ends += receivers.index_select(0, graph.receivers[tile.edges])
            if product is None:
                first.addmm_(own.flatten(0, 1), weight.t())
            else:
                ends += graph.of_tile(tile, product)
            messages = tail.forward(first, rows).unflatten(0, (-1, batch))
            received[tile.receivers] = added_up(messages, tile)
            if updated is not None:
                torch.add(own, messages, out=updated[tile.edges])
        ctx.how, ctx.graph, ctx.given = how, graph, len(given)
        ctx.sizes = len(senders), len(receivers), batch
        ctx.save_for_backward(edges, *given, *tail.kept)
        ctx.set_materialize_grads(False)
        return updated, received

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_updated: Tensor | None, of_received: Tensor | None) -> tuple[Any, ...]:
        """The gradients of all that was given."""
        how, graph, (edges, *saved) = ctx.how, ctx.graph, ctx.saved_tensors
        weight, tail = saved[0], _tail(how, saved[1 : ctx.given], saved[ctx.given :])
        senders, receivers, batch = ctx.sizes
        width = len(weight)
        if of_received is None:
            of_received = weight.new_zeros(receivers, batch, len(tail.layers[-1][1]))
        tail.start()
        of_weight, of_edges = torch.zeros_like(weight), edges.new_zeros(edges.shape)
        of_product = weight.new_zeros(len(edges), 1, width) if how.by_kind else None
        of_senders, of_receivers = weight.new_zeros(senders, batch, width), weight.new_empty(receivers, batch, width)
        for tile in graph.tiles(tile_rows(len(graph.senders), batch * width), receivers):
            slope = of_received.index_select(0, graph.receivers[tile.edges])
            if of_updated is not None:
                slope += of_updated[tile.edges]
            back = tail.backward(slope.flatten(0, 1), _of_batch(tile.edges, batch))
            ends = back.unflatten(0, (-1, batch))
            of_receivers[tile.receivers] = added_up(ends, tile)
            of_senders.index_add_(0, graph.senders[tile.edges], ends)
            if of_product is not None:
                graph.add_kinds(tile, of_product, ends)
                if of_updated is not None:
                    graph.add_kinds(tile, of_edges, of_updated[tile.edges])
                continue
            of_weight.addmm_(back.t(), edges[tile.edges].flatten(0, 1))
            out = of_edges[tile.edges].flatten(0, 1)
            if of_updated is None:
                torch.mm(back, weight, out=out)
            else:
                torch.addmm(of_updated[tile.edges].flatten(0, 1), back, weight, out=out)
        if of_product is not None:
            of_weight = of_product[:, 0].t() @ edges[:, 0]
            of_edges[:, 0].addmm_(of_product[:, 0], weight)
        return (None, None, of_edges, of_senders, of_receivers, of_weight, *tail.slopes)


def tiled(
    inputs: Sequence[Tensor], weights: Sequence[Tensor], bias: Tensor, tail: Tail, *, skip: bool = False
) -> Tensor:
    """An MLP of inputs (..., F) of one shape but for F, whose first layer gives the sum of their products: (..., out).

    Weights are (C, F), the bias is (C,). Where `skip`, the first input is added to the result.
    """
    given = (*(x.flatten(0, -2) for x in inputs), *weights, bias, *tail.parameters())
    out: Tensor = _Rows.apply(_how(tail, given, terms=len(inputs), skip=skip), *given)
    return out.unflatten(0, inputs[0].shape[:-1])


def tiled_messages(
    ends: "Ends",
    edges: Tensor,
    senders: Tensor,
    receivers: Tensor,
    weight: Tensor,
    tail: Tail,
    *,
    by_kind: bool,
    skip: bool,
) -> tuple[Tensor, Tensor]:
    """Messages from edges (E, B, F) and what their ends add to the first layer: (N, B, C) and (M, 1 or B, C).

    Edges are (K, 1, F) where they are given `by_kind`. The weight is (C, F). Returned are the edges with their
    messages, where `skip`, and what each receiver gets: (E, B, out) and (M, B, out).
    """
    receivers = receivers.expand(-1, senders.shape[1], -1)
    given = (edges, senders, receivers, weight, *tail.parameters())
    found: tuple[Tensor, Tensor] = _Messages.apply(_how(tail, given, skip=skip, by_kind=by_kind), ends, *given)
    return found


def _how(tail: Tail, given: Sequence[Tensor], *, skip: bool, terms: int = 1, by_kind: bool = False) -> How:
    keeps = torch.is_grad_enabled() and any(each.requires_grad for each in given)
    return How(terms, len(tail.norm), tail.epsilon, skip, keeps, by_kind)


class Tile(NamedTuple):
    """Edges and the receivers that all of their edges lead to; `starts` (receivers,) says where those of each begin."""

    edges: slice
    receivers: slice
    starts: Tensor


class Ends:
    """Where edges begin and end, and of which kind they are: senders (E,), receivers (E,) in order, kinds (E,).

    Edges of a kind have the same features.
    """

    def __init__(self, senders: Tensor, receivers: Tensor, kinds: Tensor) -> None:
        self.senders, self.receivers, self.kinds = senders, receivers, kinds
        self._tiles: dict[tuple[int, int], list[Tile]] = {}

    def tiles(self, size: int, receivers: int) -> list[Tile]:
        """The edges in tiles of about `size`, for a number of receivers."""
        key = size, receivers
        if key not in self._tiles:
            self._tiles[key] = list(self._cut(*key))
        return self._tiles[key]

    def of_tile(self, tile: Tile, by_kind: Tensor) -> Tensor:
        """The rows of the edges of a tile from those of all kinds."""
        return by_kind.index_select(0, self.kinds[tile.edges])

    def add_kinds(self, tile: Tile, total: Tensor, rows: Tensor) -> None:
        """Add the rows (edges, B, C) of a tile to those of their kinds (K, 1, C)."""
        total.index_add_(0, self.kinds[tile.edges], rows if rows.shape[1] == 1 else rows.sum(1, keepdim=True))

    def _cut(self, size: int, receivers: int) -> Iterator[Tile]:
        begins = torch.searchsorted(self.receivers, torch.arange(receivers + 1))
        wanted = torch.tensor(range(size, len(self.receivers), size), dtype=torch.int64)
        cuts = torch.searchsorted(begins, wanted).unique().tolist()
        for first, last in itertools.pairwise([0, *(cut for cut in cuts if cut < receivers), receivers]):
            edges = slice(int(begins[first]), int(begins[last]))
            yield Tile(edges, slice(first, last), begins[first:last] - edges.start)


def added_up(messages: Tensor, tile: Tile) -> Tensor:
    """The sum of the messages (edges, B, C) that each receiver of a tile gets: (receivers, B, C)."""
    rows = torch.arange(len(messages))
    found = F.embedding_bag(rows, messages.flatten(1), tile.starts, mode="sum")
    return found.unflatten(1, messages.shape[1:])


def _tail(how: How, parameters: Sequence[Tensor], kept: Sequence[Tensor] = ()) -> Tail:
    return Tail(parameters[: how.norm], parameters[how.norm :], how.epsilon, kept)


def _parted(
    how: How, given: Sequence[Tensor], kept: Sequence[Tensor] = ()
) -> tuple[tuple[Sequence[Tensor], Sequence[Tensor], Tensor], Tail]:
    """Inputs, weights and bias of the first layer, and the tail."""
    terms = how.terms
    first = given[:terms], given[terms : 2 * terms], given[2 * terms]
    return first, _tail(how, given[2 * terms + 1 :], kept)


def _slices(count: int, width: int) -> Iterator[slice]:
    size = tile_rows(count, width)
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


def _of_batch(rows: slice, batch: int) -> slice:
    return slice(rows.start * batch, rows.stop * batch)
