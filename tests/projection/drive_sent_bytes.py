"""One of two ranks of PyTorch: `drive_sent_bytes.py FOLDER` writes what its training steps send to FOLDER/RANK.json.

Bytes are those that the kernel saw acknowledged on the sockets of this process, so that nothing is believed of what
collectives are called or how they work.
"""

import json
import os
import socket
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from harness.frameworks.pytorch.trainer import open_device
from harness.models.parameters import draw
from harness.scenario.execution import Execution
from tests.projection.cases import CASES, training
from tests.projection.sent_bytes import KINDS, STEPS, WARM, WAYS, name_of, predicted_by

BYTES_ACKED = 120
"""Place of tcpi_bytes_acked in the kernel's struct tcp_info."""


def acknowledged():
    """Bytes that the other ends of all TCP connections of this process have received from it."""
    total = 0
    for path in list(Path("/proc/self/fd").iterdir()):
        try:
            if not str(path.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(path.name))) as end:
                info = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        except OSError:
            continue
        total += struct.unpack_from("<Q", info, BYTES_ACKED)[0]
    return total


def steps(kind, rollout_steps, micro_batches):
    """Bytes that a training step of this rank sends, after those that set up buckets, and a prediction."""
    package, network, domain = CASES["fourcastnet"]
    world = {"devices": 2, "parallel": kind}
    framework = open_device("cpu", Execution.model_validate({"world": world, "accumulation": micro_batches}))
    framework.build(package, network, domain)
    framework.load(draw(package.parameters(network, domain), 0))
    config = training(rollout_steps)
    framework.start_stage(config.optimiser, np.full(WARM + STEPS, 1e-3), rollout_steps)
    layout = domain.layout(package.input_spec(network))
    x = torch.randn(2, layout.inputs, *domain.grid)
    targets = torch.randn(rollout_steps, 2, domain.outputs, *domain.grid)
    for number in range(WARM + STEPS):
        if number == WARM:
            dist.barrier()
            before = acknowledged()
        framework.train_step(x, targets, None, ())
    dist.barrier()
    trained = acknowledged()
    for _ in range(STEPS):
        framework.predict(x)
    dist.barrier()
    return (trained - before) / STEPS, (acknowledged() - trained) / STEPS


def main(folder):
    found = {}
    for kind in KINDS:
        for way in WAYS:
            found[name_of(kind, way)], found[predicted_by(kind)] = steps(kind, *way)
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
