import numpy as np
from mindspore import Parameter, Tensor, nn


class Scale(nn.Cell):
    def __init__(self, channels):
        super().__init__()
        self.weight = Parameter(Tensor(np.zeros(channels, np.float32)))

    def construct(self, x):
        return x * self.weight.reshape(-1, 1, 1)


def build(network, domain, execution):
    return Scale(domain.outputs)


def loss(prediction, target, weights):
    return ((prediction - target) * weights).sum()
