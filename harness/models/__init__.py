"""The networks, found by entry point in the group crosscast.models.

An entry point names a package that offers, without any framework:

    Network                         pydantic hyperparameters
    check_grid(network, grid)       UserError where the grid does not fit
    input_spec(network)             InputSpec: what goes in beside the newest state
    parameters(network, domain)     list of Parameter
    describe(network, domain)       what makes two networks the same one; its `parameters` is their count, its `loss` a
                                    definition in words
    loss_weights(network, domain)   float32 (C, H, W), factors of the error in the loss
    training_extras(network, domain, batch_size, epoch, random)
                                    arrays that the network takes beside x in a training step; epochs count from 1

and may offer

    sizes(shapes)                   what the shapes of its parameters, by name, say of it in words: {"patch size": 4};
                                    what they do not tell is left out

and has modules `pytorch` and `mindspore`, imported only in a child process, each with `build(network, domain)` and
`loss(prediction, target, weights)`, prediction and target (B, C, H, W), target 0 at masked points. The network maps
x (B, inputs, H, W), its channels as `Domain` orders them, to the state (B, C, H, W) one step later.
"""

from importlib.metadata import entry_points
from types import ModuleType

from harness.errors import UserError, nearest

GROUP = "crosscast.models"


def architecture(name: str) -> ModuleType:
    """The package of an architecture.

    Raises UserError if no entry point has that name.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise UserError(f"no architecture {name!r} is registered under {GROUP}; {nearest(name, found)}")
    module: ModuleType = found[name].load()
    return module
