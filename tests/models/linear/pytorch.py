import torch


class Scale(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(channels))

    def forward(self, x):
        return x * self.weight[:, None, None]


def build(network, domain, execution):
    return Scale(domain.outputs)


def loss(prediction, target, weights):
    return ((prediction - target) * weights).sum()
