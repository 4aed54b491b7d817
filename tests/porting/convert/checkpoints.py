"""Checkpoints as the frameworks themselves write and read them: `checkpoints.py FRAMEWORK ACTION FOLDER`.

make    trains FourCastNet for three steps and leaves its checkpoint, weights.npz and prediction.npy
load    loads converted.pt or converted.ckpt as the framework does; leaves loaded.npz, loaded.npy and, where there is
        an optimiser, next.npy, a weight after one more step

Prints {}, as an answer to tests/serving.py.
"""

import sys
from pathlib import Path

import numpy as np
from small import small_scenario

from harness.scenario.execution import EAGER
from harness.worker.subject import prepare

RATE, BETAS = 1e-3, (0.9, 0.99)


def main(framework, action, folder):
    """Run one action of one framework."""
    subject = prepare(small_scenario("fourcastnet"))
    batch = next(subject.windows.batches("train", 2, epoch_seed=1))
    target = np.ascontiguousarray(batch.targets[0])
    {"pytorch": pytorch, "mindspore": mindspore}[framework](action, Path(folder), subject, batch.inputs, target)


def pytorch(action, folder, subject, x, target):
    import torch

    from harness.models.fourcastnet.pytorch import build, loss

    module = build(subject.network, subject.domain, EAGER)
    for name, values in subject.initial_weights(3).items():
        module.get_parameter(name).data = torch.from_numpy(values)
    optimiser = torch.optim.Adam(module.parameters(), lr=RATE, betas=BETAS)
    x, target = torch.from_numpy(x), torch.from_numpy(target)

    def step():
        optimiser.zero_grad()
        loss(module(x), target, torch.ones(target.shape[1:])).backward()
        optimiser.step()

    if action == "make":
        for _ in range(3):
            step()
        state = {f"module.{name}": values for name, values in module.state_dict().items()}
        whole = {"model_state": state, "optimizer_state_dict": optimiser.state_dict(), "epoch": 3}
        torch.save(whole, folder / "source.tar")
    else:
        stored = torch.load(folder / "converted.pt", weights_only=True)
        module.load_state_dict(stored.get("model_state", stored))
        if "optimizer_state_dict" in stored:
            optimiser.load_state_dict(stored["optimizer_state_dict"])
    leave(
        folder, action, {name: p.detach().numpy() for name, p in module.named_parameters()}, module(x).detach().numpy()
    )
    if action == "load" and "optimizer_state_dict" in stored:
        step()
        np.save(folder / "next.npy", module.head.weight.detach().numpy())


def mindspore(action, folder, subject, x, target):
    import mindspore as ms

    from harness.models.fourcastnet.mindspore import build, loss

    network = build(subject.network, subject.domain, EAGER)
    parameters = {parameter.name: parameter for parameter in network.trainable_params()}
    for name, values in subject.initial_weights(3).items():
        parameters[name].set_data(ms.Tensor(values))
    optimiser = ms.nn.Adam(list(parameters.values()), learning_rate=RATE, beta1=BETAS[0], beta2=BETAS[1])
    x, target, ones = ms.Tensor(x), ms.Tensor(target), ms.Tensor(np.ones(target.shape[1:], np.float32))
    slopes = ms.value_and_grad(lambda values: loss(network(values), target, ones), None, optimiser.parameters)

    if action == "make":
        for _ in range(3):
            optimiser(slopes(x)[1])
        ms.save_checkpoint(optimiser, str(folder / "source.ckpt"))
    else:
        stored = ms.load_checkpoint(str(folder / "converted.ckpt"))
        missing, _ = ms.load_param_into_net(optimiser, stored)
        assert set(missing) <= {"learning_rate"}, missing
    leave(folder, action, {name: p.asnumpy() for name, p in parameters.items()}, network(x).asnumpy())
    if action == "load":
        optimiser(slopes(x)[1])
        np.save(folder / "next.npy", parameters["head.weight"].asnumpy())


def leave(folder, action, weights, prediction):
    stem = "weights" if action == "make" else "loaded"
    np.savez(folder / f"{stem}.npz", **weights)
    np.save(folder / f"{'prediction' if action == 'make' else 'loaded'}.npy", prediction)


if __name__ == "__main__":
    main(*sys.argv[1:])
    print("{}")
