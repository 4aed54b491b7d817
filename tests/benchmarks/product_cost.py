"""Child process: `product_cost.py MODEL SIZE` prints JSON: seconds of a step, its products and the published step.

The products are those that PyTorch runs in a training step of a size of peer_cost.py, forward and for both gradients:
watched once, and then run anew by turns with the step, in the same shapes and strides and by the same threads. Their
operands are shared by shape, so that they lie warmer than in the step, and their results have their places already:
less time than this no step can take that computes them by the same library. `dense` are those of the layers of the
network, its spectral mixer among them; `transforms` those with the constant matrices of Fourier transforms.
"""

import json
import sys

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.benchmarks.peer_cost import ROUNDS, as_published, by_turns, opened, ours, subject, theirs

FIRST_OPERAND = {"mm": 0, "bmm": 0, "addmm": 1, "baddbmm": 1}


def main(model, size):
    """Watch a step, then run it, its products and that of the network as it was published by turns."""
    package, network, domain, x, target = subject(model, size)
    framework = opened(package, network, domain, ROUNDS[size] + 2)
    step = ours(framework, x, target)
    with Products(framework.module.buffers()) as found:
        step()
    timed = {"step": step, "dense": Alone(found.dense), "transforms": Alone(found.transforms)}
    timed["published"] = theirs(as_published(package, network, domain), x, target)
    print(json.dumps(by_turns(timed, ROUNDS[size])))


class Products(TorchDispatchMode):
    """Shapes and strides of both operands of the products that run, apart where one of them is a constant."""

    def __init__(self, constants):
        super().__init__()
        self.storages = {constant.untyped_storage().data_ptr() for constant in constants}
        self.dense, self.transforms = [], []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        first = FIRST_OPERAND.get(function.overloadpacket.__name__)
        if first is not None:
            operands = args[first : first + 2]
            constant = any(each.untyped_storage().data_ptr() in self.storages for each in operands)
            layouts = tuple((tuple(each.shape), each.stride()) for each in operands)
            (self.transforms if constant else self.dense).append(layouts)
        return function(*args, **(kwargs or {}))


class Alone:
    """Runs products one after the other."""

    def __init__(self, products):
        made = {layout: random_of(*layout) for product in products for layout in product}
        shapes = {(*left[:-1], right[-1]) for (left, _), (right, _) in products}
        results = {shape: torch.empty(shape) for shape in shapes}
        self.products = [(made[left], made[right], results[(*left[0][:-1], right[0][-1])]) for left, right in products]

    def __call__(self):
        for left, right, result in self.products:
            torch.matmul(left, right, out=result)


def random_of(shape, strides):
    """Random numbers in a layout, which may repeat some of them."""
    last = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    return torch.randn(last + 1).as_strided(shape, strides)


if __name__ == "__main__":
    main(*sys.argv[1:])
