"""Dynamic scaling of the loss with the constants of the policy, as part of the one graph of a training step.

A skipped step is no branch: with gradients and rate of 0 and both betas 1 the kernel of the optimiser leaves weights
and moments as they are, to the last bit.
"""

from collections.abc import Iterator
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from numpy.typing import NDArray

from harness.frameworks.policy import LOSS_SCALING
from harness.scenario.schema import OptimiserConfig

finite_part = ops.MultitypeFuncGraph("finite_part")


@finite_part.register("Tensor", "Tensor")
def _finite_part(factor: Tensor, gradient: Tensor) -> Tensor:
    return ops.nan_to_num(gradient, 0.0, 0.0, 0.0) * factor


def corrections(optimiser: OptimiserConfig, updates: int) -> NDArray[np.float64]:
    """(updates, 3): factors of rate, epsilon and decay in update 1, 2 and so on that stand in for a bias correction.

    The kernel has no bias correction and adds epsilon to the uncorrected root. With c = sqrt(1 - beta2^t) the rate is
    multiplied with c / (1 - beta1^t), epsilon with c and decay with (1 - beta1^t) / c. The betas are rounded as the
    kernel rounds them, so that the correction undoes exactly what it does.
    """
    update = np.arange(1, updates + 1)
    first = 1 - float(np.float32(optimiser.beta1)) ** update
    root = np.sqrt(1 - float(np.float32(optimiser.beta2)) ** update)
    return np.stack([root / first, root, first / root], axis=1)


class LossScale(nn.Cell):
    """The scale of the loss, the steps since it changed or one was skipped, and the steps skipped in all stages."""

    def __init__(self) -> None:
        super().__init__(auto_prefix=False)
        self.scale = _state(np.float32(LOSS_SCALING.initial), "loss_scale")
        self.good_steps = _state(np.int32(0), "good_steps")
        self.skipped = _state(np.int32(0), "skipped_steps")
        self.growth, self.backoff, self.interval = LOSS_SCALING.growth, LOSS_SCALING.backoff, LOSS_SCALING.interval

    def construct(self, finite: Tensor) -> Tensor:
        """Move on by a step whose gradients are all finite, or not."""
        good = ops.where(finite, self.good_steps + 1, ops.zeros_like(self.good_steps))
        grows = good >= self.interval
        up = ops.where(grows, self.scale * self.growth, self.scale * 1.0)
        ops.assign(self.scale, ops.where(finite, up, self.scale * self.backoff))
        ops.assign(self.good_steps, ops.where(grows, ops.zeros_like(good), good))
        ops.assign(self.skipped, self.skipped + ops.logical_not(finite).astype(ms.int32))
        return finite

    def trials(self) -> Iterator[float]:
        """Scales to try for gradients that are looked at: the present one and its halves, down to 1."""
        scale = self.value()
        while scale > 1:
            yield scale
            scale /= 2
        yield 1.0

    def value(self) -> float:
        """The present scale; waits for it."""
        return float(self.scale.asnumpy())


class Scaled(nn.Cell):
    """A loss multiplied with its scale."""

    def __init__(self, loss: nn.Cell, scale: LossScale) -> None:
        super().__init__(auto_prefix=False)
        self.loss, self.scale = loss, scale.scale

    def construct(self, *inputs: Tensor) -> Tensor:
        """What the loss takes."""
        return self.loss(*inputs) * self.scale


class TimesScale(nn.Cell):
    """A loss multiplied with a scale that is given with its inputs."""

    def __init__(self, loss: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.loss = loss

    def construct(self, scale: Tensor, *inputs: Tensor) -> Tensor:
        """The scale and what the loss takes."""
        return self.loss(*inputs) * scale


class ScaledUpdates(nn.Cell):
    """What the steps of a stage do with gradients of a scaled loss."""

    def __init__(self, scale: LossScale, optimiser: OptimiserConfig, steps: int) -> None:
        super().__init__(auto_prefix=False)
        self.scale = scale
        self.corrections = Tensor(corrections(optimiser, steps), ms.float32)
        self.updates = _state(np.int32(0), "updates")
        self.map = ops.HyperMap()

    def construct(self, loss: Tensor, gradients: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """Both without the scale, the gradients 0 where they are not all finite, and whether they are."""
        finite = ms.amp.all_finite(gradients)
        inverse = 1.0 / self.scale.scale
        factor = ops.where(finite, inverse, ops.zeros_like(inverse))
        return loss * inverse, self.map(ops.partial(finite_part, factor), gradients), finite

    def settings(
        self, finite: Tensor, rate: Tensor, epsilon: Tensor, decay: Tensor, beta1: Tensor, beta2: Tensor
    ) -> tuple[Tensor, ...]:
        """What the kernel is given in place of the settings of the step; moves on by a step."""
        correction = ops.gather(self.corrections, self.updates, 0)
        one, nothing = ops.ones_like(rate), ops.zeros_like(rate)
        rate = ops.where(finite, rate * correction[0], nothing)
        beta1, beta2 = ops.where(finite, beta1, one), ops.where(finite, beta2, one)
        ops.assign(self.updates, self.updates + finite.astype(ms.int32))
        self.scale(finite)
        return rate, epsilon * correction[1], decay * correction[2], beta1, beta2


def _state(value: Any, name: str) -> Parameter:
    return Parameter(Tensor(value), name=f"loss_scaling.{name}", requires_grad=False)
