"""What PyTorch's second device of a stage does, as JSON: `python drive_device.py DEVICE`, on the stage."""

import gzip
import json
import math
import sys
import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch.nn import functional as F

from harness.doctor.deep.operators import check_operators
from harness.frameworks.pytorch.loss_scaling import Scaling
from harness.frameworks.pytorch.optimisers import leaves_overflows_out, make_optimiser
from harness.frameworks.pytorch.profiling import TorchProfiler
from harness.frameworks.pytorch.trainer import open_device
from harness.models.operators.pytorch import device_of_build
from harness.scenario.schema import OptimiserConfig

name = sys.argv[1]
opened = open_device(name)
device = torch.device(name)
told: dict = {"description": opened.describe().model_dump(), "switches": opened.switches().values}
torch.manual_seed(1)
x, weight, scale = torch.randn(5, 4), torch.randn(4, 3), torch.randn(4)


def refused(call):
    try:
        call()
    except (RuntimeError, TypeError) as error:
        return str(error)
    return None


there = x.to(device)
told["device"] = str(there.device)
there += 1
told["host kept"] = bool(torch.equal(x + 1, there.cpu())) and not torch.equal(x, there.cpu())
there = x.to(device)
told["refused"] = {
    "sum": refused(lambda: there + x),
    "product": refused(lambda: there @ weight),
    "join": refused(lambda: torch.cat([there, x])),
    "normalisation": refused(lambda: F.layer_norm(there, (4,), scale)),
    "host array": refused(lambda: there.numpy()),
}
told["indexed"] = torch.equal(there[torch.tensor([2, 0])].cpu(), x[[2, 0]])
told["number"] = (there * 2.0).sum().item() == (x * 2).sum().item()


def trained(where):
    torch.manual_seed(2)
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2)).to(where)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1, fused=True)
    for _ in range(3):
        loss = F.softshrink(network(x.to(where)).transpose(0, 1).reshape(-1), 0.01).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return [parameter.detach().cpu() for parameter in network.parameters()]


def overflowed(where):
    """A weight after each of three steps, of which the gradient of the second is beyond float16, and the skips."""
    parameter = torch.nn.Parameter(torch.ones(1, device=where))
    optimiser = make_optimiser(OptimiserConfig(), [parameter], parameter.device, compiled=False)
    scaling = Scaling("fp16", parameter.device.type)
    scaling.start(optimiser)
    after = []
    for slope in (1.0, math.inf, 1.0):
        optimiser.param_groups[0]["lr"] = 0.1
        optimiser.zero_grad()
        scaling.scaled((parameter * slope).sum()).backward()
        scaling.update(optimiser, torch.nn.ParameterList([parameter]), clip_norm=1.0)
        after.append(float(parameter.detach().cpu()))
    return after, scaling.skipped_steps


told["overflowed"] = {"host": overflowed("cpu"), "device": overflowed(device)}
with device, mock.patch.object(torch, "get_default_device", return_value=torch.device("cpu")):
    told["built on"] = device_of_build()
told["leaves overflows out"] = leaves_overflows_out(device)
told["operators"] = [check.model_dump() for check in check_operators(opened, name)]
pairs = zip(trained("cpu"), trained(device), strict=True)
told["furthest weight"] = max(float((ours - theirs).abs().max()) for ours, theirs in pairs)
told["gelu"] = {
    "device": F.gelu(there).cpu().tolist(),
    "erf": F.gelu(x).tolist(),
    "tanh": F.gelu(x, approximate="tanh").tolist(),
}
before = opened.peak_memory().allocated_bytes
kept = torch.empty(1 << 20, device=device)
told["memory"] = getattr(torch, name).mem_get_info()
told["grown"] = opened.peak_memory().allocated_bytes - before
profiler = TorchProfiler(name) if name == "npu" else None
if profiler:
    profiler.start()
    there.matmul(there.T)
    path = Path(tempfile.mkdtemp()) / profiler.file_name
    profiler.stop(path)
    told["traced"] = len(json.loads(gzip.decompress(path.read_bytes()))["traceEvents"])
print(json.dumps(told, default=str))
