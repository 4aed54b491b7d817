"""Checkpoints full of what real trainings put in them: `odd_checkpoints.py make FOLDER` or `... read FOLDER`.

make    writes one file a kind; the classes of other libraries are made here under their names
read    in another process, where none of those classes exist, reads each and prints what came of it as JSON
"""

import json
import os
import sys
import types
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
RATE = 0.0005


def module(name, **classes):
    """A module that only this process has."""
    made = types.ModuleType(name)
    for each, cls in classes.items():
        cls.__module__, cls.__qualname__, cls.__name__ = name, each, each
        setattr(made, each, cls)
    sys.modules[name] = made
    return made


class Float(float):
    def __new__(cls, *arguments, **named):
        made = float.__new__(cls, *arguments)
        made.width, made.e_sign = named.get("width"), None
        return made


class Int(int):
    pass


class Text(str):
    __slots__ = ("lc",)


class Ordered(OrderedDict):
    __slots__ = ("ca", "lc")


class Sequence(list):
    __slots__ = ("lc",)


class Settings:
    def __init__(self, **named):
        self.__dict__.update(named)


class Runs:
    def __reduce__(self):
        return os.system, (f"touch {os.environ['CANARY']}",)


class RunsOtherwise:
    def __reduce__(self):
        return eval, ("__import__('pathlib').Path(__import__('os').environ['CANARY']).touch()",)


class RunsBeneath:
    def __reduce__(self):
        import subprocess

        return subprocess.check_call, (["touch", os.environ["CANARY"]],)


def optimiser(torch, kind, **settings):
    parameter = torch.nn.Parameter(torch.from_numpy(WEIGHT.copy()))
    made = kind([parameter], lr=RATE, **settings)
    parameter.grad = torch.ones_like(parameter)
    made.step()
    return made.state_dict()


def bomb():
    """Lists within lists, each twice: written out they are as long as 2 to the power of 64."""
    made = [0.9]
    for _ in range(64):
        made = [made, made]
    return made


def exploding(adam):
    return {**adam["param_groups"][0], "notes": bomb()}


def make(folder):
    import argparse
    import datetime
    import pathlib

    import torch

    yaml = [
        module("ruamel"),
        module("ruamel.yaml"),
        module("ruamel.yaml.scalarfloat", ScalarFloat=Float),
        module("ruamel.yaml.scalarint", ScalarInt=Int),
        module("ruamel.yaml.scalarstring", DoubleQuotedScalarString=Text),
        module("ruamel.yaml.comments", CommentedMap=Ordered, CommentedSeq=Sequence),
        module("omegaconf"),
        module("omegaconf.dictconfig", DictConfig=Settings),
    ]
    assert yaml
    config = Ordered(lr=Float(RATE), depth=Int(2), name=Text("afno"), in_channels=Sequence([0, 1]))
    config.ca = "a comment"
    weight = torch.from_numpy(WEIGHT.copy())
    adam = optimiser(torch, torch.optim.Adam)
    adam["param_groups"][0]["lr"] = Float(RATE)
    fused = optimiser(torch, torch.optim.AdamW)
    fused["param_groups"][0]["step"] = fused["state"][0].pop("step")
    net = torch.nn.Linear(3, 2, bias=False)
    net.weight.data = weight
    averaged = torch.optim.swa_utils.AveragedModel(net)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(torch.optim.SGD([weight.clone().requires_grad_()], 0.1), 9)
    files = {
        "ruamel.tar": {"model_state": {"module.weight": weight}, "optimizer_state_dict": adam, "iters": Int(7)},
        "config.pt": {"model_state": {"weight": weight}, "params": config, "more": Settings(a=1)},
        "numpy.pt": {"state_dict": {"weight": WEIGHT}, "best": np.float64(0.5), "rng": np.arange(3), "n": np.int64(3)},
        "odd.pt": {
            "state_dict": defaultdict(list, weight=weight),
            "args": argparse.Namespace(lr=RATE, out=pathlib.Path("/x"), day=datetime.date(2020, 1, 1)),
            "when": datetime.datetime(2020, 1, 1),
            "where": {pathlib.PurePosixPath("/a"): torch.device("cpu"), "dtype": torch.bfloat16},
            "scheduler": scheduler.state_dict(),
            "random": np.random.default_rng(0).bit_generator.state,
        },
        "averaged.pt": averaged.state_dict(),
        "ema.pt": {"ema": {"module.weight": weight}, "epoch": 3},
        "both.pt": {"model": {"weight": weight}, "model_ema": {"weight": 2 * weight}},
        "adamw.pt": {"model": {"weight": weight}, "optimizer": optimiser(torch, torch.optim.AdamW)},
        "fused.pt": {"model": {"weight": weight}, "optimizer": fused},
        "lightning.ckpt": {"state_dict": {"weight": weight}, "optimizer_states": [adam], "hyper_parameters": config},
        "runs.pt": {"model_state": {"weight": weight}, "extra": Runs()},
        "evaluates.pt": {"model_state": {"weight": weight}, "extra": RunsOtherwise()},
        "calls.pt": {"model_state": {"weight": weight}, "extra": RunsBeneath()},
        "whole-network.pt": net,
        "damaged-about.pt": {"model_state": {"weight": weight}, "crosscast": [1, 2]},
        "damaged-betas.pt": {
            "model_state": {"weight": weight},
            "crosscast": {"about": {"optimiser": {"hyperparameters": {"betas": "x"}}}, "tensors": {}},
        },
        "bomb.pt": {
            "model_state": {"weight": weight},
            "crosscast": {"about": {"optimiser": {"hyperparameters": {"betas": bomb()}}}},
        },
        "settings-bomb.pt": {"model": {"weight": weight}, "optimizer": {**adam, "param_groups": [exploding(adam)]}},
        "escape.pt": {"model_state": {"weight": weight}, "\x1b[31m": 1, 10**200: 2},
        "expanded.pt": {"model_state": {"weight": torch.zeros(1).expand(10**9)}},
        "strange-optimiser.pt": {"model_state": {"weight": weight}, "optimizer": {"param_groups": [3], "state": []}},
    }
    for name, content in files.items():
        torch.save(content, folder / name)
    torch.save(files["ruamel.tar"], folder / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(files["runs.pt"], folder / "legacy-runs.pt", _use_new_zipfile_serialization=False)
    torch.save(files["config.pt"], folder / "protocol4.pt", pickle_protocol=4)
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), folder / "script.pt")


def read(folder):
    from harness.errors import UserError
    from harness.porting.convert import pytorch

    found = {}
    for path in sorted(folder.iterdir()):
        try:
            state = pytorch.read(path)
        except UserError as error:
            found[path.name] = {"refused": str(error).replace(str(folder), "")}
            continue
        found[path.name] = {
            "names": [tensor.name for tensor in state.of("parameter")],
            "values": [np.ascontiguousarray(t.bits()).view("<f4").tolist() for t in state.of("parameter")],
            "settings": (state.about.get("optimiser") or {}).get("hyperparameters"),
            "moments": len(state.of("first_moment")),
            "steps": [int(np.asarray(step.bits())) for step in state.of("step")],
            "left out": list(state.left_out),
            "remarks": list(state.remarks),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    {"make": make, "read": read}[sys.argv[1]](Path(sys.argv[2]))
