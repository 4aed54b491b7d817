"""The rules: what is found in a network, what PyTorch does instead, and the fix.

Defaults and behaviour are those of MindSpore 2.10, read in its sources and run beside PyTorch 2.13 on a CPU. No rule is
needed for the initial weights of Dense and Conv2d: since 2.3 they are PyTorch's.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from harness.porting.traps.facts import CallFacts, CellFacts, NetworkFacts, OptimiserFacts

LAYER_NORM_DEFAULT, EMBEDDING_STD, LEAKY_DEFAULT = 1e-7, 0.1, 0.2


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
    if "_Conv" not in cell.kinds:
        return
    name, kernel = f"nn.{cell.kinds[0]}", str(cell.attributes.get("kernel_size"))
    transposed = any(kind.endswith("Transpose") for kind in cell.kinds)
    pads = kernel != str(cell.attributes.get("stride")) if transposed else not _are_ones(kernel)
    if cell.attributes.get("pad_mode") == "same" and pads:
        to = "the size of the input times the stride" if transposed else "the size of the input"
        yield Trap(
            "conv-padding",
            cell.path,
            f'pad_mode "same", the default of {name}, pads to {to}',
            "padding 0",
            'pad_mode="pad", padding=n with the n of your PyTorch network',
        )
    if cell.attributes.get("has_bias") is False:
        yield Trap(
            "conv-bias",
            cell.path,
            f"no bias, the default of {name}",
            "bias=True",
            "has_bias=True, unless yours has none",
        )


def _are_ones(sizes: str) -> bool:
    """Whether a size, or each of several as a tuple prints them, is 1."""
    return set(re.findall(r"\d+", sizes)) == {"1"}


def _pool(cell: CellFacts) -> Iterator[Trap]:
    kernel, stride = (str(cell.attributes.get(name)) for name in ("kernel_size", "stride"))
    if "_PoolNd" in cell.kinds and kernel != stride and _are_ones(stride):
        yield Trap(
            "pool-stride",
            cell.path,
            f"stride 1, the default of nn.{cell.kinds[0]}",
            "the stride is the size of the window unless one is given",
            "stride=kernel_size, unless yours has stride=1",
        )


def _leaky(cell: CellFacts) -> Iterator[Trap]:
    if "LeakyReLU" in cell.kinds and cell.attributes.get("alpha") == LEAKY_DEFAULT:
        yield Trap(
            "leaky-slope",
            cell.path,
            f"alpha {LEAKY_DEFAULT:g}, the default of nn.LeakyReLU",
            "negative_slope 0.01",
            "nn.LeakyReLU(alpha=0.01), or the slope of your PyTorch network",
        )


def _smooth_loss(cell: CellFacts) -> Iterator[Trap]:
    if "SmoothL1Loss" in cell.kinds and cell.attributes.get("reduction") == "none":
        yield Trap(
            "loss-reduction",
            cell.path,
            'reduction "none", the default of nn.SmoothL1Loss: a field, no number',
            "the mean",
            'nn.SmoothL1Loss(reduction="mean")',
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


CELL_RULES: tuple[CellRule, ...] = (
    *(_gelu, _layer_norm, _batch_norm, _dropout, _convolution, _pool, _embedding, _leaky, _smooth_loss),
)

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
    "mint.std": (WRONG_ON_CPU, "ops.std(..., ddof=1)"),
    "mint.var": (WRONG_ON_CPU, "ops.var(..., ddof=1)"),
    "mint.index_add": ("changes its input", "ops.unsorted_segment_sum"),
    "mint.optim.AdamW": (WRONG_ON_CPU, "mindspore.experimental.optim.AdamW"),
}

BY_NAME_ALONE = 10**6
"""Stands for the position of an argument that has none."""


class Default(NamedTuple):
    """An argument of a function that is not what it is in PyTorch unless it is given, by name or at its position.

    `names` are those that it goes by, none where nothing can be given. `here` and `pytorch` say what it is in either.
    """

    names: tuple[str, ...]
    position: int
    here: str
    pytorch: str
    fix: str


_DDOF = Default(("ddof", "correction"), 2, "ddof=0: the sum of squares over n", "over n - 1 (correction=1)", "ddof=1")
_STRIDE = Default(("stride",), 2, "stride=1", "the stride is the size of the window", "stride=kernel_size")
DEFAULTS: Mapping[str, Default] = {
    **dict.fromkeys(("ops.std", "ops.var", "ops.std_mean", "ops.var_mean"), _DDOF),
    **dict.fromkeys(("Tensor.std", "Tensor.var"), _DDOF._replace(position=1)),
    **dict.fromkeys(("ops.avg_pool1d", "ops.avg_pool2d", "ops.avg_pool3d"), _STRIDE),
    "ops.leaky_relu": Default(("alpha",), 1, "alpha=0.2", "negative_slope=0.01", "alpha=0.01"),
    "ops.smooth_l1_loss": Default(("reduction",), 3, 'reduction="none": a field', "the mean", 'reduction="mean"'),
    "ops.meshgrid": Default(("indexing",), BY_NAME_ALONE, 'indexing="xy"', 'indexing="ij"', 'indexing="ij"'),
    "ops.LayerNorm": Default(("epsilon",), 2, "epsilon=1e-07", "eps=1e-05", "epsilon=1e-5, or yours"),
    "ops.GeLU": Default(
        (),
        0,
        "GELU by tanh, off by up to 4.7e-4",
        "gelu() is the exact one, by erf",
        'ops.gelu(x, approximate="none")',
    ),
}
"""Read in the signatures of MindSpore 2.10 and PyTorch 2.13, and run beside each other."""
FOURIER = ("ops.rfft2", "ops.irfft2", "ops.rfft", "ops.irfft", "ops.fft2", "ops.ifft2", "ops.fftn", "ops.ifftn")


def _of_call(call: CallFacts) -> Iterator[Trap]:
    if call.name in CALLS:
        here, fix = CALLS[call.name]
        yield Trap("operator", call.place, f"{call.name}: {here}", "runs everywhere", fix)
    if (default := DEFAULTS.get(call.name)) is not None and _is_left_out(default, call):
        yield Trap("default", call.place, f"{call.name}: {default.here}", default.pytorch, default.fix)
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


def _is_left_out(default: Default, call: CallFacts) -> bool:
    by_name = set(default.names) & set(call.given)
    return call.positional is not None and call.positional <= default.position and not by_name


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
