"""What a worker does: open a framework, build, train and infer, and leave what it measured.

Reads launch.json in the folder, writes the measurements of its rank there as they come, and, as the first rank, tells
its progress on the file descriptor or pipe that launch.json names. Everything it prints goes to its log.
"""

import os
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import IO, TYPE_CHECKING

from harness.errors import UserError, one_line, refuse
from harness.faults import MACHINE, fault_in
from harness.files import write_atomically
from harness.frameworks import numerics as numerics_of
from harness.frameworks import open_framework
from harness.frameworks.base import Framework, FrameworkDescription, Numerics
from harness.frameworks.ranks import Ranks
from harness.launch.plan import LaunchPlan
from harness.machine.versions import unmet
from harness.models.executing import check_execution, operators_of
from harness.models.operators.choices import all_serving
from harness.models.parameters import fingerprint
from harness.models.ports import load_port, refuse_changed
from harness.models.sources import sources_digest
from harness.results.ranks import measurements_name
from harness.results.record import Definitions, Fingerprints, Memory, Startup, Status, WorkerMeasurements
from harness.runners.reporter import Reporter
from harness.scenario import catalogue
from harness.scenario.execution import Execution
from harness.scenario.scenario import Scenario
from harness.scenario.schema import InferenceConfig
from harness.worker import process_memory
from harness.worker.peak import Peak
from harness.worker.place import Place
from harness.worker.state import RankFile
from harness.worker.subject import Subject, prepare, require_same_data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.data.windows import Windows

FAILED, USER_ERROR, OUT_OF_MEMORY = 1, 2, 3


def main(folder: Path, begun_s: float, place: Place = Place()) -> int:  # noqa: B008
    """Run one rank of the launch in `folder`; the exit status says how it ended."""
    plan = LaunchPlan.read(folder)
    if place.is_needless:
        return 0
    if place.is_scheduler:
        open_framework(plan.scenario.framework, plan.scenario.device, plan.scenario.execution)
        return 0
    own_file = RankFile(folder, place)
    with listener(plan, place) as stream:
        reporter = RankReporter(stream, own_file)
        try:
            measure(plan, folder, reporter, begun_s, own_file)
            reporter.end("completed")
        except UserError as error:
            reporter.end("failed", str(error))
            return USER_ERROR
        except Exception as error:
            traceback.print_exc()
            fault = fault_in(str(error))
            reason = f"{one_line(error).rstrip('.')}: {fault.remedy}" if fault else one_line(error)
            if isinstance(error, MemoryError) or (fault and fault.kind == "memory"):
                reporter.end("out_of_memory", reason)
                return OUT_OF_MEMORY
            reporter.end("failed" if fault and fault.kind in MACHINE else "crashed", reason)
            return FAILED
    return 0


class RankReporter(Reporter):
    """A reporter that tells in the file of its rank, too, how the rank ends."""

    def __init__(self, stream: IO[str] | None, own_file: RankFile) -> None:
        super().__init__(stream)
        self._own_file = own_file

    def end(self, status: Status, reason: str | None = None) -> None:
        """Say how the rank ends, and why here where it failed."""
        self._own_file.end(status, reason)
        super().end(status, reason)


def listener(plan: LaunchPlan, place: Place) -> AbstractContextManager[IO[str] | None]:
    """Where the launch tells its progress, which its first rank alone does."""
    if place.number:
        return nullcontext()
    if plan.progress_path is None:
        return os.fdopen(plan.progress_fd, "w", encoding="utf-8")
    return Path(plan.progress_path).open("w", encoding="utf-8")


@dataclass(frozen=True, eq=False)
class Ready:
    """A rank whose framework has the network with its weights, and what is known before the first step."""

    framework: Framework
    description: FrameworkDescription
    numerics: Numerics
    subject: Subject
    known: WorkerMeasurements
    counts_memory: bool


class Kept:
    """What a rank has measured so far, on disk after each part."""

    def __init__(self, path: Path, reporter: Reporter, known: WorkerMeasurements) -> None:
        self._path, self._reporter, self._measured = path, reporter, known
        self.add()

    def add(self, **parts: object) -> None:
        """Add what was measured, and write all with the phases up to now."""
        self._measured = self._measured.model_copy(update={**parts, "phases": tuple(self._reporter.phases)})
        write_atomically(self._path, self._measured.model_dump_json())


def measure(plan: LaunchPlan, folder: Path, reporter: Reporter, begun_s: float, own_file: RankFile) -> None:
    """Build, train and infer; what has been measured is on disk after each part."""
    ready = make_ready(plan, reporter, begun_s, own_file)
    from harness.runners import inference, training
    from harness.runners.communication import communication
    from harness.runners.first_calls import watched, with_first_calls

    scenario, seed, rank = plan.scenario, plan.seed, ready.framework.ranks.rank
    execution, subject, windows = scenario.execution, ready.subject, ready.subject.windows
    kept = Kept(folder / measurements_name(rank.number), reporter, ready.known)

    rest(ready.framework, plan, "idle before", reporter)
    framework, calls = watched(ready.framework, execution.is_graph)
    whole = scenario.training.batch_size * rank.size
    extras = partial(subject.training_extras, whole)
    peak = Peak(plan.chip, ready.description.device_name, execution, ready.numerics)
    steps = training.total_steps(windows, scenario.training, rank.size)
    reporter.expect(steps + scenario.inference.min_steps + rollout_count(windows, scenario.inference, rank.size))
    profiled = profiling(
        plan, ready.description.device, traces_folder(folder, rank.number), steps or scenario.inference.min_steps
    )
    with profiled as (on_step, trace):
        trained = training.train(framework, windows, scenario.training, extras, seed, reporter, execution, on_step)
        trained = with_first_calls(trained, calls.training_steps)
        kept.add(training=trained, compiles=calls.compiles, no_training=no_training(scenario), profile=trace)
        peak.check_training(trained, subject, whole)
        latency = inference.latency(framework, windows, scenario.inference, reporter, plan.power.min_window_s, on_step)
    kept.add(inference=latency)
    peak.check_inference(latency, subject)
    skill = None
    if scenario.inference.skill != "none":
        beside = None if rank.number else folder
        skill = inference.rollout(framework, windows, scenario.inference, reporter, beside)
    require_same_data(scenario, subject)
    framework.synchronise()
    rest(framework, plan, "idle after", reporter)
    kept.add(skill=skill, memory=memory_of(framework, counts=ready.counts_memory), compiles=calls.compiles)
    exchange = None if plan.profile else communication(ready.framework, windows, scenario.training, extras, seed)
    if exchange is not None:
        kept.add(communication=exchange)
    ready.framework.ranks.leave()


def make_ready(plan: LaunchPlan, reporter: Reporter, begun_s: float, own_file: RankFile) -> Ready:
    """Open the framework and the data and build the network.

    Raises UserError where the launch would not be what its scenario says.
    """
    scenario = plan.scenario
    execution, batch_size = scenario.execution, scenario.training.batch_size
    reporter.tell("starting")
    framework = open_framework(scenario.framework, scenario.device, execution)
    own_file.joined()
    description = framework.describe()
    refuse([*unmet(plan.needs, description.packages)])
    catalogue.check_device(scenario.chip, plan.chip.device_name, description.device_name)
    imported_s = perf_counter()
    numerics = numerics_of.measure(framework, execution.precision.matmul, os.environ)
    measured_s = perf_counter()

    reporter.tell("reading data")
    subject = prepare(scenario)
    check_execution(subject.package, subject.domain.grid, execution, batch_size)
    data_ready_s = perf_counter()
    counts_memory = process_memory.forget_peak()

    reporter.tell("building")
    weights = initial_weights(subject, plan)
    fingerprints = Fingerprints(
        data=subject.data_fingerprint,
        initial_weights=fingerprint(weights),
        architecture=subject.architecture_fingerprint,
    )
    require_same_work(framework.ranks, fingerprints, subject, plan)
    port = None
    if scenario.port is not None:
        port = scenario.port.name
        refuse_changed(port, scenario.port.source)
    framework.build(subject.package, subject.network, subject.domain, load_port(port))
    framework.load(weights)
    framework.synchronise()
    built_s = perf_counter()
    known = WorkerMeasurements(
        framework=description,
        numerics=numerics,
        sources=sources_digest(subject.package, scenario.framework, port),
        fingerprints=fingerprints,
        data=subject.windows.source.reading,
        definitions=definitions_of(framework, description, subject, execution),
        parameters=subject.description["parameters"],
        startup=Startup(
            import_s=imported_s - begun_s, data_ready_s=data_ready_s - measured_s, model_built_s=built_s - data_ready_s
        ),
    )
    return Ready(framework, description, numerics, subject, known, counts_memory)


def require_same_work(ranks: Ranks, fingerprints: Fingerprints, subject: Subject, plan: LaunchPlan) -> None:
    """Raise UserError where ranks have other data, weights or samples than the first."""
    if ranks.rank.size == 1:
        return
    from harness.runners import training
    from harness.runners.agreement import require_agreement

    order = training.order_of_samples(subject.windows, plan.scenario.training, plan.seed, ranks.rank.size)
    require_agreement(ranks, {**fingerprints.model_dump(), "order of samples": order})


def definitions_of(
    framework: Framework, description: FrameworkDescription, subject: Subject, execution: Execution
) -> Definitions:
    """What the numbers of a launch mean."""
    from harness.data.normalisation import NORMALISATION

    domain, spec = subject.domain, subject.windows.spec
    return Definitions(
        loss=subject.description.get("loss"),
        normalisation=NORMALISATION,
        inputs=spec,
        forcings=domain.forcings if spec.forcing_offsets else (),
        statics=domain.statics if spec.statics else (),
        low_precision_layers=framework.low_precision_layers(),
        operators={
            **all_serving(execution, operators_of(subject.package), description.name, description.device),
            "adam": framework.adam_kernel(),
        },
    )


def memory_of(framework: Framework, *, counts: bool) -> Memory:
    """The peaks of the process, where the system counts them, and of its device."""
    on_device = framework.peak_memory()
    return Memory(
        process_rss_bytes=process_memory.peak_bytes() if counts else None,
        device_bytes=on_device.allocated_bytes,
        device_reserved_bytes=on_device.reserved_bytes,
    )


def rollout_count(windows: "Windows", config: InferenceConfig, ranks: int) -> int:
    """Batches of starts that a rank forecasts from; 0 where nothing is scored."""
    if config.skill == "none":
        return 0
    return len(windows.starts("test", config.longest_lead)) // (config.rollout_batch_size * ranks)


def initial_weights(subject: Subject, plan: LaunchPlan) -> "dict[str, NDArray[np.float32]]":
    """The weights of the plan's file, or those drawn from the seed of the launch."""
    if plan.scenario.weights is None:
        return subject.initial_weights(plan.seed)
    return subject.weights_of(Path(plan.weights_file or ""), plan.scenario.weights.fingerprint)


def traces_folder(folder: Path, rank: int) -> Path:
    """Where the trace of a rank goes: that of the first beside the record, each other in a folder of its own."""
    return folder / f"rank-{rank}" if rank else folder


def profiling(
    plan: LaunchPlan, device: str, folder: Path, steps: int
) -> AbstractContextManager[tuple[Callable[[], None], str | None]]:
    """The hook of a profiler and the name of its trace file; a hook that does nothing, and None, without one."""
    if not plan.profile:
        return nullcontext((lambda: None, None))
    from harness.runners.profiling import profiled

    folder.mkdir(exist_ok=True)
    return profiled(plan.scenario.framework, device, folder, steps)


def no_training(scenario: Scenario) -> str | None:
    """Why nothing is trained; None where something is."""
    if scenario.training.epochs:
        return None
    scored = "the drawn weights" if scenario.weights is None else f"those of {scenario.weights.file}"
    return f"epochs: 0, {scored} as they are"


def rest(framework: Framework, plan: LaunchPlan, name: str, reporter: Reporter) -> None:
    """A phase in which the devices of all ranks are open and do nothing; none where no power is measured."""
    if plan.power.idle_s > 0:
        from harness.runners.agreement import slowest

        framework.synchronise()
        slowest(framework.ranks, 0.0)
        reporter.tell(name)
        with reporter.phase(name):
            time.sleep(plan.power.idle_s)
