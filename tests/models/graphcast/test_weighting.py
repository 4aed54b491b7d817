"""Weights of levels and variables in GraphCast's loss, against sums by hand."""

import numpy as np
import pytest
from domains import make_domain

from harness.data.config import ArchiveConfig
from harness.errors import UserError
from harness.models.domain import ChannelInfo
from harness.models.graphcast import Network, describe, loss_weights
from harness.models.graphcast.weighting import level_shares
from harness.scenario import catalogue
from harness.scenario.networks import network_on

PUBLISHED = {"t2m": 1.0, "u10": 0.1, "v10": 0.1, "msl": 0.1, "tp": 0.1}
LONG_NAMES = {
    "2m_temperature": 1.0,
    "10m_u_component_of_wind": 0.1,
    "10m_v_component_of_wind": 0.1,
    "mean_sea_level_pressure": 0.1,
    "total_precipitation_6hr": 0.1,
    "total_precipitation": 0.1,
    "sea_surface_temperature": 1.0,
}


def channels(levels, units=None, variable="T"):
    return [
        ChannelInfo(name=f"{variable}{level:g}", variable=variable, level=level, level_units=units) for level in levels
    ]


def means(infos, **settings):
    """Mean over the grid of each channel's weight: what multiplies its mean squared error."""
    domain = make_domain((6, 8), len(infos))
    domain = type(domain)(**{**vars(domain), "channels": tuple(infos)})
    return loss_weights(Network(mesh_refinement=0, **settings), domain).mean(axis=(1, 2)), domain


class TestLevels:
    @pytest.mark.parametrize("units", ["m", None])
    def test_layers_of_the_ocean_count_by_their_thickness(self, units):
        """0, 50 and 200 m: layers from 0 to 25, 25 to 125 and 125 to 275 m."""
        assert means(channels([0, 50, 200], units))[0] == pytest.approx(np.array([25, 100, 150]) / 275)

    def test_the_order_of_depths_does_not_matter(self):
        assert level_shares(channels([200, 0, 50], "m"), "auto") == pytest.approx(np.array([150, 25, 100]) / 275)

    @pytest.mark.parametrize(("level", "units"), [(0, "m"), (0, None), (500, "hPa"), (0.494, "m")])
    def test_a_single_level_has_the_whole_weight(self, level, units):
        assert means(channels([level], units))[0] == pytest.approx([1])

    def test_pressures_count_as_published(self):
        assert means(channels([500, 850, 1000], "hPa"))[0] == pytest.approx(np.array([500, 850, 1000]) / 2350)

    def test_the_mapping_may_choose(self):
        depths = channels([0, 50, 200], "m")
        assert means(depths, level_weights="uniform")[0] == pytest.approx([1 / 3] * 3)
        pressures = channels([500, 850, 1000], "hPa")
        assert means(pressures, level_weights="thickness")[0] == pytest.approx(np.array([675, 250, 150]) / 1075)
        with pytest.raises(UserError, match="level_weights 'level' gives nothing to a level of T at 0"):
            means(depths, level_weights="level")

    def test_each_variable_has_its_own_levels(self):
        found, _ = means([*channels([0, 100], "m"), *channels([0], "m", "S"), ChannelInfo(name="SSH", variable="SSH")])
        assert found == pytest.approx([1 / 3, 2 / 3, 1, 1])


class TestVariables:
    @pytest.mark.parametrize(("name", "weight"), [*LONG_NAMES.items(), *PUBLISHED.items()])
    def test_the_published_weight_is_found_under_each_name(self, name, weight):
        assert means([ChannelInfo(name="x", variable=name)])[0] == pytest.approx([weight])

    @pytest.mark.parametrize(
        ("standard_name", "level", "weight"),
        [
            ("air_pressure_at_mean_sea_level", None, 0.1),
            ("eastward_wind", None, 0.1),
            ("eastward_wind", 500.0, 1.0),
            ("precipitation_amount", None, 0.1),
            ("sea_surface_height_above_geoid", None, 1.0),
        ],
    )
    def test_or_under_its_standard_name(self, standard_name, level, weight):
        info = ChannelInfo(name="x", variable="field", level=level, level_units="hPa", standard_name=standard_name)
        assert means([info])[0] == pytest.approx([weight])

    def test_weights_of_a_scenario_may_use_any_name(self):
        infos = [ChannelInfo(name="u10", variable="u10"), ChannelInfo(name="p", variable="psl")]
        weights = {"10m_u_component_of_wind": 0.3, "mean_sea_level_pressure": 0.2}
        assert means(infos, variable_weights=weights)[0] == pytest.approx([0.3, 0.2])

    def test_the_wind_at_a_level_is_not_that_at_ten_metres(self):
        infos = [ChannelInfo(name="u10", variable="u_component_of_wind", level=10.0, level_units="hPa")]
        assert means(infos)[0] == pytest.approx([1.0])


class TestDescription:
    def loss(self, infos, **settings):
        network = Network(mesh_refinement=0, **settings)
        return describe(network, means(infos)[1])["loss"], network

    def test_what_was_used_is_said(self):
        assert self.loss(channels([0, 50], "m"))[0].endswith("; levels: thickness of the layer")
        assert self.loss(channels([0, 50], "m"), level_weights="uniform")[0].endswith("; levels: the same for all")
        found, _ = self.loss([ChannelInfo(name="p", variable="mean_sea_level_pressure")])
        assert found.endswith("; weights of variables: mean_sea_level_pressure 0.1 as msl")

    def test_the_published_loss_is_described_as_before(self):
        """So that networks of older records are still the same ones."""
        found, network = self.loss([*channels([500, 850], "hPa", "z"), ChannelInfo(name="t2m", variable="t2m")])
        assert (
            found
            == "squared error of the normalised residual, weighted by area, level and variable, summed over variables"
        )
        assert "level_weights" not in network.model_dump(mode="json")

    def test_a_choice_is_part_of_the_network(self):
        assert Network(mesh_refinement=0, level_weights="uniform").model_dump()["level_weights"] == "uniform"


def test_a_mapping_chooses_through_its_overrides():
    mapping = {
        "kind": "archive",
        "files": "*.nc",
        "channels": [{"name": "T", "variable": "T", "units": "degC"}],
        "model_overrides": {"graphcast": {"level_weights": "uniform"}},
    }
    found = catalogue.preset("graphcast", "tiny")
    assert network_on(found, ArchiveConfig(**mapping), "mine", (32, 64))["level_weights"] == "uniform"
    without = ArchiveConfig(**{**mapping, "model_overrides": {}})
    assert "level_weights" not in network_on(found, without, "mine", (32, 64))
