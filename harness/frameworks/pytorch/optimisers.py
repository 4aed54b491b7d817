"""Adam and AdamW of PyTorch: one kernel an update where the device has one, and no machinery of torch.compile unasked.

Their methods import torch._dynamo to keep torch.compile out of themselves. That takes as long as importing PyTorch, and
a step that runs operator by operator has nothing to keep out. What is computed is the same function of PyTorch's.

On an NPU the fused kernel is that of AdamW alone, which without weight decay is Adam. Whether a device has its kernel,
and whether that leaves out a step whose gradients overflowed, is tried on one value before it is relied on: torch_npu's
takes `found_inf` and does not read it (`_fused_adamw_` of op-plugin, which calls aclnnApplyAdamWV2).
"""

import inspect
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch

from harness.models.operators.choices import serving
from harness.scenario.schema import OptimiserConfig

KINDS: dict[str, type[torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
KEPT_OUT = ("add_param_group", "zero_grad")
"""Methods of every optimiser that import torch._dynamo when they are first called."""


ONLY_ADAMW_IS_FUSED = ("npu",)
"""Devices, by PyTorch's names, without a fused kernel of Adam."""


def make_optimiser(
    config: OptimiserConfig, parameters: Iterable[torch.nn.Parameter], device: torch.device, *, compiled: bool
) -> torch.optim.Optimizer:
    """The optimiser of parameters on a device; it is given its learning rate at every step."""
    kind, settings = optimiser_settings(config, device, compiled=compiled)
    made: Any = kind(parameters, **settings)
    if settings["fused"] and not leaves_overflows_out(device):
        made._step_supports_amp_scaling = False
    optimiser: torch.optim.Optimizer = made
    return optimiser


def optimiser_settings(
    config: OptimiserConfig, device: torch.device, *, compiled: bool
) -> tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]:
    """The class of an optimiser on a device, and what it is given beside its parameters."""
    fused = adam_kernel(device) == "fused"
    name = "adamw" if fused and device.type in ONLY_ADAMW_IS_FUSED else config.name
    settings = {
        "betas": (config.beta1, config.beta2),
        "eps": config.epsilon,
        "weight_decay": config.weight_decay,
        "fused": fused,
    }
    return optimiser_class(name, compiled=compiled), settings


@cache
def adam_kernel(device: torch.device) -> str:
    """What serves Adam and AdamW on a device: `fused`, or `foreach` where that is chosen or the fused kernel raises."""
    chosen = serving("adam", "auto", "pytorch", device.type)
    if chosen != "fused":
        return chosen
    return "foreach" if _one_fused_update(device, found_inf=None) is None else chosen


@cache
def leaves_overflows_out(device: torch.device) -> bool:
    """Whether the fused kernel of a device changes nothing in a step whose gradients overflowed.

    Where it does not, a scaler of the loss has to ask the device before every step, as it does with foreach.
    """
    return _one_fused_update(device, found_inf=torch.ones((), device=device)) == 1.0


def _one_fused_update(device: torch.device, found_inf: torch.Tensor | None) -> float | None:
    """What the fused kernel makes of the value 1, None where it raises; a scaler of the loss tells it `found_inf`."""
    parameter = torch.nn.Parameter(torch.ones(1, device=device))
    parameter.grad = torch.ones_like(parameter)
    name = "adamw" if device.type in ONLY_ADAMW_IS_FUSED else "adam"
    kind: Any = optimiser_class(name, compiled=False)
    try:
        optimiser = kind([parameter], lr=0.1, fused=True)
        optimiser.found_inf = found_inf
        optimiser.step()
        return float(parameter.detach().cpu())
    except (RuntimeError, AttributeError, TypeError, ValueError):
        return None


def optimiser_class(name: str, *, compiled: bool) -> type[torch.optim.Optimizer]:
    """The class of an optimiser, `adam` or `adamw`; PyTorch's own where steps are compiled."""
    return KINDS[name] if compiled else _eager(name)


@cache
def _eager(name: str) -> type[torch.optim.Optimizer]:
    kind: Any = KINDS[name]
    step = torch.no_grad()(inspect.unwrap(kind.step))
    methods = {method: inspect.unwrap(getattr(torch.optim.Optimizer, method)) for method in KEPT_OUT}
    made: type[torch.optim.Optimizer] = type(kind.__name__, (kind,), {"step": step, **methods})
    return made
