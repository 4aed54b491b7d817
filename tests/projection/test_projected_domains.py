"""Samples, channels and grid of data that need not be here are those of the data themselves."""

import pytest

from harness.data.opening import open_source
from harness.data.windows import Windows
from harness.models import graphcast
from harness.projection.domains import domain_of, training_samples
from harness.scenario import catalogue


@pytest.mark.parametrize(
    ("name", "model"), [("rossby", "fourcastnet"), ("rossby_forced", "graphcast"), ("ocean", "aigoms")]
)
@pytest.mark.parametrize("rollout_steps", [1, 2])
def test_samples_and_domain_are_those_of_the_data(name, model, rollout_steps):
    from harness.architectures import architecture

    config, preset = catalogue.data(name), catalogue.preset(model, "tiny").preset
    package = architecture(model)
    spec = package.input_spec(preset.network)
    source = open_source(config, grid=preset.grid)
    windows = Windows(source, config.splits, spec)
    assert training_samples(config, spec, rollout_steps) == len(windows.starts("train", rollout_steps))
    domain = domain_of(config, preset.grid)
    assert (domain.outputs, domain.forcings, domain.statics) == (len(source.channels), source.forcings, source.statics)


def test_channels_of_an_archive_are_known_without_it():
    config = catalogue.data("era5_graphcast13")
    domain = domain_of(config, (181, 360))
    assert domain.outputs == 83
    assert (
        training_samples(config, graphcast.input_spec(catalogue.preset("graphcast", "tiny").preset.network), 1) is None
    )
