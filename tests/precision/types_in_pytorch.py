"""Which functions of PyTorch meet a lower type in a training step, and which parameters are cast to it."""

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness.scenario.schema import OptimiserConfig
from tests.precision.worlds import NETWORKS, world

LOW = (torch.bfloat16, torch.float16)


class Watch(TorchDispatchMode):
    def __init__(self, module):
        super().__init__()
        self.owners = {p.untyped_storage().data_ptr(): name for name, p in module.named_parameters()}
        self.met, self.cast = set(), set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        tensors = [v for v in (*args, found) if isinstance(v, torch.Tensor)]
        if any(each.dtype in LOW for each in tensors):
            self.met.add(func.overloadpacket.__name__)
        if func is torch.ops.aten._to_copy.default and found.dtype in LOW:
            self.cast.add(self.owners.get(args[0].untyped_storage().data_ptr(), "fields"))
        return found


def found(framework, execution):
    answers = {}
    for model in NETWORKS:
        subject = world(model)
        framework.build(subject.architecture, subject.network, subject.domain)
        framework.load(subject.weights(0))
        framework.start_stage(OptimiserConfig(), np.full(1, 1e-3), 1)
        with Watch(framework.module) as watch:
            framework.train_step(framework.put(subject.inputs[0]), framework.put(subject.targets[0]))
        states = framework._optimiser.state.values()
        kept = [*framework.module.parameters(), *(p.grad for p in framework.module.parameters())]
        kept += [value for state in states for value in state.values()]
        answers[f"met/{model}"] = np.array(sorted(watch.met))
        answers[f"cast/{model}"] = np.array(sorted(watch.cast))
        answers[f"types/{model}"] = np.array(sorted({str(each.dtype) for each in kept}))
    return answers
