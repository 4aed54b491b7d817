"""In the place of Huawei's torch_npu: a device `npu` with memory of its own, whose operators run on the host.

As on the chip, torch.nn.functional.gelu computes the form with tanh, whatever it is told, and the fused AdamW updates
parameters in spite of gradients that overflowed.
"""

import ctypes
import json
import os
import sys
from pathlib import Path

import torch

from torch_npu import npu, profiler

__all__ = ["_autoload", "npu", "npu_gelu", "profiler"]

CAST = json.loads((Path(os.environ["CROSSCAST_REHEARSAL"]) / "stage.json").read_text())


def _autoload():
    """What PyTorch calls when it is imported: importing this module has done all."""


def npu_gelu(x, approximate="none"):
    """GELU as it is asked for: through erf, or through tanh."""
    if approximate == "tanh":
        return torch.nn.functional.gelu(x)
    return x * 0.5 * (1 + torch.erf(x * 0.5**0.5))


(Path(os.environ["CROSSCAST_REHEARSAL"]) / "processes" / str(os.getpid())).touch()
library = ctypes.CDLL(CAST["library"])
library.open_device(b"npu")
library.peak_bytes.restype = ctypes.c_int64
npu.name, npu.peak_bytes, npu.memory_bytes = CAST["device_name"], library.peak_bytes, CAST["memory_bytes"]
torch.utils.rename_privateuse1_backend("npu")
torch._register_device_module("npu", npu)
torch.utils.generate_methods_for_privateuse1_backend()
sys.modules["torch.npu"] = npu
