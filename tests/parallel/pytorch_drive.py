"""One rank of PyTorch: `pytorch_drive.py FOLDER`. Answers are FOLDER/SIZE-RANK.npz, arrays by names with slashes.

Alone it computes what the ranks are compared with.
"""

import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch.distributed.tensor import DTensor

from harness.errors import UserError
from harness.frameworks.policy import LossScaling
from harness.frameworks.pytorch import loss_scaling
from harness.frameworks.pytorch.ranks import local_device
from harness.frameworks.pytorch.trainer import open_device
from harness.frameworks.ranks import RankNumber
from harness.scenario.execution import Execution
from harness.scenario.schema import OptimiserConfig
from tests.parallel.subjects import (
    FEW,
    KINDS,
    NETWORKS,
    OPTIMISER,
    OVERFLOWS_AT,
    STEPS,
    batch,
    built,
    slopes,
    subject,
    trained,
)
from tests.precision.worlds import dense

SIZE = int(os.environ.get("WORLD_SIZE", "1"))
SAVING = {"recompute": {"unit": "blocks"}, "accumulation": 2}
RANGES = {"recompute": {"unit": "ranges", "ranges": 5}, "accumulation": 2}


def opened(kind="data", dtype=torch.float32, **settings):
    world = {"devices": SIZE, "parallel": kind} if SIZE > 1 else {}
    return open_device("cpu", Execution.model_validate({"world": world, **settings}), dtype=dtype)


def in_double():
    """Gradients with and without hidden tokens, losses and weights of a training, for every model and kind."""
    for kind in KINDS if SIZE > 1 else ("data",):
        for model in NETWORKS:
            found, framework = subject(model), opened(kind, torch.float64)
            built(framework, found)
            for hidden in (False, True):
                yield from prefixed(f"{kind}/{model}/hidden-{hidden}", slopes(framework, found, hidden=hidden))
            whole = kind != "sharded" or model == "fourcastnet"
            yield f"{kind}/{model}/losses", trained(framework, found, STEPS if whole else FEW)
            if SIZE > 1:
                yield f"{kind}/{model}/held", held(framework)
            yield from prefixed(f"{kind}/{model}/weights", framework.weights())
            x = batch(framework, found, 0)[0]
            yield f"{kind}/{model}/predicted", framework.get(framework.predict(x))


def saving():
    """Losses with recomputing and micro-batches."""
    runs = [(kind, model, SAVING) for kind in KINDS for model in NETWORKS if (kind, model) != ("data", "graphcast")]
    for kind, model, how in (*runs, ("data", "graphcast", RANGES), ("sharded", "graphcast", RANGES)):
        found = subject(model)
        framework = built(opened(kind, torch.float64, **how), found)
        yield f"saving/{kind}/{model}/{how['recompute']['unit']}", trained(framework, found, FEW)


def held(framework):
    """Bytes of parameters, gradients and states that this rank holds after a training step."""
    parameters = list(framework.module.parameters())
    optimiser = getattr(framework._optimiser, "optim", framework._optimiser)
    moments = [values for state in optimiser.state.values() for name, values in state.items() if name != "step"]
    return np.array([sum(map(own_bytes, part)) for part in (parameters, [p.grad for p in parameters], moments)])


def own_bytes(tensor):
    local = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return local.numel() * local.element_size()


def collectives(framework, found):
    """How often the ranks exchange something in a training step of one forecast step."""
    x, targets, _, extras = batch(framework, found, 0)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        framework.train_step(x, targets, None, extras)
    return sum(event.count for event in profile.key_averages() if event.key.startswith("gloo:"))


def exchanges():
    """Collectives of a step, with more micro-batches, and without exchange; the gradients after that."""
    found = subject("fourcastnet")
    for kind in KINDS:
        for parts in (1, 2):
            framework = built(opened(kind, torch.float64, accumulation=parts), found)
            framework.start_stage(OPTIMISER.model_copy(update={"clip_norm": None}), np.full(8, 1e-3), 1)
            framework.train_step(*batch(framework, found, 0))
            yield f"exchanges/{kind}/{parts}", np.array(collectives(framework, found))
        with framework.without_exchange():
            yield f"exchanges/{kind}/without", np.array(collectives(framework, found))
        framework.load(found.weights)
        yield from prefixed(f"again/{kind}", slopes(framework, found, hidden=False))


def low():
    """A product of layers of which one stays float32; a training in float16 in which one rank alone overflows."""
    loss_scaling.LOSS_SCALING = LossScaling(initial=1024.0, interval=100)
    found, weights = dense()
    for kind in KINDS if SIZE > 1 else ("data",):
        for autocast in ("bf16", "fp16"):
            framework = opened(kind, precision={"autocast": autocast})
            framework.build(found.architecture, found.network, found.domain)
            framework.load(weights)
            yield f"low/{kind}/{autocast}/predicted", framework.get(framework.predict(framework.put(found.inputs[0])))
        framework.start_stage(OptimiserConfig(clip_norm=0.5, epsilon=0.1), np.full(5, 0.02), 1)
        told = [low_step(framework, found, step) for step in range(5)]
        yield f"low/{kind}/scale", np.array([each[0] for each in told])
        yield f"low/{kind}/skipped", np.array([each[1] for each in told])
        yield from prefixed(f"low/{kind}/weights", framework.weights())


def low_step(framework, found, step):
    """A batch of both ranks in halves, beyond float16 in the last of four samples at one of the steps."""
    rank = framework.ranks.rank
    x, targets = np.concatenate(found.inputs[2 * step :][:2]), np.concatenate(found.targets[2 * step :, 0][:2])
    if step == OVERFLOWS_AT:
        x[-1] *= np.float32(1e5)
    own = slice(rank.number * 4 // rank.size, (rank.number + 1) * 4 // rank.size)
    framework.train_step(framework.put(x[own]), framework.put(targets[None, own].copy()))
    return framework.loss_scale, framework.skipped_steps


def talk(framework):
    """What ranks tell each other."""
    rank = framework.ranks.rank
    own = np.array([[1.0, 1e-9], [rank.number, np.inf]])
    yield "ranks/rank", np.array(rank)
    yield "ranks/sum", framework.ranks.sum(own)
    yield "ranks/own", own
    yield "ranks/texts", np.array(framework.ranks.texts(f"rank {rank.number}: " + "é" * rank.number))
    yield "ranks/too-few", np.array(refusal(SIZE + 1))
    yield "ranks/no-torchrun", np.array(refusal(SIZE, MASTER_ADDR="", RANK=""))
    yield "ranks/no-number", np.array(refusal(SIZE, LOCAL_RANK="first"))
    yield "ranks/devices", np.array([own_device(seen, local) for seen, local in ((1, 3), (4, 3), (2, 3))])


def refusal(devices, **environment):
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        open_device("cpu", Execution.model_validate({"world": {"devices": devices}}))
    except UserError as error:
        return str(error)
    finally:
        os.environ.update(before)
    return ""


def own_device(seen, local):
    """The device of a rank by its number on the node, where PyTorch sees so many; this machine has none."""
    chosen = []
    backend = SimpleNamespace(device_count=lambda: seen, set_device=chosen.append)
    try:
        return f"{local_device('cuda', backend, RankNumber(local, 8, local))} {chosen}"
    except UserError as error:
        return str(error)


def prefixed(prefix, arrays):
    for name, values in arrays.items():
        yield f"{prefix}/{name}", np.array(values)


def main(folder):
    warnings.simplefilter("ignore")
    parts = [in_double(), low()]
    if SIZE > 1:
        framework = opened()
        parts += [saving(), exchanges(), talk(framework)]
    found = {name: values for part in parts for name, values in part}
    np.savez(Path(folder) / f"{SIZE}-{os.environ.get('RANK', '0')}.npz", **found)
    if SIZE > 1:
        framework.ranks.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
