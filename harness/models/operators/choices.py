"""Which implementation serves an operator in a framework on a device."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Spectral = Literal["auto", "dft", "fft"]
SegmentSum = Literal["auto", "native", "gathered"]


class Choice(NamedTuple):
    """`spectral`: Fourier transforms by products with the factors of their matrix, or an FFT.

    `segment_sum`: the framework's operator, or gathering. `reason` says on what the choice rests.
    """

    spectral: Literal["dft", "fft"]
    segment_sum: Literal["native", "gathered"]
    reason: str


UNMEASURED = "as on the CPU: nothing was measured there"

CHOICES: Mapping[tuple[str, str], Choice] = {
    ("pytorch", "cpu"): Choice("dft", "native", "measured: tests/benchmarks/test_operators.py"),
    ("pytorch", "cuda"): Choice("dft", "native", UNMEASURED),
    ("pytorch", "npu"): Choice("dft", "native", f"{UNMEASURED}; the FFT needs operators of the CANN build"),
    ("mindspore", "CPU"): Choice("dft", "native", "measured: tests/benchmarks/test_operators.py"),
    ("mindspore", "GPU"): Choice("dft", "native", "documented: rfft2 and irfft2 run on Ascend and CPU only"),
    ("mindspore", "Ascend"): Choice("dft", "native", f"{UNMEASURED}; the FFT needs operators of the CANN build"),
}
OPERATORS = ("spectral", "segment_sum")


def serving(operator: Literal["spectral", "segment_sum"], wanted: str, framework: str, device: str) -> str:
    """What serves an operator: what a network wants or, where that is `auto`, the choice for the device."""
    return str(getattr(CHOICES[framework, device], operator)) if wanted == "auto" else wanted


def all_serving(network: Any, framework: str, device: str) -> dict[str, str]:
    """What serves each of the operators that a network lets choose, by the name of its field."""
    wanted = {name: getattr(network, name) for name in OPERATORS if hasattr(network, name)}
    return {name: serving(name, value, framework, device) for name, value in wanted.items()}  # type: ignore[arg-type]
