"""Adam and AdamW of PyTorch, without torch.compile's machinery where nothing is compiled.

Their methods import torch._dynamo to keep torch.compile out of themselves. That takes as long as importing PyTorch, and
a step that runs operator by operator has nothing to keep out. What is computed is the same function of PyTorch's.
"""

import inspect
from functools import cache
from typing import Any

import torch

KINDS: dict[str, type[torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
KEPT_OUT = ("add_param_group", "zero_grad")
"""Methods of every optimiser that import torch._dynamo when they are first called."""


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
