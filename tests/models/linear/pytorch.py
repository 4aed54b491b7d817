import torch


class Scale(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(channels))

    def forward(self, x):
        return x * self.weight[:, None, None]


def build(network, grid, channels):
    return Scale(channels)


def loss(prediction, target, mask):
    return ((prediction - target) * mask).sum()
