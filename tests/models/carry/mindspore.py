import numpy as np
from mindspore import Parameter, Tensor, nn, ops

import carry


class Carry(nn.Cell):
    """The hyperbolic tangent is made from the exponential: MindSpore's own on CPU is off by 1e-6 in float32."""

    def __init__(self, inputs, outputs, scale):
        super().__init__()
        self.weight = Parameter(Tensor(np.zeros((outputs, inputs), np.float32)))
        self.bias = Parameter(Tensor(np.zeros(outputs, np.float32)))
        self.outputs, self.scale = outputs, Tensor(scale)

    def construct(self, x, gain=None):
        batch, inputs, rows, columns = x.shape
        y = ops.matmul(self.weight, x.transpose(1, 0, 2, 3).reshape(inputs, -1))
        y = (1 - 2 / (ops.exp(2 * (y + self.bias.reshape(-1, 1))) + 1)) * self.scale.reshape(-1, 1)
        y = y.reshape(self.outputs, batch, rows, columns).transpose(1, 0, 2, 3)
        if gain is not None:
            y = y * gain.reshape(-1, 1, 1, 1)
        return x[:, : self.outputs] + y


def build(network, domain, execution):
    return Carry(domain.inputs(carry.input_spec(network)), domain.outputs, domain.residual_scale)


def loss(prediction, target, weights):
    return ops.mean(ops.square((prediction - target) * weights))
