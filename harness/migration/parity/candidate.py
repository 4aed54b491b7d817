"""A port, in a child process: `python -m harness.migration.parity.candidate FOLDER EXECUTION`."""

import importlib
import json
import math
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.frameworks import open_framework
from harness.frameworks.base import Framework
from harness.migration.parity import probing
from harness.migration.parity.exchange import Answer, ParityPlan, Reference, Trial, read_arrays
from harness.migration.parity.naming import counterparts
from harness.migration.parity.ports import load_port
from harness.migration.parity.probing import Probe
from harness.migration.parity.quantities import deviations
from harness.migration.parity.sample import Sample
from harness.migration.parity.sources import described
from harness.record import write_atomically
from harness.subject import Subject, prepare
from harness.worker import one_line


def main(folder: Path, execution: str) -> dict[str, Any]:
    """Write EXECUTION-NUMBER.json for every trial of the plan."""
    plan = ParityPlan.read(folder)
    try:
        subject = prepare(plan.scenario)
        framework = open_framework(plan.scenario.framework, plan.scenario.device, compiled=execution == "compiled")
        for number, trial in enumerate(plan.trials):
            sample = Sample(subject, plan.scenario, trial.seed, plan.batch_size, plan.steps)
            answer = answer_of(framework, subject, sample, trial, folder, alone=execution == "eager")
            write_atomically(folder / f"{execution}-{number}.json", answer.model_dump_json())
    except UserError as error:
        return {"reason": str(error)}
    return {}


def answer_of(
    framework: Framework, subject: Subject, sample: Sample, trial: Trial, folder: Path, *, alone: bool
) -> Answer:
    """One trial; modules are run alone if `alone`. A port that fails costs its own answer."""
    try:
        framework.build(subject.package, subject.network, subject.domain, load_port(trial.port))
        framework.load(sample.weights)
        return _compare(framework, subject, sample, trial, folder, alone)
    except UserError:
        raise
    except Exception as error:
        traceback.print_exc()
        return Answer(reason=one_line(error))


def _compare(framework: Framework, subject: Subject, sample: Sample, trial: Trial, folder: Path, alone: bool) -> Answer:
    reference = Reference.model_validate_json((folder / f"reference-{trial.seed}.json").read_bytes())
    truth = read_arrays(folder / f"truth-{trial.seed}.npz")
    probe: Probe = importlib.import_module(f"{__package__}.{framework.describe().name}").Probe(framework)
    calls, prediction = probe.record(sample)
    own = probing.first_calls(calls)
    names = counterparts([call.name for call in reference.calls], list(own))
    found = dict(probing.in_place(calls, prediction, names))
    if alone:
        met = read_arrays(folder / f"inputs-{trial.seed}.npz")
        by_name = {theirs: own[ours] for ours, theirs in names.items()}
        for number, call in enumerate(reference.calls):
            if call.name in by_name:
                inputs = [values.astype(np.float32) for at, values in met.items() if at.name == call.name]
                found.update(probing.alone(probe, by_name[call.name], call, number, inputs, trial.seed))
    found.update(probing.whole(framework, sample))
    return Answer(
        described=described(framework.describe(), subject.package, trial.port),
        deviations={q.key: v if math.isfinite(v) else None for q, v in deviations(found, truth).items()},
        only_here=tuple(name for name in own if name not in names),
        only_in_reference=tuple(call.name for call in reference.calls if call.name not in names.values()),
    )


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
