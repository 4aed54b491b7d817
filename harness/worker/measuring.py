"""What a worker does: open a framework, build, train and infer, and leave what it measured.

Reads launch.json in the folder, writes measurements.json there as they come, and tells its progress on the file
descriptor that launch.json names. Everything it prints goes to its log.
"""

import os
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from harness.errors import UserError, one_line, refuse
from harness.faults import MACHINE, fault_in
from harness.files import write_atomically
from harness.frameworks import numerics as numerics_of
from harness.frameworks import open_framework
from harness.frameworks.base import Framework
from harness.launch.plan import LaunchPlan
from harness.machine.versions import unmet
from harness.models.executing import check_execution, operators_of
from harness.models.operators.choices import all_serving
from harness.models.parameters import fingerprint
from harness.models.sources import sources_digest
from harness.results import forecast
from harness.results.record import Definitions, Fingerprints, Memory, Startup, WorkerMeasurements
from harness.runners.reporter import Reporter
from harness.scenario import catalogue
from harness.scenario.scenario import Scenario
from harness.scenario.schema import InferenceConfig
from harness.worker import process_memory
from harness.worker.peak import Peak
from harness.worker.subject import Subject, prepare

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.data.windows import Windows

FAILED, USER_ERROR, OUT_OF_MEMORY = 1, 2, 3


def main(folder: Path, begun_s: float) -> int:
    """Run the launch in `folder`; the exit status says how it ended."""
    plan = LaunchPlan.read(folder)
    with os.fdopen(plan.progress_fd, "w", encoding="utf-8") as stream:
        reporter = Reporter(stream)
        try:
            measure(plan, folder, reporter, begun_s)
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


def measure(plan: LaunchPlan, folder: Path, reporter: Reporter, begun_s: float) -> None:
    """Build, train and infer; what has been measured is on disk after each part."""
    scenario, seed = plan.scenario, plan.seed
    reporter.tell("starting")
    execution = scenario.execution
    framework = open_framework(scenario.framework, scenario.device, execution)
    description = framework.describe()
    refuse([*unmet(plan.needs, description.packages)])
    catalogue.check_device(scenario.chip, plan.chip.device_name, description.device_name)
    imported_s = perf_counter()
    numerics = numerics_of.measure(framework, scenario.execution.precision.matmul, os.environ)
    measured_s = perf_counter()

    reporter.tell("reading data")
    from harness.data.normalisation import NORMALISATION
    from harness.runners import inference, training
    from harness.runners.first_calls import watched, with_first_calls

    subject = prepare(scenario)
    check_execution(subject.package, subject.domain.grid, execution, scenario.training.batch_size)
    windows, domain = subject.windows, subject.domain
    data_ready_s = perf_counter()
    counts_memory = process_memory.forget_peak()

    reporter.tell("building")
    weights = initial_weights(subject, plan)
    framework.build(subject.package, subject.network, domain)
    framework.load(weights)
    framework.synchronise()
    built_s = perf_counter()

    measured = WorkerMeasurements(
        framework=description,
        numerics=numerics,
        sources=sources_digest(subject.package, scenario.framework),
        fingerprints=Fingerprints(
            data=subject.data_fingerprint,
            initial_weights=fingerprint(weights),
            architecture=subject.architecture_fingerprint,
        ),
        data=windows.source.reading,
        definitions=Definitions(
            loss=subject.description.get("loss"),
            normalisation=NORMALISATION,
            inputs=windows.spec,
            forcings=domain.forcings if windows.spec.forcing_offsets else (),
            statics=domain.statics if windows.spec.statics else (),
            low_precision_layers=framework.low_precision_layers(),
            operators={
                **all_serving(execution.operators, operators_of(subject.package), description.name, description.device),
                "adam": framework.adam_kernel(),
            },
        ),
        parameters=subject.description["parameters"],
        startup=Startup(
            import_s=imported_s - begun_s, data_ready_s=data_ready_s - measured_s, model_built_s=built_s - data_ready_s
        ),
    )
    write_measurements(folder, measured, reporter)

    rest(framework, plan, "idle before", reporter)
    framework, calls = watched(framework, execution.is_graph)
    extras = partial(subject.training_extras, scenario.training.batch_size)
    rollouts = rollout_count(windows, scenario.inference)
    steps = training.total_steps(windows, scenario.training)
    reporter.expect(steps + scenario.inference.min_steps + rollouts)
    with profiling(plan, description.device, folder, steps or scenario.inference.min_steps) as (on_step, trace):
        trained = training.train(framework, windows, scenario.training, extras, seed, reporter, execution, on_step)
        measured = measured.model_copy(
            update={
                "training": with_first_calls(trained, calls.training_steps),
                "compiles": calls.compiles,
                "no_training": no_training(scenario),
                "profile": trace,
            }
        )
        write_measurements(folder, measured, reporter)
        peak = Peak(plan.chip, description.device_name, execution, numerics)
        peak.check_training(measured.training, subject, scenario.training.batch_size)
        latency = inference.latency(framework, windows, scenario.inference, reporter, plan.power.min_window_s, on_step)
    measured = measured.model_copy(update={"inference": latency})
    write_measurements(folder, measured, reporter)
    peak.check_inference(latency, subject)
    skill = None
    if scenario.inference.skill != "none":
        skill = inference.rollout(framework, windows, scenario.inference, reporter, folder / forecast.FILE_NAME)
    framework.synchronise()
    rest(framework, plan, "idle after", reporter)
    on_device = framework.peak_memory()
    memory = Memory(
        process_rss_bytes=process_memory.peak_bytes() if counts_memory else None,
        device_bytes=on_device.allocated_bytes,
        device_reserved_bytes=on_device.reserved_bytes,
    )
    found = {"skill": skill, "memory": memory, "compiles": calls.compiles}
    write_measurements(folder, measured.model_copy(update=found), reporter)


def rollout_count(windows: "Windows", config: InferenceConfig) -> int:
    """Batches of starts that are forecast from; 0 where nothing is scored."""
    return (
        0 if config.skill == "none" else len(windows.starts("test", config.longest_lead)) // config.rollout_batch_size
    )


def initial_weights(subject: Subject, plan: LaunchPlan) -> "dict[str, NDArray[np.float32]]":
    """The weights of the plan's file, or those drawn from the seed of the launch."""
    if plan.scenario.weights is None:
        return subject.initial_weights(plan.seed)
    return subject.weights_of(Path(plan.weights_file or ""), plan.scenario.weights.fingerprint)


def profiling(
    plan: LaunchPlan, device: str, folder: Path, steps: int
) -> AbstractContextManager[tuple[Callable[[], None], str | None]]:
    """The hook of a profiler and the name of its trace file; a hook that does nothing, and None, without one."""
    if not plan.profile:
        return nullcontext((lambda: None, None))
    from harness.runners.profiling import profiled

    return profiled(plan.scenario.framework, device, folder, steps)


def no_training(scenario: Scenario) -> str | None:
    """Why nothing is trained; None where something is."""
    if scenario.training.epochs:
        return None
    scored = "the drawn weights" if scenario.weights is None else f"those of {scenario.weights.file}"
    return f"epochs: 0, {scored} as they are"


def rest(framework: Framework, plan: LaunchPlan, name: str, reporter: Reporter) -> None:
    """A phase in which the device is open and does nothing; none where no power is measured."""
    if plan.power.idle_s > 0:
        framework.synchronise()
        reporter.tell(name)
        with reporter.phase(name):
            time.sleep(plan.power.idle_s)


def write_measurements(folder: Path, measured: WorkerMeasurements, reporter: Reporter) -> None:
    """Write what has been measured so far."""
    measured = measured.model_copy(update={"phases": tuple(reporter.phases)})
    write_atomically(folder / "measurements.json", measured.model_dump_json())
