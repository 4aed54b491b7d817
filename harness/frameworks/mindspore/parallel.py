"""Ranks that train one network with MindSpore: they join as msrun says and average their gradients within the step.

On a CPU (mccl) AllReduce adds up float32 and float16 alone; AllGather carries int32 exactly, as which all else is sent.
ReduceScatter, Send, Receive and Barrier do not work there, so that nothing here needs them.
"""

import os
from collections.abc import Sequence
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.communication import get_group_size, get_rank, init
from numpy.typing import NDArray

from harness.errors import UserError, one_line
from harness.frameworks.mindspore.dealing import buckets
from harness.frameworks.ranks import RankNumber
from harness.models.activations import FLOAT32_BYTES
from harness.scenario.execution import World

PATIENCE = {"MS_CPU_COMM_OP_TIMEOUT": "3600"}
"""Seconds that a rank on a CPU waits for a message of another, which may compile a graph meanwhile.

A rank that has died is noticed otherwise: msrun ends all where one ends with an error.
"""

VISIBLE_DEVICES = "ASCEND_RT_VISIBLE_DEVICES"


def device_index(device: str) -> int | None:
    """Which of the devices that it sees is a rank's own: the only one, or that of its local rank; None on a CPU."""
    if device == "CPU":
        return None
    seen = os.environ.get(VISIBLE_DEVICES, "")
    return 0 if seen and "," not in seen else int(os.environ.get("DEVICE_ID", "0"))


def join(device: str, world: World) -> "MindSporeRanks":
    """Find the other ranks of the launch, as the variables of msrun say; the device is set before.

    Returns when all are there. Raises UserError where msrun did not start this process, where they are not found, and
    where there are more or fewer than the execution says.
    """
    if "MS_ROLE" not in os.environ:
        raise UserError(
            f"world.devices: {world.devices}: this process was not started as one of several ranks; start them by msrun"
        )
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    try:
        init("mccl" if device == "CPU" else "hccl")
        rank = RankNumber(get_rank(), get_group_size(), int(os.environ.get("DEVICE_ID", "0")))
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MS_SCHED_HOST')}:{os.environ.get('MS_SCHED_PORT')}"
        raise UserError(f"the ranks did not find each other at {where}: {one_line(error)}") from error
    if rank.size != world.devices:
        raise UserError(
            f"world.devices: {world.devices}, but {rank.size} ranks were started; start one for each device"
        )
    return MindSporeRanks(rank)


class MindSporeRanks:
    """What the ranks tell each other beside gradients, by AllGather of int32."""

    def __init__(self, rank: RankNumber) -> None:
        self.rank = rank

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over all ranks in float64, added in the order of their numbers."""
        own = np.array(values, np.float64, order="C")
        if not own.size:
            return own
        of_all = self._gathered(own.reshape(-1).view(np.int32)).view(np.float64)
        total: NDArray[np.float64] = np.add.reduce(of_all, axis=0).reshape(own.shape)
        return total

    def texts(self, text: str) -> tuple[str, ...]:
        """One text of each rank, in the order of their numbers."""
        own = text.encode("utf-8", "surrogatepass")
        sizes = self._gathered(np.array([len(own)], np.int32))[:, 0]
        padded = own.ljust((int(sizes.max()) // FLOAT32_BYTES + 1) * FLOAT32_BYTES, b"\0")
        of_all = self._gathered(np.frombuffer(padded, np.int32))
        return tuple(
            row.tobytes()[:size].decode("utf-8", "surrogatepass") for row, size in zip(of_all, sizes, strict=True)
        )

    def leave(self) -> None:
        """Wait until all ranks have come here: one that leaves earlier makes the work of others fail."""
        ms.runtime.synchronize()
        ops.AllReduce()(Tensor(np.ones(1, np.float32))).asnumpy()

    def _gathered(self, own: NDArray[np.int32]) -> NDArray[np.int32]:
        """(ranks, n) from (n,) of each, after all that was asked for before."""
        ms.runtime.synchronize()
        of_all: NDArray[np.int32] = ops.AllGather()(Tensor(own)).asnumpy()
        return of_all.reshape(self.rank.size, -1)


flattened, shaped = (ops.MultitypeFuncGraph(name) for name in ("flattened", "shaped"))


@flattened.register("Tensor")
def _flattened(values: Tensor) -> Tensor:
    return values.reshape(-1)


@shaped.register("Tensor", "Tensor")
def _shaped(flat: Tensor, like: Tensor) -> Tensor:
    return flat.reshape(like.shape)


class Averaged(nn.Cell):
    """Gradients averaged over all ranks, in buckets from the last parameter to the first, as a backward pass ends.

    Each waits for the one before: a graph on a CPU runs what does not depend on each other in any order, and ranks that
    send in different orders add up what does not belong together. The sum of a bucket is divided once by the number of
    ranks. A gradient that is not finite on any rank is not finite on all of them.
    """

    def __init__(self, sizes: Sequence[int], ranks: int) -> None:
        super().__init__(auto_prefix=False)
        self.sum, self.share = ops.AllReduce(), 1 / ranks
        self.buckets = tuple((first, last, tuple(sizes[first:last])) for first, last in buckets(sizes))
        self.map, self.after = ops.HyperMap(), ops.Depend()

    def construct(self, loss: Tensor, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Gradients of any shapes; all that the loss has exchanged comes before them."""
        found: tuple[Tensor, ...] = ()
        before = loss
        for first, last, sizes in self.buckets:
            own = gradients[first:last]
            mean = self.sum(self.after(ops.cat(self.map(flattened, own)), before)) * self.share
            before = mean
            found = self.map(shaped, ops.split(mean, sizes), own) + found
        return found


class AveragedGradients(nn.Cell):
    """A loss and its gradients, averaged over all ranks, from a function of both."""

    def __init__(self, value_and_grad: Any, averaged: Averaged) -> None:
        super().__init__(auto_prefix=False)
        self.value_and_grad, self.averaged = value_and_grad, averaged

    def construct(self, *inputs: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What the function takes."""
        loss, gradients = self.value_and_grad(*inputs)
        return loss, self.averaged(loss, gradients)


class MeanTerms(nn.Cell):
    """The numbers of terms of each loss, averaged over all ranks.

    Where a loss is a mean over terms that a target decides, a rank with more of them has a larger share. With shares in
    the mean, the mean over all ranks of their losses, or gradients, is that of the batch of all.
    """

    def __init__(self, ranks: int) -> None:
        super().__init__(auto_prefix=False)
        self.sum, self.share = ops.AllReduce(), 1 / ranks

    def construct(self, own: Tensor) -> Tensor:
        """(steps,) to (steps,), no less than they are where the ranks have one term together."""
        return ops.maximum(self.sum(own), Tensor(1.0, ms.float32)) * self.share
