"""A port, in a child process: `python -m harness.porting.parity.candidate FOLDER EXECUTION`, the execution as JSON."""

import importlib
import json
import math
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UserError, one_line
from harness.files import write_atomically
from harness.frameworks import open_framework
from harness.frameworks.base import Framework
from harness.models.ports import load_port
from harness.porting.parity import probing
from harness.porting.parity.exchange import (
    Answer,
    ParityPlan,
    Reference,
    Trial,
    answer_path,
    read_arrays,
)
from harness.porting.parity.naming import counterparts
from harness.porting.parity.probing import Probe
from harness.porting.parity.quantities import Array, ComparedArray, deviations
from harness.porting.parity.sample import Sample
from harness.porting.parity.sources import described
from harness.scenario.execution import Execution
from harness.worker.subject import prepare


def main(folder: Path, execution: Execution) -> dict[str, Any]:
    """Write an answer to every trial of the plan."""
    plan = ParityPlan.read(folder)
    try:
        subject = prepare(plan.scenario)
        framework = open_framework(plan.scenario.framework, plan.scenario.device, execution)
        for number, trial in enumerate(plan.trials):
            sample = Sample(subject, plan.scenario, trial.seed, plan.batch_size, plan.steps)
            answer = answer_of(framework, sample, trial, folder, lowered=plan.autocast != "none")
            write_atomically(answer_path(folder, execution, number), answer.model_dump_json())
    except UserError as error:
        return {"reason": str(error)}
    return {}


def answer_of(framework: Framework, sample: Sample, trial: Trial, folder: Path, *, lowered: bool) -> Answer:
    """One trial. A port that fails costs its own answer; of one in a lower format the whole network is compared."""
    subject = sample.subject
    try:
        framework.build(subject.package, subject.network, subject.domain, load_port(trial.port))
        framework.load(sample.weights)
        probe: Probe = importlib.import_module(f"{__package__}.{framework.describe().name}").Probe(framework)
        if not lowered:
            return _compare(probe, sample, trial, folder)
        os.chdir(folder)  # MindSpore leaves a network that it rewrites in the current folder
        return _answer(probe, sample, trial, folder, dict(probing.lowered(framework, sample)))
    except UserError:
        raise
    except Exception as error:
        traceback.print_exc()
        return Answer(reason=one_line(error))


def _compare(probe: Probe, sample: Sample, trial: Trial, folder: Path) -> Answer:
    """Everything there is; modules alone where they run op by op, since each is a graph of its own otherwise.

    What a module is given says nothing where it is another thing than in the reference, as a layer that takes the one
    before it along is.
    """
    reference = Reference.read(folder, trial.seed)
    calls, prediction = probe.record(sample)
    own = probing.first_calls(calls)
    names = counterparts([call.name for call in reference.calls], list(own))
    found = dict(probing.in_place(calls, prediction, names))
    if probe.framework.describe().execution == "eager":
        met = read_arrays(folder / f"inputs-{trial.seed}.npz")
        by_name = {theirs: own[ours] for ours, theirs in names.items()}
        for number, call in enumerate(reference.calls):
            if call.name in by_name:
                inputs = [values.astype(np.float32) for at, values in met.items() if at.name == call.name]
                if not probing.takes_as_much(by_name[call.name], inputs):
                    found = {at: values for at, values in found.items() if at[:2] != ("input", call.name)}
                found.update(probing.alone(probe, by_name[call.name], call, number, inputs, trial.seed))
    found.update(probing.whole(probe.framework, sample))
    only_here = tuple(name for name in own if name not in names)
    only_there = tuple(call.name for call in reference.calls if call.name not in names.values())
    answer = _answer(probe, sample, trial, folder, found)
    return answer.model_copy(update={"only_here": only_here, "only_in_reference": only_there})


def _answer(probe: Probe, sample: Sample, trial: Trial, folder: Path, found: Mapping[ComparedArray, Array]) -> Answer:
    off = deviations(found, read_arrays(folder / f"truth-{trial.seed}.npz"))
    return Answer(
        described=described(probe.framework.describe(), sample.subject.package, trial.port),
        deviations={quantity.key: value if math.isfinite(value) else None for quantity, value in off.items()},
    )


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Execution.model_validate_json(sys.argv[2]))))
