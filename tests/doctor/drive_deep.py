"""Deep checks on the CPU in a process of its own, plain and with planted faults: of a framework, or of PyTorch's clock.

    python drive_deep.py pytorch|mindspore|clock

Prints the checks of every plant as JSON, and what else was asked of it.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest import mock

from harness.doctor.deep import networks, products
from harness.doctor.deep.operators import check_operators
from harness.frameworks import open_framework
from harness.models.operators import choices
from harness.porting.parity.check import scenarios_of


def plain(checks):
    return [check.model_dump(mode="json") for check in checks]


def network(framework, scenario):
    return networks.answers(framework, networks.sample_of(scenario), lambda part: None)


class NeverWaits:
    """A framework whose products run on while `synchronise` returns."""

    def __init__(self, framework):
        self.framework, self.pool, self.last = framework, ThreadPoolExecutor(1), None

    def put(self, array):
        return self.framework.put(array)

    def multiply(self, left, right):
        self.last = self.pool.submit(self.framework.multiply, left, right)
        return self.last

    def synchronise(self):
        pass

    def get(self, value):
        return self.framework.get(value.result())


def pytorch():
    """Plants in PyTorch's functions, products, and in a network."""
    import torch
    from torch.nn import functional as F

    from harness.frameworks.pytorch import optimisers, probes
    from harness.models.operators import pytorch as operators

    framework = open_framework("pytorch", "cpu")
    patch = mock.patch.object
    gelu, layer_norm = F.gelu, F.layer_norm
    tanh_gelu = patch(F, "gelu", lambda x: gelu(x, approximate="tanh"))
    of_cpu = {name: frozenset({"cpu"}) for name in operators.NATIVE_OR_COMPOSED}

    class Coupled(torch.optim.Adam):
        """Decay added to the gradient, as Adam and not AdamW has it."""

    def lossy(total, axis, index, rows):
        return total.index_copy_(axis, index, rows)

    def raises(*arguments, **named):
        raise RuntimeError("DEVICE_ERROR: no such kernel")

    plants = {
        "none": mock.patch.dict({}),
        "tanh GELU": tanh_gelu,
        "hard shrinkage": patch(F, "softshrink", F.hardshrink),
        "epsilon": patch(F, "layer_norm", lambda *given: layer_norm(*given[:-1], 10 * given[-1])),
        "lossy sum": patch(torch.Tensor, "index_add_", lossy),
        "coupled decay": mock.patch.dict(optimisers.KINDS, {"adamw": Coupled}),
        "raises": patch(F, "softshrink", raises),
        "composed": mock.patch.dict(operators.COMPOSED, of_cpu),
    }
    found = {}
    for name, plant in plants.items():
        optimisers._eager.cache_clear()
        with plant:
            found[name] = plain(check_operators(framework, "here"))
    optimisers._eager.cache_clear()

    def rounded(values, bits=11):
        fraction, exponent = torch.frexp(values)
        return torch.ldexp(torch.round(fraction * 2**bits), exponent - bits)

    multiply = torch.Tensor.__matmul__
    found["precision"] = plain(products.check_precision(framework, "here"))
    with patch(torch.Tensor, "__matmul__", lambda left, right: multiply(rounded(left), rounded(right))):
        found["11 bits"] = plain(products.check_precision(framework, "here"))

    (scenario,) = scenarios_of("fourcastnet", None, "pytorch", "cpu")
    truth = network(probes.open_double(), scenario)
    for name, plant in {"none": plants["none"], "tanh GELU": tanh_gelu, "composed": plants["composed"]}.items():
        with plant:
            answer = network(framework, scenario)
        found[f"network, {name}"] = plain([networks.judge(answer, truth, "here", "fourcastnet", "float64", "cpu")])

    with patch(torch, "_fused_adam_", raises):
        optimisers.adam_kernel.cache_clear()
        found["no fused kernel"] = plain(check_operators(framework, "here"))
        optimisers.adam_kernel.cache_clear()
        with patch(optimisers, "ONLY_ADAMW_IS_FUSED", ("cpu",)):
            found["AdamW's kernel alone"] = plain(check_operators(framework, "here"))
    return found


def clock():
    """PyTorch's clock, right and wrong, and rates on either side of a peak."""
    framework = open_framework("pytorch", "cpu")
    found = {
        "clock": plain(products.check_clock(framework, "here", None)),
        "slower than the peak": plain(products.check_clock(framework, "here", 1e6)),
        "faster than the peak": plain(products.check_clock(framework, "here", 1e-6)),
    }
    with mock.patch.object(products, "LARGEST", 1024):
        found["never waits"] = plain(products.check_clock(NeverWaits(framework), "here", None))
    return found


def mindspore():
    """The operators of the CPU, those that an Ascend is given, and a GELU by tanh."""
    import mindspore as ms

    from harness.models.operators import mindspore as operators

    class Tanh(ms.nn.Cell):
        def construct(self, x):
            return ms.ops.gelu(x, approximate="tanh")

    @contextmanager
    def of_ascend():
        with mock.patch.dict(choices.CHOICES, {("mindspore", "CPU"): choices.CHOICES["mindspore", "Ascend"]}):
            yield

    framework = open_framework("mindspore", "CPU")
    found = {"none": plain(check_operators(framework, "here"))}
    with mock.patch.dict(operators.GELUS, {"composed": Tanh}):
        found["tanh GELU"] = plain(check_operators(framework, "here"))
    with mock.patch.dict(operators.SOFT_SHRINKS, {"native": operators.ComposedSoftShrink}):
        found["composed"] = plain(check_operators(framework, "here"))
    (scenario,) = scenarios_of("fourcastnet", None, "mindspore", "cpu")
    truth = network(framework, scenario)
    with of_ascend():
        found["of Ascend"] = plain(check_operators(framework, "here"))
        answer = network(framework, scenario)
    found["network, of Ascend"] = plain([networks.judge(answer, truth, "here", "fourcastnet", "the CPU's", "cpu")])
    return found


if __name__ == "__main__":
    print(json.dumps({"pytorch": pytorch, "mindspore": mindspore, "clock": clock}[sys.argv[1]]()))
