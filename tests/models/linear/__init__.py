"""The smallest network: prediction = weight * x by channel, loss = sum(prediction - target), so that gradient = x."""

from harness.scenario.schema import Frozen


class Network(Frozen):
    """No hyperparameters."""
