"""How a network is run, as one value: what a network's hyperparameters never say.

Every field has the default that runs a network plainly: operator by operator, in float32, on one device. What can run
where is answered by `harness.frameworks.support`, before any device is touched.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, NonNegativeInt, model_validator

from harness.frozen import Frozen, PositiveInt
from harness.text import counted

Spectral = Literal["auto", "dft", "fft"]
SegmentSum = Literal["auto", "native", "gathered"]
Mode = Literal["eager", "graph"]
Matmul = Literal["ieee", "tf32", "hf32"]
Autocast = Literal["none", "bf16", "fp16", "native-bf16", "native-fp16"]


class Compilation(Frozen):
    """Operator by operator (eager), or as a graph that the framework compiles before it runs it."""

    mode: Mode = "eager"
    scope: Literal["forward", "step"] = Field(
        default="forward",
        description="what torch.compile is given: the network, or network, loss, gradients and update; MindSpore's "
        "graph always holds the step",
    )
    level: Literal["O0", "O1"] | None = Field(
        default=None, description="MindSpore's jit_level: O0 kernel by kernel (its default), O1 with fused kernels"
    )
    options: Literal["default", "reduce-overhead", "max-autotune"] = Field(
        default="default", description="the mode of torch.compile"
    )

    @model_validator(mode="after")
    def _details_of_a_graph(self) -> "Compilation":
        if self.mode == "eager" and (self.scope, self.level, self.options) != ("forward", None, "default"):
            raise ValueError("scope, level and options are those of mode: graph")
        return self


class Precision(Frozen):
    """The formats of numbers: of float32 matrix products, and of what runs in a lower one."""

    matmul: Matmul = Field(
        default="ieee", description="what products of float32 keep: all 24 bits, 11 (NVIDIA) or 12 (Ascend)"
    )
    autocast: Autocast = Field(
        default="none",
        description="products of dense layers and convolutions in a lower format, all else in float32; native-*: the "
        "framework's own list of operators",
    )


class Recompute(Frozen):
    """What a backward pass computes anew instead of keeping: nothing, each block, or each of n ranges of the grid.

    `offload` computes nothing anew: what is kept waits in the memory of the host (PyTorch on a CUDA device or an NPU).
    """

    unit: Literal["none", "blocks", "ranges", "offload"] = "none"
    ranges: PositiveInt = Field(default=1, description="number of ranges of grid points; GraphCast alone has them")

    @model_validator(mode="after")
    def _number_of_ranges(self) -> "Recompute":
        if (self.unit == "ranges") != (self.ranges > 1):
            raise ValueError("unit: ranges needs ranges of 2 or more, and no other unit has any")
        return self


class Operators(Frozen):
    """What serves an operator of which there are several; auto: as the table of choices says for the device."""

    spectral: Spectral = Field(
        default="auto", description="Fourier transforms by the kept columns of the DFT matrix, or an FFT"
    )
    segment_sum: SegmentSum = Field(
        default="auto", description="messages added up by the framework's operator or by gathering"
    )


class Loading(Frozen):
    """How batches reach the device."""

    prefetch: NonNegativeInt = Field(default=0, description="batches made ready by threads ahead of their step")
    workers: PositiveInt = Field(default=1, description="threads that make them")
    sink: bool = Field(default=False, description="MindSpore's dataset sink mode")

    @model_validator(mode="after")
    def _one_way(self) -> "Loading":
        if self.sink and self.prefetch:
            raise ValueError("a sink has a queue of its own: leave prefetch out")
        if self.workers > 1 and not self.prefetch and not self.sink:
            raise ValueError("workers need prefetch of 1 or more, or a sink")
        return self


class World(Frozen):
    """How many devices train one network, on how many nodes, and what each of them holds."""

    devices: PositiveInt = 1
    nodes: PositiveInt = 1
    parallel: Literal["data", "sharded_optimiser", "sharded"] = Field(
        default="data",
        description="data: all hold everything; sharded_optimiser: its states are divided; sharded: weights, too",
    )

    @property
    def devices_of_node(self) -> int:
        """Devices on each node."""
        return self.devices // self.nodes

    @model_validator(mode="after")
    def _divides(self) -> "World":
        if self.devices % self.nodes:
            raise ValueError(f"{counted(self.devices, 'device')} cannot be divided among {self.nodes} nodes")
        if self.devices == 1 and self.parallel != "data":
            raise ValueError("one device has nothing to divide: leave parallel out")
        return self


class Clock(Frozen):
    """How steps are timed: each, or n together with one synchronisation."""

    window: PositiveInt = Field(default=1, description="steps between two synchronisations; 1: every step is timed")


class Execution(Frozen):
    """How a network is run."""

    compilation: Compilation = Compilation()
    precision: Precision = Precision()
    recompute: Recompute = Recompute()
    accumulation: PositiveInt = Field(
        default=1, description="micro-batches whose gradients are added up to those of one batch"
    )
    operators: Operators = Operators()
    loading: Loading = Loading()
    world: World = World()
    clock: Clock = Clock()

    @property
    def is_graph(self) -> bool:
        """Whether the network is compiled."""
        return self.compilation.mode == "graph"

    def settings(self) -> dict[str, Any]:
        """What is set away from its default, by dotted names such as `precision.autocast`."""
        pairs = zip(every_setting(self), _usual_settings(type(self)), strict=True)
        return {name: value for (name, value), (_, usual) in pairs if value != usual}


@lru_cache(maxsize=2**10)
def every_setting(execution: Execution) -> tuple[tuple[str, Any], ...]:
    """All settings, set away from their default or not, by dotted names such as `precision.autocast`."""
    return tuple(_flat(execution, ""))


@cache
def _usual_settings(kind: type[Execution]) -> tuple[tuple[str, Any], ...]:
    return every_setting(kind())


def _flat(value: BaseModel, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in type(value).model_fields:
        inner = getattr(value, name)
        if isinstance(inner, BaseModel):
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


EAGER = Execution()
GRAPH = Execution(compilation=Compilation(mode="graph"))

OLD_WORDS = {"eager": EAGER, "compiled": GRAPH}
"""What records and certificates held in the place of an execution, when there was nothing more to say of it."""


def execution_of_old(text: str) -> Execution:
    """The execution that a word in an old record or certificate stands for; ValueError where it is none of them."""
    if text not in OLD_WORDS:
        raise ValueError(f"{text!r} is no execution; old files have {' or '.join(OLD_WORDS)}")
    return OLD_WORDS[text]


StoredExecution = Annotated[
    Execution, BeforeValidator(lambda stored: execution_of_old(stored) if isinstance(stored, str) else stored)
]
"""An execution as files of results hold it, old ones by a word."""
