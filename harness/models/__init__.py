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
                                    arrays (B, ...) that the network takes beside x in a training step; epochs count
                                    from 1

and may offer

    OPERATORS                       names of harness.models.operators.choices that its network uses; default: none
    RANGES                          True where `recompute: {unit: ranges}` works through ranges of grid points
    operations(network, domain, samples, execution, epoch, later), loss_operations(network, domain, samples)
                                    what its operators compute and move, for projections: see harness.models.operations
    activations(network, domain, samples, execution)
                                    what a backward pass keeps: see harness.models.activations; where
                                    OPERATORS names messages, tiled=True asks what it keeps of rows in tiles
    forward_flops(network, domain, training)
                                    the least operations of one sample and step, where these are not those of its
                                    `operations`: see harness.models.work
    sizes(shapes)                   what the shapes of its parameters, by name, say of it in words: {"patch size": 4};
                                    what they do not tell is left out
    computed(network, grid)         arrays by name that published files keep beside their parameters and ours computes

and has modules `pytorch` and `mindspore`, imported only in a child process, each with

    build(network, domain, execution)
                                    the network; of the execution it reads what only a network can do itself: which
                                    operators serve it, and ranges
    loss(prediction, target, weights)
                                    a mean over the batch; prediction and target (B, C, H, W), target 0 at masked points

and, so that a step can take less memory,

    loss_size(target)               over how many terms the loss of a target is a mean, where that does not follow from
                                    the number of samples: micro-batches are weighed by it
    blocks(network)                 its parts that a backward pass can compute anew from their inputs

The network maps x (B, inputs, H, W), its channels as `Domain` orders them, to the state (B, C, H, W) one step later.
"""

from harness.architectures import GROUP, architecture

__all__ = ["GROUP", "architecture"]
