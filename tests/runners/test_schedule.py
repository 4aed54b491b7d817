import math
import subprocess
import sys

import numpy as np
import pytest

from harness.errors import UserError
from harness.runners.schedule import learning_rates
from harness.scenario.schema import Stage
from tests.shared import REPOSITORY

PEAK = 1e-3


def rates(schedule, *, epochs=4, steps_per_epoch=5, warmup_steps=0):
    stage = Stage(name="s", epochs=epochs, learning_rate=PEAK, schedule=schedule, warmup_steps=warmup_steps)
    return learning_rates(stage, steps_per_epoch)


def test_constant_is_the_rate_of_the_stage():
    assert rates("constant").tolist() == [PEAK] * 20


def test_cosine_falls_once_an_epoch():
    by_hand = [PEAK, PEAK * (1 + math.sqrt(0.5)) / 2, PEAK / 2, PEAK * (1 - math.sqrt(0.5)) / 2]
    np.testing.assert_allclose(rates("cosine"), np.repeat(by_hand, 5), rtol=1e-12)


def test_cosine_steps_is_halfway_down_in_the_middle_of_what_the_warm_up_leaves():
    found = rates("cosine_steps", epochs=1, steps_per_epoch=28, warmup_steps=4)
    assert found[:5] == pytest.approx([0, PEAK / 4, PEAK / 2, 3 * PEAK / 4, PEAK])
    assert found[4 + 8] == pytest.approx(0.75 * PEAK)
    assert found[4 + 12] == pytest.approx(PEAK / 2)
    assert found[-1] == pytest.approx(PEAK * math.sin(math.pi / 48) ** 2)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_warm_up_multiplies_the_first_steps_alone(schedule):
    plain, warm = rates(schedule), rates(schedule, warmup_steps=8)
    np.testing.assert_allclose(warm[:8], plain[:8] * np.arange(8) / 8, rtol=1e-12)
    assert warm[8:].tolist() == plain[8:].tolist()


def test_warm_up_as_long_as_the_stage_is_refused():
    with pytest.raises(UserError, match="stage 's' has 20 steps, too few for warmup_steps 20"):
        rates("cosine_steps", warmup_steps=20)


@pytest.mark.slow
def test_rates_are_those_of_the_schedulers_of_torch():
    code = """
import torch, warnings
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, SequentialLR
warnings.simplefilter("ignore")
optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
warm = LambdaLR(optimiser, lambda step: step / 7)
schedule = SequentialLR(optimiser, [warm, CosineAnnealingLR(optimiser, T_max=33)], milestones=[7])
for _ in range(40):
    print(optimiser.param_groups[0]["lr"])
    optimiser.step()
    schedule.step()
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=REPOSITORY)
    expected = np.array([float(line) for line in done.stdout.splitlines()])
    found = rates("cosine_steps", epochs=8, steps_per_epoch=5, warmup_steps=7)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)
