"""What AI-GOMS says of itself without a framework."""

import numpy as np
import pytest
from aigoms_cases import SMALL, domain, shapes
from domains import make_domain

from harness.errors import UserError
from harness.models import architecture
from harness.models.aigoms import Network, check_grid, describe, input_spec, loss_weights, parameters, training_extras
from harness.models.parameters import count
from harness.scenario.catalogue import preset

GRID = (12, 20)
MASK = np.random.default_rng(0).random((3, *GRID)) > 0.3


def extras(epoch, seed=0, **others):
    return training_extras(Network(**{**SMALL, **others}), domain(MASK), 4, epoch, np.random.default_rng(seed))


def paper_domain():
    """T, S, U, V at 15 depths and the surface height; wind, temperature and two pressures of the air; topography."""
    air = ("u10", "v10", "t2m", "msl", "sp")
    return make_domain((720, 1440), np.ones((61, 1, 1), bool), forcings=air, statics=("topography",))


def test_the_entry_point_is_registered():
    assert architecture("aigoms").Network is Network


def test_paper_preset_has_the_parameters_of_the_reference_but_for_its_unused_layer_norm():
    paper = preset("aigoms", "paper").preset
    found = paper_domain()
    assert (paper.grid, found.inputs(input_spec(paper.network)), found.outputs) == ((720, 1440), 67, 61)
    pixels, width, decoder = 8 * 8, 512, 1024

    def block(d):
        filters = 2 * (2 * 8 * (d // 8) ** 2 + 2 * d)
        return 2 * 2 * d + filters + (d * 4 * d + 4 * d) + (4 * d * d + d)

    embedding, prediction = 67 * pixels * width + width, decoder * 61 * pixels + 61
    between = 2 * width + (width * decoder + decoder) + decoder
    by_hand = embedding + 12 * block(width) + between + 8 * block(decoder) + 2 * decoder + prediction
    assert by_hand == 104_951_357
    assert count(parameters(paper.network, found)) == by_hand
    assert describe(paper.network, found)["parameters"] == by_hand


def test_names_and_shapes_are_those_of_the_reference():
    assert {p.name: p.shape for p in parameters(Network(**SMALL), domain(MASK))} == shapes(SMALL)


def test_layers_start_from_the_distributions_of_the_reference():
    by_name = {p.name: (p.distribution, p.scale) for p in parameters(Network(**SMALL), domain(MASK))}
    patch, outputs = 6 * 2 * 2, 3 * 2 * 2
    assert by_name["patch_embed.proj.weight"] == ("uniform", pytest.approx((6 / (patch + 16)) ** 0.5))
    assert by_name["patch_embed.proj.bias"] == ("uniform", pytest.approx(patch**-0.5))
    assert by_name["decoder_pred.weight"] == by_name["decoder_pred.bias"] == ("uniform", pytest.approx(outputs**-0.5))
    assert by_name["decoder_embed.weight"] == ("uniform", pytest.approx((6 / (16 + 24)) ** 0.5))
    assert by_name["blocks.1.mlp.fc1.weight"] == ("uniform", pytest.approx((6 / (16 + 64)) ** 0.5))
    assert by_name["decoder_blocks.0.mlp.fc2.bias"] == ("constant", 0.0)
    assert by_name["mask_token"] == by_name["blocks.0.filter.b1"] == ("normal", 0.02)
    assert by_name["decoder_norm.weight"] == ("constant", 1.0)


def test_the_curriculum_by_default_is_that_of_the_paper():
    network = Network(**SMALL)
    ratios = [network.masking_ratio(epoch) for epoch in range(1, 62)]
    assert ratios == [0.0] * 3 + [0.75] * 17 + [0.25] * 20 + [0.0] * 21
    assert describe(network, domain(MASK))["hyperparameters"]["masking"][1] == {"last_epoch": 20, "ratio": 0.75}


@pytest.mark.parametrize(("epoch", "kept"), [(4, 15), (20, 15), (21, 45), (40, 45)])
def test_kept_tokens_are_found_again_where_restore_says(epoch, kept):
    keep, restore = extras(epoch)
    assert (keep.dtype, keep.shape, restore.dtype, restore.shape) == (np.int32, (4, kept), np.int32, (4, 60))
    for sample in range(4):
        assert np.array_equal(restore[sample][keep[sample]], np.arange(kept))
        assert np.array_equal(np.sort(restore[sample]), np.arange(60))


@pytest.mark.parametrize("epoch", [1, 3, 41, 1000])
def test_nothing_is_drawn_where_nothing_is_masked(epoch):
    assert extras(epoch) == ()


def test_samples_and_steps_hide_other_tokens_and_a_seed_the_same():
    (first, _), (again, _), (other, _) = extras(4), extras(4), extras(4, seed=1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len({tuple(sorted(sample)) for sample in first}) == 4


def test_every_token_is_hidden_equally_often():
    counts = np.zeros(60)
    random = np.random.default_rng(0)
    for _ in range(50):
        keep, _ = training_extras(Network(**SMALL), domain(MASK), 40, 4, random)
        counts += np.bincount(keep.ravel(), minlength=60)
    expected, spread = 2000 * 0.25, (2000 * 0.25 * 0.75) ** 0.5
    assert np.abs(counts - expected).max() < 4.5 * spread


def test_the_paper_sees_16200_tokens_and_a_quarter_of_them():
    paper = preset("aigoms", "paper").preset
    assert paper.network.sequence_lengths(paper.grid) == [16200, 12150, 4050]


def test_the_loss_weighs_what_the_mask_leaves():
    weights = loss_weights(Network(**SMALL), domain(MASK))
    assert weights.dtype == np.float32
    assert np.array_equal(weights == 1, MASK)
    assert np.array_equal(weights == 0, ~MASK)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"patch_size": 8}, r"patch_size 8 does not divide the grid 12x20; sizes that do: 1, 2, 4$"),
        ({"masking": [{"last_epoch": 2, "ratio": 0.99}]}, r"masking ratio 0\.99 leaves none of 60 tokens"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(network, message):
    with pytest.raises(UserError, match=message):
        check_grid(Network(**{**SMALL, **network}), GRID)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"decoder_embed_dim": 30}, "num_blocks 4 does not divide decoder_embed_dim 30"),
        ({"embed_dim": 18, "num_blocks": 2}, "embed_dim 18 must be divisible by 4"),
        ({"masking": [{"last_epoch": 4, "ratio": 0.5}] * 2}, "last_epoch must rise"),
    ],
)
def test_hyperparameters_that_contradict_each_other_are_refused(network, message):
    with pytest.raises(ValueError, match=message):
        Network(**{**SMALL, **network})
