"""An epoch of few steps: the first of what a whole one would be, in training and in validation."""

import pytest

from harness.data.config import RossbyConfig, Splits
from harness.data.opening import open_source
from harness.data.windows import Windows
from harness.models.domain import STATE_ALONE
from harness.runners import training
from harness.runners.reporter import Reporter
from harness.scenario.execution import EAGER, Execution, Loading
from harness.scenario.schema import Stage, TrainingConfig
from tests.runners.traced import Traced

BATCH = 4


@pytest.fixture(scope="module")
def windows():
    source = open_source(RossbyConfig(kind="rossby", time_steps=60), grid=(8, 16))
    found = Windows(source, Splits(train=0.6, validation=0.2, test=0.2), STATE_ALONE)
    found.normalise(source.read([0]))
    return found


class Counting(Traced):
    """Keeps what each training step was given, and how many batches it was evaluated on."""

    def __init__(self):
        super().__init__()
        self.given, self.evaluated = [], 0

    def train_step(self, x, *rest):
        self.given.append(float(x.sum()))
        return super().train_step(x, *rest)

    def evaluate(self, x, target):
        self.evaluated += 1
        return 0.5


def run(windows, most, execution=EAGER):
    config = TrainingConfig(
        batch_size=BATCH,
        stages=(Stage(name="a", epochs=2, learning_rate=1e-3, schedule="constant"),),
        max_steps_per_epoch=most,
    )
    framework = Counting()
    (stage,) = training.train(framework, windows, config, lambda epoch, random: (), 0, Reporter(), execution)
    assert training.total_steps(windows, config) == len(framework.given)
    return framework, stage


@pytest.mark.parametrize("execution", [EAGER, Execution(loading=Loading(prefetch=2))], ids=["plain", "prefetch"])
def test_the_first_steps_of_each_epoch_are_those_of_a_whole_one(windows, execution):
    whole, of_whole = run(windows, None, execution)
    batches = windows.batch_count("train", BATCH)
    few, stage = run(windows, 3, execution)
    assert batches > 3
    assert few.given == whole.given[:3] + whole.given[batches : batches + 3]
    assert [len(epoch.step_s) for epoch in stage.epochs] == [3, 3]
    assert stage.samples_per_epoch == 3 * BATCH
    samples = len(windows.starts("train", 1))
    for each in (stage, of_whole):
        assert each.samples_per_epoch + each.dropped_samples == samples


def test_the_validation_is_as_short(windows):
    assert windows.batch_count("validation", BATCH) == 2
    assert run(windows, 1)[0].evaluated == 2
    assert run(windows, None)[0].evaluated == 4


def test_more_than_there_are_changes_nothing(windows):
    assert run(windows, 10**6)[0].given == run(windows, None)[0].given
