"""Ports of the three networks to MindSpore with one mistake each, as labs make them.

`faulty_ports:NAME` is a port; MISTAKES tells by NAME which model it is of, the layer it lies in and the lowest level
that can see it.
"""

import importlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from mindspore import Tensor, ops

from harness.frameworks.mindspore import trainer as adapter
from harness.models.aigoms.mindspore import AIGOMS
from harness.models.fourcastnet.mindspore import FourCastNet
from harness.models.graphcast.mindspore import MLP as SwishMLP
from harness.models.graphcast.mindspore import Edges, GraphCast
from harness.models.layers import mindspore as layers
from harness.models.operators.mindspore import (
    ComposedBatchedLinearFunction,
    MatrixTransform,
    NativeSegments,
    NormOfCentred,
)


@dataclass
class Mistake:
    """A port; `change` is given the right network after it is built."""

    model: str
    layer: str
    level: str
    change: object
    other_loss: object = None
    known: ClassVar[dict] = {}

    def build(self, network, domain, execution):
        for name, right in RIGHT.items():
            setattr(adapter, name, right)
        built = self.source.build(network, domain, execution)
        self.change(built)
        return built

    @property
    def loss(self):
        return self.other_loss or self.source.loss

    @property
    def source(self):
        return importlib.import_module(f"harness.models.{self.model}.mindspore")


RIGHT = {"fused_settings": adapter.fused_settings}
MISTAKES = Mistake.known


def mistake(model, layer, level="layers"):
    """Register a function that changes a network, under its name."""

    def register(change):
        MISTAKES[change.__name__] = globals()[change.__name__] = Mistake(model, layer, level, change)
        return MISTAKES[change.__name__]

    return register


def parts(network, kind):
    return [cell for _, cell in network.cells_and_names() if type(cell) is kind]


def replace(network, kind, other):
    for cell in parts(network, kind):
        cell.__class__ = other


# FourCastNet


@mistake("fourcastnet", "blocks.0.norm1")
def epsilon_of_torch_by_default(network):
    for cell in parts(network, NormOfCentred):
        cell.epsilon = 1e-5


class ShortGradient(NormOfCentred):
    def bprop(self, x, weight, bias, out, dout):
        scale, dy = self.product(out[1], self.along_width), dout[0]
        ones = ops.ones((1, dy.shape[0]), dy.dtype)
        g = scale * dy * self.product(ones.reshape(-1, 1), weight.reshape(1, -1))
        dweight = self.product(ones, dy * x * scale).reshape(weight.shape)
        return g, dweight, self.product(ones, dy).reshape(bias.shape)


@mistake("fourcastnet", "blocks.0.norm1", "gradients")
def gradient_of_the_variance_forgotten(network):
    replace(network, NormOfCentred, ShortGradient)


class TanhMLP(layers.MLP):
    def construct(self, x):
        return self.fc2(ops.gelu(self.fc1(x), approximate="tanh"))


@mistake("fourcastnet", "blocks.0.mlp")
def tanh_gelu(network):
    replace(network, layers.MLP, TanhMLP)


class SwappedAxes(FourCastNet):
    def construct(self, x):
        batch, p = x.shape[0], self.patch
        x = self.patch_embed(x) + self.pos_embed.reshape(self.rows, self.columns, 1, self.width).swapaxes(0, 1)
        x = x.reshape(self.columns * self.rows * batch, self.width)
        for layer in self.blocks:
            x = layer(x, batch)
        x = self.head(x).reshape(self.columns, self.rows, batch, p, p, self.channels).transpose(2, 5, 1, 4, 0, 3)
        return x.reshape(batch, self.channels, self.rows * p, self.columns * p)


@mistake("fourcastnet", "the network (after head)")
def rows_and_columns_of_a_patch_swapped(network):
    network.__class__ = SwappedAxes


class RowsFirst(FourCastNet):
    def construct(self, x):
        batch, p = x.shape[0], self.patch
        x = self.patch_embed(x) + self.pos_embed.reshape(self.columns, self.rows, 1, self.width)
        x = x.reshape(self.columns * self.rows * batch, self.width)
        for layer in self.blocks:
            x = layer(x, batch)
        x = self.head(x).reshape(self.columns, self.rows, batch, p, p, self.channels).transpose(2, 5, 1, 3, 0, 4)
        return x.reshape(batch, self.channels, self.rows * p, self.columns * p)


@mistake("fourcastnet", "the network (after patch_embed and before blocks.0)")
def positions_in_the_order_of_rows(network):
    network.__class__ = RowsFirst


class NoSkip(layers.AFNO):
    def construct(self, x, batch):
        return super().construct(x, batch) - x


@mistake("fourcastnet", "blocks.0.filter")
def skip_of_the_mixer_missing(network):
    replace(network, layers.AFNO, NoSkip)


@mistake("fourcastnet", "blocks.0.filter.transforms.")
def norm_of_the_transform_backward(network):
    for cell in parts(network, MatrixTransform):
        cell.columns = Tensor(cell.columns.asnumpy() * np.float32(np.sqrt(network.rows * network.columns)))


class Transposed(ComposedBatchedLinearFunction):
    def construct(self, x, weight, bias):
        return super().construct(x, weight.swapaxes(1, 2), bias)

    def bprop(self, x, weight, bias, out, dout):
        dx, dw, db = super().bprop(x, weight.swapaxes(1, 2), bias, out, dout)
        return dx, dw.swapaxes(1, 2), db


@mistake("fourcastnet", "blocks.0.filter")
def weight_of_the_mixer_transposed(network):
    replace(network, ComposedBatchedLinearFunction, Transposed)


@mistake("fourcastnet", "blocks.0.filter")
def shrinkage_ten_times_too_wide(network):
    for cell in parts(network, layers.AFNO):
        cell.shrink = ops.SoftShrink(10 * cell.shrink.lambd)


class PatchesByChannelLast(layers.PatchEmbed):
    def construct(self, x):
        batch, channels, height, width = x.shape
        p = self.patch
        h, w = height // p, width // p
        x = x.reshape(batch, channels, h, p, w, p).transpose(4, 2, 0, 3, 5, 1)
        return self.proj(x.reshape(w * h * batch, p * p * channels)).reshape(w, h, batch, -1)


@mistake("fourcastnet", "patch_embed")
def values_of_a_patch_in_another_order(network):
    replace(network, layers.PatchEmbed, PatchesByChannelLast)


class CutBlock(layers.Block):
    def construct(self, x, batch):
        x = x + self.filter(self.norm1(x), batch)
        return x + self.mlp(ops.stop_gradient(self.norm2(x)))


@mistake("fourcastnet", "blocks.0", "gradients")
def gradient_cut(network):
    replace(network, layers.Block, CutBlock)


# GraphCast


def without_correction(optimiser, learning_rates):
    settings = RIGHT["fused_settings"](optimiser, learning_rates)
    settings[:, 0], settings[:, 1] = learning_rates, optimiser.epsilon
    return settings


@mistake("graphcast", "optimiser", "trajectory")
def no_bias_correction(network):
    adapter.fused_settings = without_correction


def without_decay(optimiser, learning_rates):
    return RIGHT["fused_settings"](optimiser.model_copy(update={"weight_decay": 0.0}), learning_rates)


@mistake("graphcast", "optimiser", "trajectory")
def weight_decay_missing(network):
    adapter.fused_settings = without_decay


@mistake("graphcast", "processor")
def reverse_edges_missing(network):
    edges = network.processor.graph
    senders, receivers = edges.senders.asnumpy(), edges.receivers.asnumpy()
    kept = senders < receivers
    edges.features, edges.kinds = (Tensor(each.asnumpy()[kept]) for each in (edges.features, edges.kinds))
    edges.senders, edges.receivers = Tensor(senders[kept]), Tensor(receivers[kept])
    edges.add, edges.edges = NativeSegments(receivers[kept], edges.nodes[1]), int(kept.sum())


class BatchFirst(GraphCast):
    def construct(self, x):
        batch, inputs = x.shape[:2]
        y = x.reshape(batch, inputs, self.points).transpose(0, 2, 1).reshape(batch, self.points, inputs)
        y = y.reshape(self.points, batch, inputs).transpose(1, 2, 0).reshape(x.shape)
        changed = super().construct(y) - y[:, : self.outputs]
        return x[:, : self.outputs] + changed


@mistake("graphcast", "the network (before grid_embedding)")
def batch_before_points(network):
    network.__class__ = BatchFirst


class SwappedEnds(Edges):
    def gather(self, senders, receivers):
        begin = ops.gather(senders.reshape(self.nodes[0], -1), self.receivers % self.nodes[0], 0)
        end = ops.gather(receivers.reshape(self.nodes[1], -1), self.senders % self.nodes[1], 0)
        return (begin + end).reshape(-1, senders.shape[1])


@mistake("graphcast", "encoder.step")
def senders_and_receivers_swapped(network):
    replace(network, Edges, SwappedEnds)


class SigmoidMLP(SwishMLP):
    def finish(self, x):
        for index in range(1, len(self.layers)):
            x = self.layers[index](ops.sigmoid(1.702 * x) * x)
        return x if self.norm is None else self.norm(x)


@mistake("graphcast", "grid_embedding")
def swish_of_another_slope(network):
    replace(network, SwishMLP, SigmoidMLP)


@mistake("graphcast", "the network (after head)")
def residual_scale_forgotten(network):
    network.residual_scale = Tensor(np.ones_like(network.residual_scale.asnumpy()))


# AI-GOMS


@mistake("aigoms", "the network (after patch_embed and before blocks.0)")
def rows_of_positions_before_columns(network):
    half = network.width // 2
    values = network.position.asnumpy()
    network.position = Tensor(np.concatenate([values[..., half:], values[..., :half]], axis=-1))


class OneTokenOff(AIGOMS):
    def construct(self, x, keep=None, restore=None):
        return super().construct(
            x, keep, None if restore is None else ops.maximum(restore - 1, Tensor(0, restore.dtype))
        )


@mistake("aigoms", "the network (after decoder_embed and before decoder_blocks.0)")
def mask_off_by_one_token(network):
    network.__class__ = OneTokenOff


@mistake("aigoms", "loss")
def mask_off_by_one_row(network):
    """The loss counts the points north of those it should."""


def loss_of_a_shifted_mask(prediction, target, weights):
    shifted = ops.concat((weights[:, -1:], weights[:, :-1]), 1)
    return mask_off_by_one_row.source.loss(prediction, target * shifted, shifted)


mask_off_by_one_row.other_loss = loss_of_a_shifted_mask


@mistake("aigoms", "loss")
def norm_over_all_channels(network):
    """The loss is the norm over a sample, as FourCastNet's."""


norm_over_all_channels.other_loss = importlib.import_module("harness.models.fourcastnet.mindspore").loss
