"""The first call of each shape, which compiles a graph, timed apart from all others.

AI-GOMS changes the shape of its inputs with each phase of its masking, so that graphs are compiled in the midst of a
training, inside an epoch whose other steps are steady.
"""

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, TypeVar, cast

from numpy.typing import NDArray

from harness.errors import UserError
from harness.frameworks.base import Compile, Framework, Sinks
from harness.results.record import TrainingStage
from harness.scenario.schema import OptimiserConfig

Result = TypeVar("Result")


class CompileError(RuntimeError):
    """The first call of a shape failed, in one line."""


class FirstCalls:
    """A framework that compiles, with its calls watched: `compiles` and `training_steps` say which were the first.

    A first call is a training step, an evaluation or a prediction with inputs of new shapes, or the first of a stage,
    after which the framework tells of a new graph. The device is idle when it begins and when it ends. All else is
    passed on to the framework.
    """

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._seen: set[tuple[str, str]] = set()
        self._steps = 0
        self.compiles: tuple[Compile, ...] = ()
        self.training_steps: tuple[int, ...] = ()
        """The training steps among `compiles`, counted from 0 over all stages."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._framework, name)

    def start_stage(self, optimiser: OptimiserConfig, learning_rates: NDArray[Any], rollout_steps: int) -> None:
        """A fresh optimiser, with which a framework may compile its steps anew."""
        self._seen = {(what, shape) for what, shape in self._seen if what != "train_step"}
        self._framework.start_stage(optimiser, learning_rates, rollout_steps)

    def train_step(self, x: Any, targets: Any, forcings: Any = None, extras: Sequence[Any] = ()) -> Any:
        """One optimiser step; see Framework."""
        inputs = (x, targets, *(() if forcings is None else (forcings,)), *extras)
        before = len(self.compiles)
        loss = self._watched("train_step", inputs, lambda: self._framework.train_step(x, targets, forcings, extras))
        if len(self.compiles) > before:
            self.training_steps = (*self.training_steps, self._steps)
        self._steps += 1
        return loss

    def evaluate(self, x: Any, target: Any) -> Any:
        """The loss of one step ahead; see Framework."""
        return self._watched("evaluate", (x, target), lambda: self._framework.evaluate(x, target))

    def predict(self, x: Any) -> Any:
        """The state one step later; see Framework."""
        return self._watched("predict", (x,), lambda: self._framework.predict(x))

    def _watched(self, what: str, inputs: Sequence[Any], call: Callable[[], Result]) -> Result:
        shape = " ".join("x".join(map(str, each.shape)) or "scalar" for each in inputs)
        if (what, shape) in self._seen:
            return call()
        self._seen.add((what, shape))
        before = self._framework.graphs()
        self._framework.synchronise()
        begun_s = perf_counter()
        try:
            result = call()
            self._framework.synchronise()
        except (MemoryError, UserError):
            raise
        except Exception as error:
            if "memory" in str(error).lower():
                raise
            raise CompileError(f"first call of {what} with inputs {shape}: {meaningful_line(error)}") from error
        taken_s = perf_counter() - begun_s
        after = self._framework.graphs()
        if after.made > before.made:
            warm = None if after.built is None else after.built == before.built
            self.compiles = (*self.compiles, Compile(what=what, shape=shape, s=taken_s, warm=warm))
        return result


class FirstCallsOfASink(FirstCalls):
    """The same for a framework whose device may take its batches from a queue of its own."""

    def sunk_steps(self, tasks: Sequence[Callable[[], tuple[NDArray[Any], ...]]], workers: int) -> Iterator[Any]:
        """The losses; see Sinks. The first step of a stage counts as its compilation, as its graph is hidden."""
        steps = self._framework.sunk_steps(tasks, workers)  # type: ignore[attr-defined]
        key = ("train_step", "from the queue")
        for _ in tasks:
            begun_s = perf_counter()
            loss = next(steps)
            if key not in self._seen:
                self._framework.synchronise()
                self._seen.add(key)
                self.compiles = (
                    *self.compiles,
                    Compile(what=key[0], shape=key[1], s=perf_counter() - begun_s, warm=None),
                )
                self.training_steps = (*self.training_steps, self._steps)
            self._steps += 1
            yield loss


def watched(framework: Framework, is_graph: bool) -> tuple[Framework, FirstCalls]:
    """The framework to run with, whose first calls are watched where it compiles, and what will tell of them."""
    calls = FirstCallsOfASink(framework) if isinstance(framework, Sinks) else FirstCalls(framework)
    return (cast(Framework, calls) if is_graph else framework), calls


def meaningful_line(error: BaseException) -> str:
    """What went wrong, in the first line of an error that says so: that of a compiler, or the first that is no heading.

    Lines of hyphens, as MindSpore draws them, and lines that end in a colon are headings.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -")]
    of_compiler = [line for line in lines if " error: " in line]
    sentences = [line for line in lines if not line.endswith(":")]
    told = next(iter((*of_compiler, *sentences, *lines)), "no message")
    return f"{type(error).__name__}: {told}"


def with_first_calls(stages: Sequence[TrainingStage], steps: Sequence[int]) -> tuple[TrainingStage, ...]:
    """The stages, each epoch told which of its steps compiled; `steps` count from 0 over all stages."""
    marked, begun = [], 0
    for stage in stages:
        epochs = []
        for epoch in stage.epochs:
            count = len(epoch.step_s)
            first = tuple(step - begun for step in steps if begun <= step < begun + count)
            epochs.append(epoch.model_copy(update={"first_calls": first}))
            begun += count
        marked.append(stage.model_copy(update={"epochs": tuple(epochs)}))
    return tuple(marked)
