"""A framework on the CPU in a process of its own: what the probe finds of it, plain and with planted products."""

import json
import sys
from unittest import mock

from harness.frameworks.numerics import matmul_bits
from harness.scenario.execution import EAGER, GRAPH


def pytorch():
    """Bits of each kind of product, and the switches before, after opening and after a change."""
    import torch

    from harness.frameworks.pytorch.trainer import open_device

    def rounded(values, bits):
        fraction, exponent = torch.frexp(values)
        return torch.ldexp(torch.round(fraction * 2**bits), exponent - bits)

    def planted(bits):
        multiply = torch.Tensor.__matmul__
        return mock.patch.object(
            torch.Tensor, "__matmul__", lambda left, right: multiply(rounded(left, bits), rounded(right, bits))
        )

    before = torch.get_float32_matmul_precision()
    device = open_device("cpu")
    switches = device.switches().values
    bits = {"plain": matmul_bits(device)}
    for name, number in (("10 + 1 bits", 11), ("7 + 1 bits", 8)):
        with planted(number):
            bits[name] = matmul_bits(device)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        bits["autocast bfloat16"] = matmul_bits(device)
    bits["float64"] = matmul_bits(open_device("cpu", dtype=torch.float64))
    torch.set_float32_matmul_precision("medium")
    return {"before": before, "bits": bits, "switches": switches, "changed": device.switches().values}


def mindspore():
    """Bits of each kind of product, and the switches."""
    import mindspore as ms

    from harness.frameworks.mindspore.trainer import Product, open_device

    class Half(Product):
        def construct(self, left, right):
            return ms.ops.matmul(left.astype(ms.float16), right.astype(ms.float16)).astype(ms.float32)

    bits = {}
    for name, compiled in (("eager", False), ("compiled", True)):
        device = open_device("CPU", GRAPH if compiled else EAGER)
        bits[name] = matmul_bits(device)
        device._product = Half()
        bits[f"{name}, float16"] = matmul_bits(device)
    return {"bits": bits, "switches": device.switches().values}


if __name__ == "__main__":
    print(json.dumps({"pytorch": pytorch, "mindspore": mindspore}[sys.argv[1]]()))
