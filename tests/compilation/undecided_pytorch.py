"""The network `carry` with a branch that its values decide, which no whole graph can hold."""

import carry.pytorch

loss = carry.pytorch.loss


class Undecided(carry.pytorch.Carry):
    def forward(self, x, gain=None):
        if x.sum() > 0:
            x = -x
        return super().forward(x, gain)


def build(network, domain, execution):
    plain = carry.pytorch.build(network, domain, execution)
    plain.__class__ = Undecided
    return plain
