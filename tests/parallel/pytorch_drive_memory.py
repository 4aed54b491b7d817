"""One rank's resident memory in training steps of a large network on a small grid: `pytorch_drive_memory.py FOLDER`.

FOLDER/memory-RANK.npz holds by kind the bytes that two steps add to the peak.
"""

import gc
import os
import sys
import warnings
from pathlib import Path

import numpy as np

from harness.frameworks import open_framework
from harness.models.parameters import draw
from harness.scenario.schema import OptimiserConfig
from harness.worker.process_memory import forget_peak, peak_bytes
from tests.parallel.large import KINDS, execution, large


def growth(kind):
    """Bytes that are added to the peak by steps, once the network has its weights and its batch.

    Modules whose weights are divided are circles of references, and those of the kind before would go meanwhile.
    """
    package, network, domain = large()
    framework = open_framework("pytorch", "cpu", execution(kind))
    framework.build(package, network, domain)
    framework.load(draw(package.parameters(network, domain), 0))
    random = np.random.default_rng(framework.ranks.rank.number)
    inputs = domain.inputs(package.input_spec(network))
    x = framework.put(random.standard_normal((1, inputs, *domain.grid)).astype(np.float32))
    targets = framework.put(random.standard_normal((1, 1, domain.outputs, *domain.grid)).astype(np.float32))
    framework.start_stage(OptimiserConfig(), np.full(2, 1e-4), 1)
    gc.collect()
    assert forget_peak(), "the kernel does not let the peak begin anew"
    before = peak_bytes()
    for _ in range(2):
        framework.train_step(x, targets)
    return peak_bytes() - before, framework


def main(folder):
    warnings.simplefilter("ignore")
    found = {}
    for kind in KINDS:
        added, framework = growth(kind)
        found[kind] = np.array(added)
    np.savez(Path(folder) / f"memory-{os.environ['RANK']}.npz", **found)
    framework.ranks.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
