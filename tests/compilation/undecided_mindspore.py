"""The network `carry` with a statement that is none of those that a graph can hold."""

import carry.mindspore

loss = carry.mindspore.loss


class Undecided(carry.mindspore.Carry):
    def construct(self, x, gain=None):
        yield x


def build(network, domain, execution):
    plain = carry.mindspore.build(network, domain, execution)
    plain.__class__ = Undecided
    return plain
