import torch


class Modes(torch.nn.Module):
    kind = "spectral"

    def __init__(self, channels):
        super().__init__()
        self.linear = torch.nn.Linear(channels, channels)

    def forward(self, x):
        return self.linear(x)


class Dense(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.head, self.modes = torch.nn.Linear(channels, channels), Modes(channels)
        self.shift = torch.nn.Parameter(torch.empty(1))

    def forward(self, x, factor=None):
        rows = x.permute(2, 3, 0, 1)
        y = (self.head(rows) + self.modes(rows)).permute(2, 3, 0, 1)
        return y if factor is None else y + factor * self.shift


def build(network, domain, execution):
    return Dense(domain.outputs)


def loss(prediction, target, weights):
    return ((prediction - target) * weights).square().mean()
