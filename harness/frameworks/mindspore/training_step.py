"""A training step as one Cell: loss, gradients, their exchange and the update."""

from typing import Any, NamedTuple

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray

from harness.frameworks.mindspore.accumulation import Accumulated, LossSize, OwnTerms, Shared, Terms
from harness.frameworks.mindspore.dealing import dealt
from harness.frameworks.mindspore.loss_scaling import Scaled, ScaledUpdates, corrections
from harness.frameworks.mindspore.parallel import Averaged, MeanTerms
from harness.frameworks.mindspore.updates import Moments, Spread, Update
from harness.frameworks.ranks import RankNumber
from harness.scenario.schema import OptimiserConfig

CLIP_EPSILON = 1e-6
"""Added to the norm of the gradients, as in torch.nn.utils.clip_grad_norm_."""

squared_norm, scaled = (ops.MultitypeFuncGraph(name) for name in ("squared_norm", "scaled"))


@squared_norm.register("Tensor")
def _squared_norm(gradient: Tensor) -> Tensor:
    return ops.square(gradient).sum()


@scaled.register("Tensor", "Tensor")
def _scaled(factor: Tensor, gradient: Tensor) -> Tensor:
    return gradient * factor


class Exchange(NamedTuple):
    """What a step exchanges with other ranks: nothing where `sends` is False or there are none.

    With `shards` each rank updates its share of the parameters and has the moments of these alone.
    """

    rank: RankNumber = RankNumber()
    shards: bool = False
    sends: bool = True

    @property
    def meets(self) -> bool:
        """Whether there is anything to exchange."""
        return self.sends and self.rank.size > 1

    def shares_losses(self, parts: int, size: LossSize | None) -> bool:
        """Whether a rollout is given the shares of its losses."""
        return parts > 1 or (self.rank.size > 1 and size is not None)


ALONE = Exchange()


class TrainStep(nn.Cell):
    """Loss, gradients and one Adam or AdamW update.

    The fused kernel gives the update of torch.optim with settings that stand in for its missing bias correction
    (loss_scaling.corrections): `fused_settings`, or those of the optimiser where the loss is scaled. Gradients are
    averaged over the ranks once a step, before anything is done with them. `moments` are those of an earlier step that
    goes on here; fresh ones where there are none.
    """

    def __init__(
        self,
        loss: Any,
        optimiser: OptimiserConfig,
        parts: int = 1,
        size: LossSize | None = None,
        scaling: ScaledUpdates | None = None,
        exchange: Exchange = ALONE,
        moments: Moments | None = None,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.loss = loss
        parameters, (number, ranks, _) = loss.trainable_params(), exchange.rank
        first, last = 0, len(parameters)
        if exchange.shards:
            order, bounds = dealt([int(parameter.size) for parameter in parameters], ranks)
            parameters, (first, last) = [parameters[index] for index in order], bounds[number]
        self.parameters = ms.ParameterTuple(parameters)
        self.beta1, self.beta2 = Tensor(optimiser.beta1, ms.float32), Tensor(optimiser.beta2, ms.float32)
        self.scaling: Any = scaling
        self.scales, self.meets = scaling is not None, exchange.meets
        self.value_and_grad = self.with_gradients(parts, size, exchange)
        if self.meets:
            self.averaged = Averaged([int(parameter.size) for parameter in parameters], ranks)
        self.update = Update(ms.ParameterTuple(parameters[first:last]), moments, first, last)
        self.spreads = self.meets and exchange.shards
        if self.spreads:
            self.spread = Spread(self.parameters, bounds, exchange.rank)
        self.map = ops.HyperMap()
        self.clips, self.clip_norm = optimiser.clip_norm is not None, optimiser.clip_norm or 0.0

    def with_gradients(self, parts: int, size: LossSize | None, exchange: Exchange) -> Any:
        """What makes loss and gradients of the inputs of the rollout."""
        function = self.loss if self.scaling is None else Scaled(self.loss, self.scaling.scale)
        if not exchange.shares_losses(parts, size):
            return ms.value_and_grad(function, None, self.parameters)
        terms = Terms(size, self.loss.steps)
        whole = MeanTerms(exchange.rank.size) if exchange.meets and size is not None else OwnTerms()
        if parts > 1:
            return Accumulated(self.loss, function, self.parameters, parts, terms, whole)
        return Shared(ms.value_and_grad(function, None, self.parameters), terms, whole)

    def construct(self, rate: Tensor, epsilon: Tensor, decay: Tensor, *inputs: Tensor) -> Tensor:
        """The loss before the update; `inputs` are those of the rollout."""
        loss, gradients = self.value_and_grad(*inputs)
        beta1, beta2, finite = self.beta1, self.beta2, None
        if self.meets:
            gradients = self.averaged(loss, gradients)
        if self.scales:
            loss, gradients, finite = self.scaling(loss, gradients)
        if self.clips:
            gradients = self.clip(gradients)
        if self.scales:
            rate, epsilon, decay, beta1, beta2 = self.scaling.settings(finite, rate, epsilon, decay, beta1, beta2)
        self.update(rate, beta1, beta2, epsilon, decay, gradients)
        if self.spreads:
            self.spread(gradients)
        return loss

    def clip(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Gradients scaled down, where they exceed it, to the norm over all parameters."""
        squares = ops.addn(self.map(squared_norm, gradients))
        factor = ops.minimum(self.clip_norm / (ops.sqrt(squares) + CLIP_EPSILON), 1.0)
        return self.map(ops.partial(scaled, factor), gradients)


def settings(optimiser: OptimiserConfig, learning_rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """(steps, 3): rate, epsilon and decay of every step."""
    steps = len(learning_rates)
    return np.stack([learning_rates, np.full(steps, optimiser.epsilon), np.full(steps, optimiser.weight_decay)], axis=1)


def fused_settings(optimiser: OptimiserConfig, learning_rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """(steps, 3): rate, epsilon and decay for every step of the kernel in TrainStep, each step one update."""
    return settings(optimiser, learning_rates) * corrections(optimiser, len(learning_rates))
