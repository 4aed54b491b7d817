"""The bytes that devices are counted to send are those that two real ranks send, by the kernel's count."""

import json
from pathlib import Path

import pytest

from harness.models.parameters import count
from harness.projection.work import prediction_work, step_work
from harness.scenario.execution import Execution
from tests.parallel.pytorch_ranks import run_ranks
from tests.projection.cases import CASES, training
from tests.projection.sent_bytes import KINDS, WAYS, name_of, predicted_by

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """Mean over the ranks of what each sends in a step."""
    folder = tmp_path_factory.mktemp("ranks")
    run_ranks(Path(__file__).with_name("drive_sent_bytes.py"), 2, folder).finished()
    ranks = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]
    return {name: sum(rank[name] for rank in ranks) / 2 for name in ranks[0]}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"rollout-{way[0]}-micro-batches-{way[1]}")
@pytest.mark.parametrize("kind", KINDS)
def test_what_devices_send_is_what_two_ranks_send(sent, kind, way):
    """Beside gradients and weights there are short messages of a few kilobytes a step.

    Gloo, which serves ranks on a CPU, has no kernel that reduces and scatters: it reduces, gathers, and throws away.
    """
    package, network, domain = CASES["fourcastnet"]
    rollout_steps, micro_batches = way
    execution = Execution.model_validate({"world": {"devices": 2, "parallel": kind}, "accumulation": micro_batches})
    work = step_work(package, network, domain, training(rollout_steps), execution, rollout_steps=rollout_steps)
    counted = work.by_class()["collective", "fp32"].bytes
    if kind == "sharded":
        reductions = 2 if rollout_steps > 1 and micro_batches > 1 else 1
        counted += reductions * 4 * count(package.parameters(network, domain)) // 2
    assert sent[name_of(kind, way)] == pytest.approx(counted, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_gathers_sharded_weights_and_sends_nothing_else(sent, kind):
    execution = Execution.model_validate({"world": {"devices": 2, "parallel": kind}})
    work = prediction_work(*CASES["fourcastnet"], 2, execution).by_class()
    counted = work["collective", "fp32"].bytes if kind == "sharded" else 0
    assert sent[predicted_by(kind)] == pytest.approx(counted, rel=0.02, abs=4096)
