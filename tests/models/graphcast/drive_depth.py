"""`drive_depth.py FRAMEWORK`: the losses of three training steps with the 16 message steps of the published network."""

import json
import sys

import numpy as np
from domains import make_domain

from harness.frameworks import open_framework
from harness.models import graphcast
from harness.models.parameters import draw
from harness.scenario.execution import EAGER, GRAPH
from harness.scenario.schema import OptimiserConfig

NETWORK = graphcast.Network(mesh_refinement=1, latent_size=16, message_steps=16)
DEVICES = {"pytorch": "cpu", "mindspore": "CPU"}


def main(name):
    domain = make_domain((8, 16), 2)
    framework = open_framework(name, DEVICES[name], GRAPH if name == "mindspore" else EAGER)
    framework.build(graphcast, NETWORK, domain)
    framework.load(draw(graphcast.parameters(NETWORK, domain), 1))
    optimiser = OptimiserConfig(name="adamw", weight_decay=0.1, clip_norm=0.5)
    framework.start_stage(optimiser, np.full(3, 1e-4), 1)
    random = np.random.default_rng(0)
    x = random.standard_normal((2, domain.inputs(graphcast.input_spec(NETWORK)), 8, 16)).astype(np.float32)
    target = random.standard_normal((1, 2, 2, 8, 16)).astype(np.float32)
    steps = [framework.train_step(framework.put(x), framework.put(target)) for _ in range(3)]
    print(json.dumps([float(framework.get(loss)) for loss in steps]))


main(sys.argv[1])
