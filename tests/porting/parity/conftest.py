"""Ports compared with the reference once for all tests, in the real children."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from small import small_scenario

from harness.porting.parity.check import run_child
from harness.porting.parity.exchange import Answer, ParityPlan, Reference, Trial, answer_path
from harness.porting.parity.judging import FACTOR, FACTOR_LOWERED, Judged, diagnose, judge
from harness.scenario.execution import EAGER

BATCH_SIZE, STEPS = 3, 4


@dataclass(frozen=True)
class Outcome:
    """A trial, what was found in it, and which layer departs."""

    trial: Trial
    answer: Answer
    judged: list[Judged]
    diagnosis: object


@pytest.fixture(scope="session")
def compare(tmp_path_factory):
    """compare(model, trials, execution): an outcome for each trial, in their order."""

    def run(model, trials, execution=EAGER):
        folder = tmp_path_factory.mktemp(model)
        plan = ParityPlan(
            scenario=small_scenario(model),
            trials=tuple(trials),
            batch_size=BATCH_SIZE,
            steps=STEPS,
            autocast=execution.precision.autocast,
        )
        plan.write(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
            run_child("reference", folder)
            run_child("candidate", folder, execution.model_dump_json())
        return [_outcome(folder, execution, number, trial) for number, trial in enumerate(plan.trials)]

    return run


def _outcome(folder, execution, number, trial):
    answer = Answer.model_validate_json(answer_path(folder, execution, number).read_bytes())
    reference = Reference.model_validate_json((folder / f"reference-{trial.seed}.json").read_bytes())
    lowered = execution.precision.autocast != "none"
    judged = judge(answer, reference, FACTOR_LOWERED if lowered else FACTOR)
    return Outcome(trial, answer, judged, diagnose(judged, reference.calls))
