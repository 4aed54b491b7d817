"""Which implementation serves an operator in a framework on a device."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from harness.scenario.execution import Operators

Operator = Literal["spectral", "segment_sum", "layer_norm"]


class Choice(NamedTuple):
    """`spectral`: Fourier transforms by products with the factors of their matrix, or an FFT.

    `segment_sum`: the framework's operator, or gathering. `layer_norm`: the framework's kernel, or one composed of
    products. `reason` says on what the choice rests.
    """

    spectral: Literal["dft", "fft"]
    segment_sum: Literal["native", "gathered"]
    layer_norm: Literal["native", "composed"]
    reason: str


UNMEASURED = "as on the CPU: nothing was measured there"

CHOICES: Mapping[tuple[str, str], Choice] = {
    ("pytorch", "cpu"): Choice("dft", "native", "native", "measured: tests/benchmarks/test_operators.py"),
    ("pytorch", "cuda"): Choice("dft", "native", "native", UNMEASURED),
    ("pytorch", "npu"): Choice("dft", "native", "native", f"{UNMEASURED}; the FFT needs operators of the CANN build"),
    ("mindspore", "CPU"): Choice("dft", "native", "composed", "measured: tests/benchmarks/test_operators.py"),
    ("mindspore", "GPU"): Choice("dft", "native", "native", "documented: rfft2 and irfft2 run on Ascend and CPU only"),
    ("mindspore", "Ascend"): Choice(
        "dft",
        "native",
        "native",
        f"{UNMEASURED}, but that LayerNorm has a fused kernel; the FFT needs operators of the CANN build",
    ),
}


def serving(operator: Operator, wanted: str, framework: str, device: str) -> str:
    """What serves an operator: what is wanted or, where that is `auto`, the choice for the device."""
    return str(getattr(CHOICES[framework, device], operator)) if wanted == "auto" else wanted


def all_serving(operators: Operators, used: Sequence[Operator], framework: str, device: str) -> dict[str, str]:
    """What serves LayerNorm and each of the operators that a network uses, by name; LayerNorm is never chosen."""
    wanted: dict[Operator, str] = {name: getattr(operators, name) for name in used}
    wanted["layer_norm"] = "auto"
    return {name: serving(name, value, framework, device) for name, value in wanted.items()}
