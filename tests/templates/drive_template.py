"""Predictions of a template's network in one framework, as JSON: python drive_template.py FRAMEWORK FOLDER."""

import importlib
import json
import sys
from types import SimpleNamespace

import numpy as np

from harness.frameworks import open_framework
from harness.models.domain import Domain, plain_channels
from harness.models.parameters import draw

name, folder = sys.argv[1:]
sys.path.insert(0, folder)
package = importlib.import_module("labnet")
channels = plain_channels(("u", "v", "z"))
domain = Domain(
    channels=channels,
    latitude=np.linspace(-75, 75, 4),
    longitude=np.linspace(0, 270, 6),
    mask=np.ones((3, 4, 6), bool),
    residual_scale=np.ones(3, np.float32),
)
network = package.Network(width=5)
framework = open_framework(name, {"pytorch": "cpu", "mindspore": "CPU"}[name])
port = SimpleNamespace(**vars(importlib.import_module(f"labnet.{name}")))
framework.build(package, network, domain, port)
framework.load(draw(package.parameters(network, domain), 7))
x = np.random.default_rng(1).standard_normal((2, 3, 4, 6)).astype(np.float32)
print(json.dumps(framework.get(framework.predict(framework.put(x))).tolist()))
