"""The rules: what is found in a network, what PyTorch does instead, and the fix.

Defaults and behaviour are those of MindSpore 2.10, read in its sources and run beside PyTorch 2.13 on a CPU. No rule is
needed for the initial weights of Dense and Conv2d: since 2.3 they are PyTorch's.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from harness.porting.traps.facts import CallFacts, CellFacts, NetworkFacts, OptimiserFacts

LAYER_NORM_DEFAULT, EMBEDDING_STD = 1e-7, 0.1


class Trap(NamedTuple):
    """Where, what it does here, what PyTorch does by default, and what to write instead."""

    rule: str
    place: str
    here: str
    pytorch: str
    fix: str


CellRule = Callable[[CellFacts], Iterator[Trap]]


def findings(facts: NetworkFacts) -> list[Trap]:
    """Everything that is found, cells first, in the order of the network."""
    found = [finding for cell in facts.cells for rule in CELL_RULES for finding in rule(cell)]
    found += [finding for call in facts.calls for finding in _of_call(call)]
    if facts.optimiser:
        found += _of_optimiser(facts.optimiser)
    return found


def _gelu(cell: CellFacts) -> Iterator[Trap]:
    if "GELU" in cell.kinds and cell.attributes.get("approximate") == "tanh":
        yield Trap(
            "gelu-tanh",
            cell.path,
            "GELU by tanh, the default of nn.GELU; off by up to 4.7e-4",
            "nn.GELU() is the exact one, by erf",
            "nn.GELU(approximate=False)",
        )


def _layer_norm(cell: CellFacts) -> Iterator[Trap]:
    epsilon = cell.attributes.get("epsilon")
    if "LayerNorm" in cell.kinds and epsilon == LAYER_NORM_DEFAULT:
        yield Trap(
            "layer-norm-epsilon",
            cell.path,
            f"epsilon {epsilon:g}, the default of nn.LayerNorm",
            "eps 1e-05",
            "nn.LayerNorm(..., epsilon=1e-5), or the eps of your PyTorch network",
        )


def _batch_norm(cell: CellFacts) -> Iterator[Trap]:
    taken = cell.attributes.get("momentum")
    if "_BatchNorm" in cell.kinds and isinstance(taken, float) and taken > 0.5:
        yield Trap(
            "batch-norm-momentum",
            cell.path,
            f"momentum={1 - taken:g} keeps that part of the old statistics and takes {taken:g} from every batch",
            f"momentum={1 - taken:g} takes that part from every batch",
            f"momentum={taken:g}",
        )


def _dropout(cell: CellFacts) -> Iterator[Trap]:
    if "Dropout" not in cell.kinds:
        return
    if cell.attributes.get("p") is None:
        keep = cell.attributes.get("keep_prob")
        yield Trap(
            "dropout-keep-prob",
            cell.path,
            f"{keep} is the probability of keeping a value",
            "p is the probability of dropping it",
            f"nn.Dropout(p={1 - keep:g})" if isinstance(keep, float) else "nn.Dropout(p=...)",
        )
    if cell.attributes.get("training"):
        yield Trap(
            "dropout-left-on",
            cell.path,
            "drops values: the cell is in training mode",
            "drops them in training alone, after train()",
            "network.set_train(False) before inference",
        )


def _convolution(cell: CellFacts) -> Iterator[Trap]:
    if "Conv2d" not in cell.kinds:
        return
    if cell.attributes.get("pad_mode") == "same" and cell.attributes.get("kernel_size") != "(1, 1)":
        yield Trap(
            "conv-padding",
            cell.path,
            'pad_mode "same", the default of nn.Conv2d, pads to the size of the input',
            "padding 0",
            'pad_mode="pad", padding=n with the n of your PyTorch network',
        )
    if cell.attributes.get("has_bias") is False:
        yield Trap(
            "conv-bias",
            cell.path,
            "no bias, the default of nn.Conv2d",
            "bias=True",
            "has_bias=True, unless yours has none",
        )


def _embedding(cell: CellFacts) -> Iterator[Trap]:
    deviation = cell.attributes.get("table_std")
    if "Embedding" in cell.kinds and isinstance(deviation, float) and deviation < EMBEDDING_STD:
        yield Trap(
            "embedding-init",
            cell.path,
            f"the table starts with a standard deviation of {deviation:.2g}",
            "1",
            "embedding_table=Normal(sigma=1.0), from mindspore.common.initializer",
        )


CELL_RULES: tuple[CellRule, ...] = (_gelu, _layer_norm, _batch_norm, _dropout, _convolution, _embedding)

WRONG_ON_CPU = "wrong or missing on CPU in MindSpore 2.10"
CALLS: Mapping[str, tuple[str, str]] = {
    "ops.einsum": (WRONG_ON_CPU, "ops.matmul or ops.bmm on reshaped tensors"),
    "ops.layer_norm": ("for Ascend alone", "nn.LayerNorm or the primitive ops.LayerNorm"),
    "ops.conv_transpose2d": (WRONG_ON_CPU, "nn.Conv2dTranspose"),
    "ops.pad": (
        "its gradient is wrong from the second call of a compiled graph on where it pads a spectrum",
        "ops.concat with zeros",
    ),
    "ops.roll": ("does not run on CPU", "ops.concat of the two parts"),
    "ops.SegmentSum": ("stops at a million elements, and lacks a kernel for Ascend", "ops.unsorted_segment_sum"),
    "mint.nn.functional.gelu": (WRONG_ON_CPU, 'ops.gelu(x, approximate="none")'),
    "mint.nn.functional.layer_norm": (WRONG_ON_CPU, "nn.LayerNorm"),
    "mint.nn.functional.conv2d": (WRONG_ON_CPU, "nn.Conv2d or ops.conv2d"),
    "mint.index_select": (WRONG_ON_CPU, "ops.gather"),
    "mint.scatter_add": (WRONG_ON_CPU, "ops.unsorted_segment_sum or ops.tensor_scatter_add"),
    "mint.index_add": ("changes its input", "ops.unsorted_segment_sum"),
    "mint.optim.AdamW": (WRONG_ON_CPU, "mindspore.experimental.optim.AdamW"),
}
FOURIER = ("ops.rfft2", "ops.irfft2", "ops.rfft", "ops.irfft", "ops.fft2", "ops.ifft2", "ops.fftn", "ops.ifftn")


def _of_call(call: CallFacts) -> Iterator[Trap]:
    if call.name in CALLS:
        here, fix = CALLS[call.name]
        yield Trap("operator", call.place, f"{call.name}: {here}", "runs everywhere", fix)
    if call.name in FOURIER:
        yield Trap(
            "fourier-on-gpu",
            call.place,
            f"{call.name} has no GPU kernel, and on Ascend needs operators of the CANN build",
            "runs everywhere",
            "a transform by matrix products there, as harness/models/operators has",
        )
    if call.name == "ops.dropout" and call.keywords.get("training", True) is True:
        yield Trap(
            "dropout-left-on",
            call.place,
            "ops.dropout drops values unless training=False is given",
            "nn.Dropout drops them in training alone",
            "training=self.training",
        )


def _of_optimiser(optimiser: OptimiserFacts) -> Iterator[Trap]:
    name = optimiser.kinds[0]
    if "AdamWeightDecay" in optimiser.kinds:
        yield Trap(
            "adam-without-correction",
            "optimiser",
            "nn.AdamWeightDecay does not correct the bias of its moments: the first steps are far too large",
            "torch.optim.AdamW corrects it",
            "mindspore.experimental.optim.AdamW, or corrected rates as in harness/frameworks/mindspore/loss_scaling.py",
        )
    elif optimiser.decays and name in ("Adam", "Lamb", "LazyAdam"):
        yield Trap(
            "coupled-decay",
            "optimiser",
            f"nn.{name} adds weight_decay to the gradient, where the moments scale it away",
            "torch.optim.AdamW takes it off the weights",
            "mindspore.experimental.optim.AdamW",
        )
