"""Figures of chips that cannot be are refused where they are read, in one line that names them."""

import re

import pytest
import yaml

from harness.errors import UserError
from harness.scenario import catalogue
from tests.projection.test_projecting import OWN_CHIP

FIGURES = ("memory_gib", "bandwidth_gb_s", "power_cap_w", "idle_power_w", "launch_us", "link_gb_s")
CORES = re.compile(r"(\d+) cube cores x (\d+) operations a cycle x ([\d.]+) GHz")


def chip_of(tmp_path, **changes):
    path = tmp_path / "ours.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(OWN_CHIP) | changes))
    return catalogue.chip(str(path))


def refusal_of(tmp_path, **changes):
    with pytest.raises(UserError) as caught:
        chip_of(tmp_path, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("value", [0, -1.5])
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_above_0(tmp_path, name, value):
    assert re.search(
        rf"{name}\S*: .*greater than 0", refusal_of(tmp_path, **{name: {"value": value, "source": "ours"}})
    )


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_figure_is_finite(tmp_path, value):
    assert "must be a finite number" in refusal_of(tmp_path, launch_us={"value": value, "source": "ours"})


def test_a_peak_is_above_0(tmp_path):
    assert "peak_tflops.fp32" in refusal_of(tmp_path, peak_tflops={"fp32": {"value": 0, "source": "ours"}})


def test_null_stays_a_figure_that_nobody_knows(tmp_path):
    assert chip_of(tmp_path, memory_gib={"value": None, "source": "ours"}).memory_gib.value is None


@pytest.mark.parametrize("idle", [400, 401])
def test_a_chip_rests_below_its_cap(tmp_path, idle):
    said = refusal_of(tmp_path, idle_power_w={"value": idle, "source": "ours"})
    assert f"idle_power_w {idle} of Our card must be below its power_cap_w 400" in said
    assert chip_of(tmp_path, idle_power_w={"value": 399, "source": "ours"}).idle_power_w.value == 399


def test_so_does_every_variant_with_what_it_has_of_the_chip(tmp_path):
    slow = {"name": "slow", "pattern": "slow", "power_cap_w": {"value": 50, "source": "ours"}}
    assert "idle_power_w 50 of slow must be below its power_cap_w 50" in refusal_of(tmp_path, variants=[slow])
    hot = {"name": "hot", "pattern": "hot", "idle_power_w": {"value": 450, "source": "ours"}}
    assert "idle_power_w 450 of hot must be below its power_cap_w 400" in refusal_of(tmp_path, variants=[hot])
    chip_of(tmp_path, variants=[slow | {"idle_power_w": {"value": 20, "source": "ours"}}])


def test_a_peak_that_its_source_computes_is_what_it_computes():
    chips = map(catalogue.chip, catalogue.names("chips"))
    peaks = [peak for chip in chips for place in (chip, *chip.variants) for _, peak in place.peak_tflops or ()]
    computed = [(peak.value, found.groups()) for peak in filter(None, peaks) if (found := CORES.search(peak.source))]
    assert len(computed) == 12
    for value, (cores, operations, gigahertz) in computed:
        assert value == pytest.approx(int(cores) * int(operations) * float(gigahertz) / 1000, rel=1e-5)


@pytest.mark.parametrize("name", [name for name in catalogue.names("chips") if name != "cpu"])
def test_every_figure_says_where_it_was_read_or_what_was_looked_for(name):
    """A page that lists pages, as a gist of somebody's gists does, is no source."""
    chip = catalogue.chip(name)
    for place in (chip, *chip.variants):
        given = [getattr(place, figure) for figure in FIGURES] + [figure for _, figure in place.peak_tflops or ()]
        for figure in filter(None, given):
            assert len(figure.source) > 15
            assert figure.value is None or "https://" in figure.source, figure.source
            assert "gist.github.com" not in figure.source
