"""Dynamic scaling of the loss by PyTorch's own scaler, with the constants of the policy."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from harness.frameworks.policy import LOSS_SCALING, scales_loss
from harness.scenario.execution import Autocast


class Scaling:
    """The scale of the loss, which goes on from stage to stage, and how many steps were skipped; nothing where off."""

    def __init__(self, autocast: Autocast, device: str) -> None:
        self._on = scales_loss(autocast)
        self._scaler = torch.amp.GradScaler(
            device,
            init_scale=LOSS_SCALING.initial,
            growth_factor=LOSS_SCALING.growth,
            backoff_factor=LOSS_SCALING.backoff,
            growth_interval=LOSS_SCALING.interval,
            enabled=self._on,
        )
        self._optimiser: Optimizer | None = None
        self._steps = self._skipped_before = 0

    def start(self, optimiser: Optimizer) -> None:
        """A stage with a fresh optimiser."""
        self._skipped_before = self.skipped_steps or 0
        self._optimiser, self._steps = optimiser, 0

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss whose gradients are made."""
        scaled: Tensor = self._scaler.scale(loss)
        return scaled

    def update(self, optimiser: Optimizer, module: nn.Module, clip_norm: float | None) -> None:
        """One update by the gradients of the scaled loss, clipped once the scale is taken away, or a skipped step."""
        self._scaler.unscale_(optimiser)
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(module.parameters(), clip_norm)
        self._scaler.step(optimiser)
        self._scaler.update()
        self._steps += 1

    def trials(self) -> Iterator[float]:
        """Scales to try for gradients that are looked at: 1, or the present one and its halves down to 1."""
        scale = self.loss_scale or 1.0
        while scale > 1:
            yield scale
            scale /= 2
        yield 1.0

    @property
    def loss_scale(self) -> float | None:
        """The present scale; None where the loss is not scaled."""
        return float(self._scaler.get_scale()) if self._on else None

    @property
    def skipped_steps(self) -> int | None:
        """Steps that were skipped in all stages; None where the loss is not scaled.

        Told by the optimiser's own count of updates, so that no step waits for the device.
        """
        if not self._on:
            return None
        return self._skipped_before + self._steps - _updates(self._optimiser)


def _updates(optimiser: Optimizer | None) -> int:
    if (counted := getattr(optimiser, "updates", None)) is not None:
        return int(counted)
    states = () if optimiser is None else optimiser.state.values()
    return max((int(state["step"]) for state in states), default=0)
