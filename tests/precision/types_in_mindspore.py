"""Which Cells of MindSpore meet a lower type in a forward pass, op by op, and which types a training keeps."""

import numpy as np
from mindspore import Tensor

from harness.scenario.schema import OptimiserConfig
from tests.precision.worlds import NETWORKS, world


def found(framework, execution):
    answers = {}
    for model in NETWORKS if execution == "eager" else ():
        subject = world(model)
        framework.build(subject.architecture, subject.network, subject.domain)
        framework.load(subject.weights(0))
        met, seen = set(), set()

        def watch(cell, arguments, output, met=met, seen=seen):
            seen.add(type(cell).__name__)
            values = [*arguments, *(output if isinstance(output, tuple) else (output,))]
            if any(isinstance(value, Tensor) and str(value.dtype) in ("Float16", "BFloat16") for value in values):
                met.add(type(cell).__name__)

        for _, cell in framework.network.cells_and_names():
            cell.register_forward_hook(watch)
        framework.predict(framework.put(subject.inputs[0])).asnumpy()
        framework.start_stage(OptimiserConfig(), np.full(1, 1e-3), 1)
        step = framework._train_step
        kept = [*step.parameters, *step.update.first_moments, *step.update.second_moments]
        answers[f"met/{model}"] = np.array(sorted(met), dtype=str)
        answers[f"seen/{model}"] = np.array(sorted(seen))
        answers[f"types/{model}"] = np.array(sorted({str(each.dtype) for each in kept}))
    return answers
