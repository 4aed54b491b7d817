"""Where `put` leaves an array, and a build its tensors: `drive_put.py FRAMEWORK` prints it as JSON, in a process.

There need be no accelerator. PyTorch is asked where `get_default_device` says what it did in `with` blocks before 2.8.
"""

import json
import sys

import numpy as np

ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)


def pytorch():
    import torch

    from harness.frameworks.pytorch.trainer import PyTorch
    from harness.models.operators.pytorch import device_of_build
    from harness.scenario.execution import EAGER

    torch.get_default_device = lambda: torch.device("cpu")
    with torch.device("meta"):
        built_for = device_of_build()
    put = {device: PyTorch(device, None, EAGER, torch.float32).put(ARRAY) for device in ("cpu", "meta")}
    return {"cpu": put["cpu"].tolist(), "elsewhere": str(put["meta"].device), "built for": built_for}


def typed_alone(tensor, dtype):
    """What MindSpore 2.7 says to a device."""
    raise TypeError(f"_to(): argument 'dtype' (position 1) must be mstype, not {type(dtype).__name__}.")


def mindspore():
    from harness.frameworks.mindspore import trainer
    from harness.frameworks.ranks import Alone
    from harness.scenario.execution import GRAPH

    class Recorded(trainer.Tensor):
        def to(self, device):
            return f"copied to {device}"

    found = {"cpu": trainer.open_device("CPU", GRAPH).put(ARRAY).asnumpy().tolist()}
    try:
        trainer.MindSpore("Ascend", GRAPH, (), Alone()).put(ARRAY)
    except RuntimeError as error:
        found["error"] = str(error)
    trainer.Tensor = Recorded
    found["elsewhere"] = trainer.MindSpore("Ascend", GRAPH, (), Alone()).put(ARRAY)
    trainer.Tensor = type("OfVersion27", (trainer.Tensor,), {"to": typed_alone, "move_to": Recorded.to})
    found["by move_to"] = trainer.MindSpore("Ascend", GRAPH, (), Alone()).put(ARRAY)
    found["stays"] = not isinstance(trainer.MindSpore("CPU", GRAPH, (), Alone()).put(ARRAY), str)
    return found


if __name__ == "__main__":
    print(json.dumps({"pytorch": pytorch, "mindspore": mindspore}[sys.argv[1]]()))
