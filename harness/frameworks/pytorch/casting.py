"""Runs a network with the kinds of layers that the policy names in a lower format, whatever the network.

A function mode sees the calls of PyTorch's functions, so that a layer applied to a slice of its weight, or to a weight
that another module owns, counts as well. A backward pass is not under it, but what that computes anew is
(harness.models.layers.pytorch.recomputed).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from harness.frameworks.policy import IN_LOW_FORMAT, Format, Kind, is_native, low_format
from harness.scenario.execution import Autocast

TYPES: Mapping[Format, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}

KIND_OF_FUNCTION: Mapping[Callable[..., Any], Kind] = {
    F.linear: "dense",
    F.conv1d: "convolution",
    F.conv2d: "convolution",
    F.conv3d: "convolution",
    F.conv_transpose1d: "convolution",
    F.conv_transpose2d: "convolution",
    F.conv_transpose3d: "convolution",
    F.scaled_dot_product_attention: "attention",
    F.multi_head_attention_forward: "attention",
}
KIND_OF_MODULE: Mapping[type[nn.Module], Kind] = {
    nn.Linear: "dense",
    nn.Conv1d: "convolution",
    nn.Conv2d: "convolution",
    nn.Conv3d: "convolution",
    nn.ConvTranspose1d: "convolution",
    nn.ConvTranspose2d: "convolution",
    nn.ConvTranspose3d: "convolution",
    nn.MultiheadAttention: "attention",
}


class Casting:
    """How the passes of a network are run, and which of its layers run low."""

    def __init__(self, autocast: Autocast, device: str, module: nn.Module) -> None:
        low, native = low_format(autocast), is_native(autocast)
        self._layers = None if native else tuple(sorted(_low_layers(module))) if low else ()
        self._casts = low is not None
        self._forward: AbstractContextManager[Any] = nullcontext()
        if low and native:
            self._forward = torch.autocast(device, TYPES[low])
        elif low:
            self._forward = ByKinds(TYPES[low], _layers_kept(module))

    def forward(self, run: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """`run`, cast: it takes float32 and returns float32."""
        if not self._casts:
            return run

        def cast(*arguments: Tensor) -> Tensor:
            with self._forward:
                return run(*arguments).float()

        return cast

    def layers(self) -> tuple[str, ...] | None:
        """Names of the layers that run low; None where the framework's own lists decide."""
        return self._layers


class ByKinds(TorchFunctionMode):
    """Products of dense layers, convolutions and attention on float32 in a lower type, with float32 results.

    `kept` are layers within those of a float32 kind. Their weights are looked at anew each time: where parameters are
    divided among ranks, a layer has others while it runs.
    """

    def __init__(self, low: torch.dtype, kept: Iterable[nn.Module]) -> None:
        super().__init__()
        self._low = low
        self._kept = tuple(kept)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of PyTorch."""
        kind = KIND_OF_FUNCTION.get(func)
        if kind is None or not IN_LOW_FORMAT[kind]:
            return func(*args, **(kwargs or {}))
        run = self._as_a_whole if kind == "attention" else self._product
        return run(func, *args, **(kwargs or {}))

    def _product(
        self,
        func: Callable[..., Tensor],
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *rest: Any,
        **how: Any,
    ) -> Tensor:
        if input.dtype is not torch.float32 or self._is_kept(weight):
            return func(input, weight, bias, *rest, **how)
        product = func(input.to(self._low), weight.to(self._low), None, *rest, **how)
        if bias is None:
            return product.float()
        return product + (bias if func is F.linear else bias.reshape(-1, *[1] * (weight.ndim - 2)))

    def _is_kept(self, weight: Tensor) -> bool:
        owner = weight if weight._base is None else weight._base
        return any(owner is own for layer in self._kept for own in layer.parameters(recurse=False))

    def _as_a_whole(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        found = func(*map(self._lowered, args), **{name: self._lowered(value) for name, value in kwargs.items()})
        return tuple(map(_widened, found)) if isinstance(found, tuple) else _widened(found)

    def _lowered(self, value: Any) -> Any:
        return value.to(self._low) if isinstance(value, Tensor) and value.dtype is torch.float32 else value


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def _kind(module: nn.Module) -> Kind | None:
    """What a module says of itself, or what its class tells."""
    own: Kind | None = getattr(module, "kind", None)
    return own or next((kind for each, kind in KIND_OF_MODULE.items() if isinstance(module, each)), None)


def _low_layers(module: nn.Module, name: str = "") -> Iterator[str]:
    kind = _kind(module)
    if kind is None:
        for part, child in module.named_children():
            yield from _low_layers(child, f"{name}.{part}" if name else part)
    elif IN_LOW_FORMAT[kind]:
        yield name


def _layers_kept(module: nn.Module) -> Iterator[nn.Module]:
    for part in module.modules():
        if (kind := _kind(part)) is not None and not IN_LOW_FORMAT[kind]:
            yield from (inside for inside in part.modules() if type(inside) in KIND_OF_MODULE)
