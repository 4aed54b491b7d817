"""Ranks together see the batches of one rank, and score as it does."""

import numpy as np
import pytest

from harness.data.dealing import ALL, Share
from harness.data.opening import open_source
from harness.data.windows import Windows
from harness.runners.skill import Scorer, SkillTable
from harness.runners.training import order_of_samples
from harness.scenario import catalogue
from tests.runners.made_ranks import at_once


@pytest.fixture(scope="module")
def windows() -> Windows:
    """Those of a generated source."""
    config = catalogue.data("rossby")
    return Windows(open_source(config, grid=(8, 16)), config.splits)


@pytest.mark.parametrize(("samples", "size"), [(8, 2), (8, 4), (7, 3), (2, 3), (0, 2)])
def test_every_sample_of_a_batch_is_dealt_to_one_rank(samples, size):
    shares = [Share(number, size).of_batch(samples) for number in range(size)]
    assert [each for share in shares for each in range(samples)[share]] == list(range(samples))
    sizes = [share.stop - share.start for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert ALL.of_batch(samples) == slice(0, samples)


def test_two_ranks_see_the_batches_of_one_with_twice_the_size(windows):
    seed = (7, 0, 1)
    whole = [make() for make in windows.batch_tasks("train", 6, epoch_seed=seed, lead=2)]
    dealt = [windows.batch_tasks("train", 6, epoch_seed=seed, lead=2, share=Share(rank, 2)) for rank in (0, 1)]
    assert len(whole) == len(dealt[0]) == len(dealt[1])
    for batch, first, second in zip(whole, *dealt, strict=True):
        own, others = first(), second()
        assert len(own.inputs) == len(others.inputs) == 3
        np.testing.assert_array_equal(np.concatenate([own.inputs, others.inputs]), batch.inputs)
        np.testing.assert_array_equal(np.concatenate([own.targets, others.targets], axis=1), batch.targets)


def test_the_order_of_samples_is_known_by_seed_and_batch(windows):
    training = catalogue.preset("fourcastnet", "tiny").preset.training
    known = {order_of_samples(windows, training, seed, ranks) for seed in (0, 1) for ranks in (1, 2)}
    assert len(known) == 4
    assert order_of_samples(windows, training, 0, 2) in known


@pytest.mark.parametrize("size", [2, 3, 40])
def test_starts_of_forecasts_are_dealt_once_in_as_many_batches_to_each(windows, size):
    every = [start for rollout in windows.rollouts("test", (1, 2), 4) for start in rollout.starts]
    of_ranks = [list(windows.rollouts("test", (1, 2), 4, Share(rank, size))) for rank in range(size)]
    assert len({len(rollouts) for rollouts in of_ranks}) == 1
    assert sorted(start for rollouts in of_ranks for each in rollouts for start in each.starts) == every
    assert {len(each.inputs) for rollouts in of_ranks for each in rollouts} == {4}


def test_scores_of_summed_statistics_are_those_of_one_rank():
    random = np.random.default_rng(3)
    fields = random.normal(size=(3, 10, 2, 4, 8)).astype(np.float32)
    scorer = Scorer(("u", "v"), np.linspace(80, -80, 4), np.ones((2, 4, 8), bool))
    places = [("model", 6.0), ("persistence", 6.0)]

    def scored(of: slice) -> SkillTable:
        table = SkillTable(scorer)
        for forecaster, lead_h in places:
            table.add(forecaster, lead_h, *(each[of] for each in fields))
        return table

    def together(ranks):
        table = SkillTable(scorer) if ranks.rank.number == 2 else scored((slice(0, 7), slice(7, 10))[ranks.rank.number])
        table.sum_over(ranks, places)
        return table.scores()

    alone = scored(slice(0, 10)).scores()
    for found in at_once(3, together):
        assert [each.samples for each in found] == [10] * 4
        assert [each.channel for each in found] == [each.channel for each in alone]
        np.testing.assert_allclose([each.rmse for each in found], [each.rmse for each in alone], rtol=1e-14)
        np.testing.assert_allclose([each.acc for each in found], [each.acc for each in alone], rtol=1e-14)
