"""Executions that save memory, in one framework: `drive_saving.py FRAMEWORK EXECUTION CASES ANSWERS`.

A case is trained as in drive.py, and in PyTorch in float64 too, with the gradients of its last step. PyTorch tells in
counted.npz, for every network of COUNTED and LOW, the bytes that autograd keeps and the most that training steps add to
the resident memory, operator by operator as on a device, and of GraphCast in tiles too. The growth of the last of those
tells little: what was freed before may be used again.
"""

import gc
import importlib
import json
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
from domains import make_domain
from drive import DEVICES, domain_of, train
from saving_cases import COUNTED, LOW, SIZES, TILE_BYTES, TILES, fields

from harness.errors import UserError
from harness.frameworks import open_framework
from harness.models import architecture
from harness.models.parameters import draw
from harness.scenario.execution import EAGER, GRAPH, Execution, Recompute
from harness.scenario.schema import OptimiserConfig
from harness.worker.process_memory import forget_peak, peak_bytes


def trained(framework, case, arrays):
    package = importlib.import_module(case["architecture"])
    framework.build(package, package.Network(**case["network"]), domain_of(case, arrays))
    framework.load({name.removeprefix("weights/"): arrays[name] for name in arrays if name.startswith("weights/")})
    losses = [loss for stage in case["stages"] for loss in train(framework, stage, arrays)]
    framework.synchronise()
    return {"losses": np.array(losses), **{f"trained/{k}": v.copy() for k, v in framework.weights().items()}}


def in_double(execution, case, arrays):
    """Offloading is refused on a CPU, where it changes as little as on a device."""
    import torch

    from harness.frameworks.pytorch.trainer import PyTorch

    framework = PyTorch("cpu", None, execution, torch.float64)
    found = trained(framework, case, arrays)
    slopes = {f"gradients/{name}": p.grad.numpy().copy() for name, p in framework.module.named_parameters()}
    return {f"double/{name}": values for name, values in {**found, **slopes}.items()}


def refusal(execution):
    try:
        open_framework("pytorch", "cpu", execution)
    except UserError as error:
        return str(error)
    return ""


def counted(name, execution):
    """What autograd keeps of a forward pass beside inputs and weights, and the growth of the peak in two steps."""
    import torch

    grid, channels, samples, network = SIZES[name]
    package, domain = architecture(name), make_domain(grid, channels)
    network = package.Network(**network)
    framework = open_framework("pytorch", "cpu", Execution.model_validate(execution))
    framework.build(package, network, domain)
    framework.load(draw(package.parameters(network, domain), 0))
    x, targets = map(framework.put, fields(domain.inputs(package.input_spec(network)), channels, samples, grid))
    module, sizes = framework.module, {}
    given = {v.untyped_storage().data_ptr() for v in (*module.parameters(), *module.buffers(), x, targets)}
    given.add(framework._loss_weights.untyped_storage().data_ptr())

    def keep(values):
        storage = values.untyped_storage()
        if storage.data_ptr() not in given:
            sizes[storage.data_ptr()] = storage.nbytes()
        return values

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values):
        loss = framework._one_ahead(x, targets[0], ())
    kept = sum(sizes.values())
    del loss
    framework.start_stage(OptimiserConfig(), np.full(2, 1e-3), 1)
    gc.collect()
    forget_peak()
    before = peak_bytes()
    for _ in range(2):
        framework.train_step(x, targets)
    return np.array([kept, peak_bytes() - before])


def main(name, execution, cases, answers):
    base = GRAPH if execution == "compiled" else EAGER
    if name == "pytorch":
        with patch("harness.models.tiling.TILE_BYTES", TILE_BYTES):
            found = {"graphcast-tiles": counted(*TILES["graphcast-tiles"])}
        with patch("harness.models.tiling.pytorch.TILED", frozenset()):
            found |= {key: counted(*value) for key, value in {**COUNTED, **LOW}.items()}
        with patch("harness.models.tiling.TILE_BYTES", TILE_BYTES):
            found |= {key: counted(*value) for key, value in TILES.items() if key not in found}
        np.savez(Path(answers) / "counted.npz", **found)
    else:
        np.savez(Path(answers) / "counted.npz")
    for path in sorted(Path(cases).glob("*.json")):
        case = json.loads(path.read_text())
        if execution == "compiled" and not case["compiled"]:
            continue
        how = Execution.model_validate({**base.model_dump(), **case["execution"]})
        with np.load(path.with_suffix(".npz")) as stored:
            arrays = dict(stored)
        found = trained(open_framework(name, DEVICES[name], how), case, arrays)
        if name == "pytorch":
            found |= in_double(how, case, arrays)
        if name == "pytorch" and path.stem == "aigoms-plain":
            offloaded = Execution(recompute=Recompute(unit="offload"))
            found |= {f"offloaded/{key}": values for key, values in in_double(offloaded, case, arrays).items()}
            found["refused"] = np.array(refusal(offloaded))
        np.savez(Path(answers) / f"{path.stem}.npz", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
