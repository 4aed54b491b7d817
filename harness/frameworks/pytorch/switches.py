"""PyTorch's switches for the precision of float32 products, in the old words and in the new.

The old ones (allow_tf32, allow_hf32 of torch_npu) come first: from PyTorch 2.9 on, reading them raises where they
disagree with the new (fp32_precision, for all back ends from one place).
"""

from contextlib import suppress
from operator import attrgetter
from typing import Any

from harness.errors import one_line
from harness.frameworks.base import Switches
from harness.scenario.execution import Matmul

OLD_OF = {
    "tf32": ("backends.cuda.matmul.allow_tf32", "backends.cudnn.allow_tf32"),
    "hf32": ("npu.matmul.allow_hf32", "npu.conv.allow_hf32", "npu.aclnn.allow_hf32"),
}
OLD = (*OLD_OF["tf32"], *OLD_OF["hf32"])
NEW = "backends.fp32_precision"
READ = (
    *OLD,
    NEW,
    "backends.cuda.matmul.fp32_precision",
    "backends.cudnn.conv.fp32_precision",
    "backends.mkldnn.matmul.fp32_precision",
    "backends.mkldnn.conv.fp32_precision",
)
"""What is read back, where this PyTorch has it."""


def set_products(torch: Any, matmul: Matmul) -> None:
    """Set every switch that this PyTorch has; what cannot be set shows in what is read back."""
    allowed = OLD_OF.get(matmul, ())
    torch.set_float32_matmul_precision("high" if matmul == "tf32" else "highest")
    for name, value in (*((name, name in allowed) for name in OLD), (NEW, "tf32" if matmul == "tf32" else "ieee")):
        path, _, switch = name.rpartition(".")
        with suppress(AttributeError, RuntimeError):
            if _has(torch, name):
                setattr(attrgetter(path)(torch), switch, value)


def read(torch: Any) -> Switches:
    """Every switch as this PyTorch tells it; one that it does not have is left out."""
    values: dict[str, str] = {}
    unread: list[str] = []
    for name in ("get_float32_matmul_precision", *(each for each in READ if _has(torch, each))):
        try:
            found = attrgetter(name)(torch)
            values[name.removeprefix("get_")] = str(found() if callable(found) else found)
        except RuntimeError as error:
            unread.append(f"{name}: {one_line(error)}")
    return Switches(values=values, unread=tuple(unread))


def _has(torch: Any, name: str) -> bool:
    """Whether there is such a switch, be it one that does not tell its state."""
    try:
        attrgetter(name)(torch)
    except AttributeError:
        return False
    except RuntimeError:
        return True
    return True
