"""What two ranks' training steps of GraphCast's paper preset add to their memory, by what is divided among them."""

from pathlib import Path

import numpy as np
import pytest

from harness.models.memory import step_memory
from harness.scenario.schema import Stage, TrainingConfig
from tests.parallel.large import KINDS, execution, large
from tests.parallel.pytorch_ranks import run_ranks

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """Bytes by kind, of both ranks; what is freed goes back to the system at once."""
    folder = tmp_path_factory.mktemp("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")
        patch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
        run_ranks(Path(__file__).with_name("pytorch_drive_memory.py"), 2, folder).finished()
    found = [np.load(folder / f"memory-{rank}.npz") for rank in range(2)]
    return {kind: [int(rank[kind]) for rank in found] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_grows_each_rank_by_what_is_counted(added, kind):
    """Beside weights and batch, which are there before."""
    training = TrainingConfig(batch_size=1, stages=(Stage(name="train", epochs=1, learning_rate=1e-3),))
    needed = step_memory(*large(), training, execution(kind))
    expected = needed.gradients + needed.optimiser + needed.activations
    assert added[kind] == pytest.approx([expected, expected], rel=0.1)


def test_each_kind_holds_less_than_the_one_that_divides_less(added):
    assert max(added["sharded"]) < min(added["sharded_optimiser"])
    assert max(added["sharded_optimiser"]) < min(added["data"])
