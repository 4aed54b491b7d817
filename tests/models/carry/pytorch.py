import torch

import carry


class Carry(torch.nn.Module):
    def __init__(self, inputs, outputs, scale):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(outputs, inputs))
        self.bias = torch.nn.Parameter(torch.empty(outputs))
        self.outputs = outputs
        self.register_buffer("scale", torch.from_numpy(scale))

    def forward(self, x, gain=None):
        y = torch.einsum("oi,bihw->bohw", self.weight, x) + self.bias[:, None, None]
        y = torch.tanh(y) * self.scale[:, None, None]
        if gain is not None:
            y = y * gain[:, None, None, None]
        return x[:, : self.outputs] + y


def build(network, domain, execution):
    return Carry(domain.inputs(carry.input_spec(network)), domain.outputs, domain.residual_scale)


def loss(prediction, target, weights):
    return torch.mean(torch.square((prediction - target) * weights))
