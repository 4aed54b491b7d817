"""Which implementation serves an operator in a framework on a device."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from harness.scenario.execution import Execution

Operator = Literal["spectral", "segment_sum", "messages", "layer_norm", "gelu", "soft_shrink", "dense", "adam"]


class Choice(NamedTuple):
    """`spectral`: Fourier transforms by products with the factors of their matrix, or an FFT.

    `segment_sum`: the framework's operator, or gathering. `messages`: the MLPs of edges and nodes operator by operator;
    the same with the features that edges have in common embedded once, `by_kind`, unless a lower format is asked for;
    or so, and a tile of rows at a time (harness.models.tiling), where one tile does not hold them all, unless a
    compiler or a lower format is. `layer_norm`, `gelu` (the exact one, by erf) and `soft_shrink`: the framework's
    operator, or one composed of simpler ones, a LayerNorm in float32 with the dense layer before it. `dense`: products,
    biases and swish with the framework's gradients, or such that sums over tokens are products and nothing is computed
    twice. `adam`: one kernel an update, or several; where one raises on a device, several serve (the record says which
    did). `reason` says on what the choice rests.
    """

    spectral: Literal["dft", "fft"]
    segment_sum: Literal["native", "gathered"]
    messages: Literal["native", "by_kind", "tiled"]
    layer_norm: Literal["native", "composed"]
    gelu: Literal["native", "composed"]
    soft_shrink: Literal["native", "composed"]
    dense: Literal["native", "composed"]
    adam: Literal["fused", "foreach"]
    reason: str


UNMEASURED = "as on the CPU: nothing was measured there"

PLAIN = Choice("dft", "native", "native", "native", "native", "native", "native", "fused", UNMEASURED)
"""The framework's own operators, and transforms by products."""

MEASURED = "measured: tests/benchmarks/test_operators.py"

CHOICES: Mapping[tuple[str, str], Choice] = {
    ("pytorch", "cpu"): PLAIN._replace(messages="tiled", reason=MEASURED),
    ("pytorch", "cuda"): PLAIN,
    ("pytorch", "npu"): PLAIN._replace(
        gelu="composed",
        reason=f"{UNMEASURED}; documented: its GELU is always the one by tanh; the FFT needs operators of the CANN "
        "build",
    ),
    ("mindspore", "CPU"): PLAIN._replace(
        messages="by_kind", layer_norm="composed", gelu="composed", dense="composed", reason=MEASURED
    ),
    ("mindspore", "GPU"): PLAIN._replace(reason="documented: rfft2 and irfft2 run on Ascend and CPU only"),
    ("mindspore", "Ascend"): PLAIN._replace(
        reason="nothing was measured there: what stands in for slow kernels of a CPU is left out; the FFT needs "
        "operators of the CANN build"
    ),
}

ALWAYS: tuple[Operator, ...] = ("layer_norm", "dense", "adam")
"""What every network is taken to use."""


def serving(operator: Operator, wanted: str, framework: str, device: str) -> str:
    """What serves an operator: what is wanted or, where that is `auto`, the choice for the device."""
    return str(getattr(CHOICES[framework, device], operator)) if wanted == "auto" else wanted


def all_serving(execution: Execution, used: Sequence[Operator], framework: str, device: str) -> dict[str, str]:
    """What serves each of the operators that a network uses and of those that all use, by name.

    An execution chooses the spectral transform and the sum of segments alone.
    """
    wanted = {name: str(getattr(execution.operators, name, "auto")) for name in (*used, *ALWAYS)}
    found: dict[str, str] = {name: serving(name, value, framework, device) for name, value in wanted.items()}
    lowered = execution.precision.autocast != "none"
    if lowered or (found.get("messages") == "tiled" and execution.is_graph):
        found = {name: "native" if name == "messages" else value for name, value in found.items()}
    return found
