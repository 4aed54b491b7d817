import math

import numpy as np
import pytest
from cases import GRAPHCAST, graphcast_shapes
from domains import make_domain

from harness.errors import UserError
from harness.models import architecture
from harness.models.graphcast import Network, check_grid, describe, input_spec, loss_weights, parameters
from harness.models.parameters import Parameter, count, draw

LEVELS_37 = [1, 2, 3, 5, 7, 10, 20, 30, 50, 70, *range(100, 251, 25), *range(300, 751, 50), *range(775, 1001, 25)]
SURFACE = ("t2m", "u10", "v10", "msl", "tp")
ON_LEVELS = ("t", "z", "u", "v", "w", "q")


def published_domain(rows=3, columns=4):
    channels = [(name, name, None) for name in SURFACE]
    channels += [(f"{name}_{level}", name, float(level)) for name in ON_LEVELS for level in LEVELS_37]
    forcings = ("toa", "sin_year", "cos_year", "sin_day", "cos_day")
    return make_domain((rows, columns), len(channels), channels=channels, forcings=forcings, statics=("z_sfc", "lsm"))


def test_the_paper_preset_has_the_parameters_counted_by_hand():
    """An MLP from n to w with one hidden layer has n w + w + w w + w values and 2 w of its LayerNorm.

    Published sizes: 5 + 6 * 37 = 227 channels, of two times; 5 forcings at three times; 2 static fields; 3 features.
    """
    w, outputs = 512, 227
    inputs = 2 * outputs + 3 * 5 + 2
    assert inputs + 3 == 474

    def mlp(n):
        return n * w + w * w + 4 * w

    embeddings = 2 * mlp(inputs + 3) + 3 * mlp(4)
    a_step = mlp(3 * w) + mlp(2 * w)
    head = w * w + w + w * outputs + outputs
    expected = embeddings + mlp(w) + 18 * a_step + head
    assert expected == 35_821_795
    domain, network = published_domain(), Network(mesh_refinement=6)
    assert domain.outputs == outputs
    assert domain.inputs(input_spec(network)) == inputs
    assert count(parameters(network, domain)) == expected
    assert describe(network, domain)["parameters"] == expected


@pytest.mark.parametrize("name", GRAPHCAST)
def test_parameters_have_the_names_and_shapes_of_the_mlps_of_the_reference(name):
    case = GRAPHCAST[name]
    found = {p.name: p.shape for p in parameters(Network(**case.network), case.domain)}
    assert found == graphcast_shapes(case.network, 12, 4)


def test_weights_start_as_haiku_draws_them():
    for parameter in parameters(Network(mesh_refinement=1, latent_size=8, message_steps=1), published_domain()):
        if parameter.name.endswith("norm.weight"):
            assert (parameter.distribution, parameter.scale) == ("constant", 1.0)
        elif parameter.name.endswith("bias"):
            assert (parameter.distribution, parameter.scale) == ("constant", 0.0)
        else:
            assert (parameter.distribution, parameter.scale) == ("truncated_normal", parameter.shape[1] ** -0.5)


def test_a_truncated_normal_has_the_moments_of_the_cut_density():
    size = 200_000
    values = draw([Parameter("w", (size,), "truncated_normal", 0.5)], 3)["w"].astype(np.float64) / 0.5
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    variance = 1 - 4 * density / math.erf(math.sqrt(2))
    assert abs(values.mean()) < 4 * math.sqrt(variance / size)
    assert abs(values.var() / variance - 1) < 4 * math.sqrt(2 / size)
    assert 1.999 < np.abs(values).max() <= 2


def test_the_entry_point_leads_here():
    assert architecture("graphcast").Network is Network


def test_a_mesh_finer_than_the_grid_is_refused_with_both_sizes():
    with pytest.raises(UserError, match=r"mesh_refinement 4 gives 2,562 mesh nodes.* 2,048 points of the grid 32x64"):
        check_grid(Network(mesh_refinement=4), (32, 64))
    check_grid(Network(mesh_refinement=3), (32, 64))
    check_grid(Network(mesh_refinement=6), (721, 1440))


def test_the_fingerprint_tells_networks_apart():
    one = describe(Network(mesh_refinement=2), published_domain())
    assert one == describe(Network(mesh_refinement=2), published_domain())
    assert one != describe(Network(mesh_refinement=3), published_domain())
    assert one != describe(Network(mesh_refinement=2), published_domain(rows=4))


def test_loss_weights_of_the_published_variables():
    weights, domain = loss_weights(Network(mesh_refinement=1), published_domain()), published_domain()
    assert weights.dtype == np.float32
    means = dict(zip((channel.name for channel in domain.channels), weights.mean(axis=(1, 2)), strict=True))
    assert means["t2m"] == pytest.approx(1)
    assert [means[name] for name in SURFACE[1:]] == pytest.approx([0.1] * 4)
    assert sum(means[f"q_{level}"] for level in LEVELS_37) == pytest.approx(1)
    assert means["z_500"] == pytest.approx(500 / sum(LEVELS_37))
    np.testing.assert_allclose(weights[0, :, 0], np.array([1, 2, 1]) * 3 / 4, rtol=1e-6)


def test_a_weight_of_the_scenario_replaces_that_of_the_reference():
    network = Network(mesh_refinement=1, variable_weights={"z": 2.0})
    means = loss_weights(network, published_domain()).mean(axis=(1, 2))
    assert means[:5] == pytest.approx([1.0] * 5)
    assert means[5 + 37 : 5 + 2 * 37].sum() == pytest.approx(2)


def test_points_that_do_not_count_and_channels_that_never_change_have_no_weight():
    mask = np.ones((3, 4, 5), dtype=bool)
    mask[1, :2], mask[2] = False, False
    domain = make_domain((4, 5), mask, residual_scale=np.array([0.0, 0.5, 1.0], np.float32))
    weights = loss_weights(Network(mesh_refinement=0), domain)
    assert not weights[0].any()
    assert not weights[2].any()
    assert np.array_equal(weights[1] > 0, mask[1])
    assert weights[1].mean() == pytest.approx(1 / 0.5**2)
