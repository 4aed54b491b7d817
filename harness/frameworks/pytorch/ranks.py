"""Ranks that torchrun starts, in a process group of torch.distributed.

What they tell each other goes by gloo through the memory of the host, gradients by the library of the device.
"""

import os
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from harness.errors import UserError
from harness.frameworks.ranks import RankNumber
from harness.scenario.execution import World

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl", "npu": "cpu:gloo,npu:hccl"}
"""By device. RCCL of a DCU calls itself nccl."""

NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")
SET_BY_TORCHRUN = (*NUMBERS, "MASTER_ADDR")


class TorchRanks:
    """The ranks of the default process group."""

    def __init__(self, rank: RankNumber) -> None:
        self._rank = rank

    @property
    def rank(self) -> RankNumber:
        """Which of them this process is."""
        return self._rank

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over all ranks, element by element; the same on each of them, in the shape of `values`."""
        total = torch.from_numpy(np.array(values, np.float64))
        dist.all_reduce(total)
        found: NDArray[np.float64] = total.numpy()
        return found

    def texts(self, text: str) -> tuple[str, ...]:
        """One text of each rank, in the order of their numbers."""
        found = [""] * self._rank.size
        dist.all_gather_object(found, text)
        return tuple(found)

    def leave(self) -> None:
        """Wait until all ranks have come here, then end the process group."""
        self.sum(np.zeros(1))
        dist.destroy_process_group()


def rank_of_environment(world: World) -> RankNumber:
    """What torchrun says of this process.

    Raises UserError where it has not started it, or not as many as the execution names.
    """
    if missing := [name for name in SET_BY_TORCHRUN if not os.environ.get(name)]:
        raise UserError(
            f"world.devices {world.devices}: {', '.join(missing)} not set: start one process a device with torchrun"
        )
    if wrong := [f"{name}={os.environ[name]}" for name in NUMBERS if not os.environ[name].isdecimal()]:
        raise UserError(f"world.devices {world.devices}: no number: {', '.join(wrong)}: start the ranks with torchrun")
    rank = RankNumber(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_RANK"]))
    if rank.size != world.devices:
        raise UserError(f"world.devices {world.devices}, but torchrun started {rank.size}: make them the same")
    return rank


def local_device(device: str, backend: Any, rank: RankNumber) -> str:
    """The device of a rank: the only one that it sees, or that of its number on the node.

    Raises UserError where it sees several, but not that one.
    """
    if backend is None:
        return device
    seen = backend.device_count()
    if seen > 1 and rank.local >= seen:
        raise UserError(f"rank {rank.number} is number {rank.local} on its node, where PyTorch sees {seen} {device}")
    index = rank.local if seen > 1 else 0
    backend.set_device(index)
    return f"{device}:{index}"


def join(device: str, rank: RankNumber) -> TorchRanks:
    """Meet the other ranks, once in a process; `device` is a name of PyTorch's: cpu, cuda or npu."""
    if not dist.is_initialized():
        dist.init_process_group(BACKENDS[device], rank=rank.number, world_size=rank.size)
    return TorchRanks(rank)
