"""Ports compared with the reference once for all tests, in one child a framework and mode."""

from dataclasses import dataclass

import pytest
from small import small_scenario

from harness.porting.parity import check
from harness.porting.parity.exchange import Answer, ParityPlan, Reference, Trial, answer_path
from harness.porting.parity.judging import FACTOR, FACTOR_LOWERED, Judged, diagnose, judge
from harness.scenario.execution import EAGER

BATCH_SIZE, STEPS = 3, 2


@dataclass(frozen=True)
class Outcome:
    """A trial, what was found in it, and which layer departs."""

    trial: Trial
    answer: Answer
    judged: list[Judged]
    diagnosis: object


@pytest.fixture(scope="session")
def compare(server, tmp_path_factory):
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
        candidates = server(f"candidates, {execution.compilation.mode}", OMP_NUM_THREADS="1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(check, "ask_child", server("pytorch").ask_child)
            check.run_child("reference", folder)
            patch.setattr(check, "ask_child", candidates.ask_child)
            check.run_child("candidate", folder, execution.model_dump_json())
        return [_outcome(folder, execution, number, trial) for number, trial in enumerate(plan.trials)]

    return run


def _outcome(folder, execution, number, trial):
    answer = Answer.model_validate_json(answer_path(folder, execution, number).read_bytes())
    reference = Reference.model_validate_json((folder / f"reference-{trial.seed}.json").read_bytes())
    lowered = execution.precision.autocast != "none"
    judged = judge(answer, reference, FACTOR_LOWERED if lowered else FACTOR)
    return Outcome(trial, answer, judged, diagnose(judged, reference.calls))
