"""What PyTorch's second device of a stage does, as JSON: `python drive_device.py DEVICE`, on the stage."""

import gzip
import json
import sys
import tempfile
from pathlib import Path

import torch
from torch.nn import functional as F

from harness.frameworks.pytorch.profiling import TorchProfiler
from harness.frameworks.pytorch.trainer import open_device

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
