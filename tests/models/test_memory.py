"""Memory counted from a configuration, and the execution that fits a chip; without a framework."""

import numpy as np
import pytest
from domains import make_domain

from harness.errors import UserError
from harness.models import aigoms, fourcastnet, graphcast
from harness.models.activations import Activations, Block, Kept, tokens_block
from harness.models.domain import Domain, plain_channels
from harness.models.graphcast.memory import edge_counts, group_size
from harness.models.memory import GIB, RESERVE, fitting, step_memory
from harness.scenario import catalogue
from harness.scenario.chips import Figure
from harness.scenario.execution import EAGER, Execution, Precision, Recompute, World
from harness.scenario.schema import Stage, TrainingConfig

BLOCKS = Execution(recompute=Recompute(unit="blocks"))


def ranges(number):
    return Execution(recompute=Recompute(unit="ranges", ranges=number))


def training(batch_size=1, rollout_steps=1):
    stage = Stage(name="train", epochs=1, learning_rate=1e-3, rollout_steps=rollout_steps)
    return TrainingConfig(batch_size=batch_size, stages=(stage,))


def chip(gib):
    return catalogue.chip("a100").model_copy(update={"title": "Test chip", "memory_gib": Figure(value=gib, source="")})


def published(model, channels, forcings, statics):
    """A paper preset with the channels that were published."""
    found = catalogue.preset(model, "paper").preset
    rows, columns = found.grid
    domain = Domain(
        plain_channels([f"c{number}" for number in range(channels)]),
        latitude=np.linspace(90, -90, rows),
        longitude=np.linspace(0, 360, columns, endpoint=False),
        mask=np.broadcast_to(np.True_, (channels, rows, columns)),
        residual_scale=np.ones(channels, np.float32),
        forcings=tuple(f"f{number}" for number in range(forcings)),
        statics=tuple(f"s{number}" for number in range(statics)),
    )
    return found.network, domain, found.training


def test_edges_of_the_published_mesh():
    """Golden counts of google-deepmind/graphcast at 0.25 degrees; those from the grid follow the caps' mean area."""
    to_mesh, in_mesh, to_grid = edge_counts(graphcast.Network(mesh_refinement=6), 721 * 1440)
    assert (in_mesh, to_grid) == (327_660, 3_114_720)
    assert to_mesh == pytest.approx(1_618_746, rel=0.02)


@pytest.mark.parametrize(("steps", "size"), [(1, 1), (2, 2), (4, 2), (5, 3), (16, 4), (17, 5)])
def test_message_steps_are_grouped_by_the_root_of_their_number(steps, size):
    assert group_size(steps) == size


def test_a_block_of_tokens_counted_by_hand():
    """10 tokens of width 4, a hidden layer of 16, 3 modes of two parts: a token 11 widths and 4 numbers, 3 modes.

    In a lower precision what the two dense layers are given is in 16 bits, and what GELU is given is not.
    """
    block = tokens_block(rows=10, width=4, hidden=16, modes=6)
    kept = block.inputs + block.inside
    assert kept.products + kept.others == 10 * (11 * 4 + 4) + 3 * 6 * 4
    assert (block.inputs + block.inside).bytes(low=True) == 2 * 10 * 20 + 4 * (10 * 28 + 72)


def small():
    network = fourcastnet.Network(patch_size=4, embed_dim=64, depth=4)
    return fourcastnet, network, make_domain((64, 128), 3)


def needed(execution, **settings):
    return step_memory(*small(), training(**settings), execution)


def test_what_grows_with_what():
    one, eight = needed(EAGER), needed(EAGER, batch_size=8)
    assert (one.weights, one.optimiser) == (eight.weights, 2 * eight.weights)
    assert eight.activations == 8 * one.activations
    assert needed(Execution(accumulation=4), batch_size=8).activations == 2 * one.activations
    assert needed(Execution(accumulation=4), batch_size=8).batch == eight.batch
    assert 1.8 * one.activations < needed(EAGER, rollout_steps=2).activations < 2 * one.activations
    assert needed(BLOCKS, batch_size=8).activations < 0.5 * eight.activations
    offloaded = needed(Execution(recompute=Recompute(unit="offload")), batch_size=8)
    assert offloaded.activations < needed(BLOCKS, batch_size=8).activations


def test_a_lower_precision_halves_products_and_adds_a_copy_of_the_weights():
    whole, low = needed(EAGER), needed(Execution(precision=Precision(autocast="bf16")))
    assert low.weights == 1.5 * whole.weights
    assert 0.5 * whole.activations < low.activations < whole.activations
    assert low.optimiser == whole.optimiser
    rolled = needed(Execution(precision=Precision(autocast="bf16")), rollout_steps=3)
    assert rolled.weights == (1 + 3 / 2) * whole.weights
    anew = Execution(precision=Precision(autocast="bf16"), recompute=Recompute(unit="blocks"))
    assert needed(anew, rollout_steps=3).weights == 1.5 * whole.weights


@pytest.mark.parametrize(
    ("parallel", "weights", "optimiser"), [("data", 1, 1), ("sharded_optimiser", 1, 4), ("sharded", 4, 4)]
)
def test_devices_share_what_their_kind_of_parallelism_divides(parallel, weights, optimiser):
    one, found = needed(EAGER), needed(Execution(world=World(devices=4, parallel=parallel)))
    assert (found.weights, found.gradients) == (one.weights // weights, one.gradients // weights)
    assert found.optimiser == one.optimiser // optimiser


def test_what_is_gathered_or_added_up_is_whole():
    """Of 4 devices' parts: gradients of micro-batches wait for their exchange, ranges run with all weights there."""
    one = needed(EAGER, batch_size=2)
    world = World(devices=4, parallel="sharded")
    added = needed(Execution(world=world, accumulation=2), batch_size=2)
    assert (added.weights, added.gradients) == (one.weights // 4, one.gradients)
    pieces = needed(ranges(2).model_copy(update={"world": world}), batch_size=2)
    assert (pieces.weights, pieces.gradients) == (one.weights + one.weights // 4, one.gradients)
    alone = needed(ranges(2).model_copy(update={"accumulation": 2}), batch_size=2)
    assert (alone.weights, alone.gradients) == (one.weights, one.gradients)


def test_as_few_devices_as_hold_it_divide_the_network():
    network = fourcastnet.Network(patch_size=4, embed_dim=512, depth=4)
    subject = fourcastnet, network, make_domain((16, 32), 3)
    worlds = [World(devices=n, parallel=kind) for n in (2, 4) for kind in ("sharded_optimiser", "sharded")]
    least = [step_memory(*subject, training(), BLOCKS.model_copy(update={"world": w})).total for w in worlds]
    assert least[0] > least[1] > least[3]
    assert least[0] > least[2] > least[3]
    for number in (0, 1, 3):
        room = chip(1.001 * least[number] / GIB / (1 - RESERVE))
        assert fitting(*subject, training(), room, BLOCKS, worlds).world == worlds[number]
    with pytest.raises(UserError, match="a training step takes at least"):
        fitting(*subject, training(), room, BLOCKS)


def test_micro_batches_are_taken_before_anything_is_computed_twice():
    plain, halves, blocks = (
        needed(execution, batch_size=8).total / GIB / (1 - RESERVE) * 1.001
        for execution in (
            EAGER,
            Execution(accumulation=2),
            Execution(accumulation=8, recompute=Recompute(unit="blocks")),
        )
    )
    assert fitting(*small(), training(8), chip(plain), EAGER) == EAGER
    assert fitting(*small(), training(8), chip(halves), EAGER) == Execution(accumulation=2)
    found = fitting(*small(), training(8), chip(blocks), EAGER)
    assert (found.recompute.unit, found.accumulation) == ("blocks", 8)
    with pytest.raises(UserError, match=r"^a training step takes at least 0\.0 GiB .* Test chip leaves 0\.0 GiB: take"):
        fitting(*small(), training(8), chip(blocks / 2), EAGER)


def test_fitting_keeps_the_rest_of_the_execution():
    execution = Execution(precision=Precision(autocast="bf16"))
    plain = needed(execution, batch_size=8).total / GIB / (1 - RESERVE) * 0.9
    found = fitting(*small(), training(8), chip(plain), execution)
    assert found.precision == execution.precision
    assert found.accumulation == 2


def test_a_chip_without_a_known_memory_fits_nothing():
    with pytest.raises(UserError, match=r"^Test chip: its file gives no memory_gib"):
        fitting(*small(), training(), chip(None), EAGER)


def test_published_presets_take_less_than_20_gib():
    """AI-GOMS with blocks, GraphCast in 32 ranges; without, more than the 13 GiB and 100 GiB of their activations."""
    ocean = (aigoms, *published("aigoms", 61, 5, 1))
    assert 13 * GIB < step_memory(*ocean, EAGER).activations < 16 * GIB
    assert step_memory(*ocean, BLOCKS).total < 7 * GIB
    weather = (graphcast, *published("graphcast", 227, 5, 2))
    assert step_memory(*weather, EAGER).total > 100 * GIB
    assert 12 * GIB < step_memory(*weather, ranges(32)).total < 18 * GIB
    fitted = fitting(*weather, chip(24), EAGER)
    assert fitted.recompute.unit == "ranges"


def test_what_a_block_kept_is_gone_when_the_one_before_it_runs_back():
    """Bytes of float32: at the loss both blocks' 62 values; then 11 that the first one kept, and 100 of its own."""
    blocks = tuple(Block(Kept(others=1), Kept(others=kept), working) for kept, working in ((10, 100), (50, 0)))
    found = Activations(Kept(), blocks, 0)
    assert found.peak_bytes(steps=1, recomputes=False, offloads=False, low=False) == 4 * (11 + 100)
    assert found.peak_bytes(steps=1, recomputes=True, offloads=False, low=False) == 4 * (1 + 10 + 100)
    assert found.peak_bytes(steps=2, recomputes=False, offloads=False, low=False) == 4 * (62 + 11 + 100)
