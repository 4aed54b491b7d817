"""Figures of spectra and of errors on the map: what they show of several launches, and what they say without."""

import itertools

import matplotlib.collections as collections
import numpy as np
import pytest
from drawing import one
from made_records import make_record
from made_study import made_errors, made_spectra

from harness.analysis.figures import rendered, rmse_maps, spectra, spectra_by_degree
from harness.analysis.quantities.spectra import ratio


def add(results, *kept, name):
    for launch, content in enumerate(kept):
        content.save(results.add(make_record(launch=launch)).with_name(name))


def add_spectra(results, *kept):
    add(results, *kept, name="spectra.npz")


def add_errors(results, *kept):
    add(results, *kept, name="error-maps.npz")


class TestSpectra:
    def test_ratios_are_medians_over_launches_with_their_range(self, results):
        add_spectra(results, *map(made_spectra, (0.5, 0.25, 0.75)))
        item = one(results, spectra)
        rows = item.data.set_index(["lead_h", "zonal_wavenumber"])
        for wavenumber in range(9):
            row = rows.loc[(24.0, wavenumber)]
            assert (row.ratio_min, row.ratio_median, row.ratio_max) == pytest.approx((0.25, 0.5, 0.75))
            assert row.truth_power == pytest.approx((wavenumber + 1.0) ** -3)
            assert row.forecast_power == pytest.approx(0.5 * row.truth_power)
            assert rows.loc[(6.0, wavenumber)].ratio_median == pytest.approx(1.0)
        assert np.isnan(rows.loc[(24.0, 9)].ratio_median)
        assert "beyond the rounding of float32" in item.caption
        above, below = item.figure.axes
        assert above.get_title() == "z (m)"
        assert below.get_xlabel() == "Zonal wavenumber"
        solid = next(line for line in below.lines if line.get_label() == "pytorch eager, 24 h")
        assert list(solid.get_xdata()[:8]) == list(range(1, 9))
        assert list(solid.get_ydata()[:8]) == pytest.approx([0.5] * 8)
        assert any(isinstance(each, collections.PolyCollection) for each in below.collections)
        rendered(item.figure, "png")
        labels = [text.get_text() for axes in (above, below) for text in axes.get_yticklabels()]
        assert "10⁻²" in labels
        assert "0.5" in labels
        assert min(axes.get_window_extent().width for axes in (above, below)) > 100

    def test_circles_that_do_not_count_are_said(self, results):
        add_spectra(results, made_spectra(0.5, rows=np.array([7])))
        assert (
            "Of 32 circles those count that have values all round the globe: 7 of z." in one(results, spectra).caption
        )

    def test_lines_bear_the_markers_of_the_legend(self, results):
        """Those alone tell the cells of one machine apart where colours are machines; one has two separate points."""
        gaps = made_spectra(0.5)
        gaps.truth[:, :, [1, 2, 3, 5, 6, 7, 8]] = 0.0
        for host, kept in (("aaaa11112222", made_spectra(0.5)), ("bbbb33334444", gaps)):
            for framework in ("pytorch", "mindspore"):
                path = results.add(make_record(framework, host=host, attempt=f"{framework}-{host}"))
                kept.save(path.with_name("spectra.npz"))
        figure = one(results, spectra).figure
        cells = figure.legends[0].legend_handles[:4]
        assert len({(each.get_color(), each.get_marker()) for each in cells}) == 4
        for axes, each in itertools.product(figure.axes, cells):
            looks = [(line.get_color(), line.get_marker()) for line in axes.lines if len(line.get_xdata())]
            assert (each.get_color(), each.get_marker()) in looks

    @pytest.mark.filterwarnings("error")
    def test_a_forecast_that_blew_up_is_said(self, results):
        add_spectra(results, made_spectra(np.inf), made_spectra(np.nan))
        item = one(results, spectra)
        assert "blew up" in item.caption
        rendered(item.figure, "png")

    def test_without_any_it_says_what_they_take(self, results):
        results.add(make_record())
        assert "it takes a grid that goes round the globe" in one(results, spectra).reason

    def test_those_by_degree_have_a_figure_of_their_own(self, results):
        add(results, made_spectra(0.5), made_spectra(0.25), name="spectra-by-degree.npz")
        item = one(results, spectra_by_degree)
        assert item.name.startswith("spectra_by_degree-")
        rows = item.data.set_index(["lead_h", "degree"])
        assert rows.loc[(24.0, 3)].ratio_median == pytest.approx(0.375)
        assert "by degree of spherical harmonics" in item.caption
        assert item.figure.axes[1].get_xlabel() == "Total wavenumber"
        assert "spectra.npz: it takes a grid that goes round" in one(results, spectra).reason

    def test_an_ocean_has_none_by_degree_and_is_told_why(self, results):
        add_spectra(results, made_spectra(0.5))
        assert "a variable with values at all points" in one(results, spectra_by_degree).reason

    def test_a_power_that_is_rounding_beside_all_others_has_no_ratio(self):
        truth = np.ones((2, 1, 17))
        truth[..., 3] = 1e-16
        found = ratio(made_spectra(0.5, truth=truth, forecast=0.5 * truth))
        assert np.flatnonzero(np.isnan(found[1, 0])).tolist() == [3]
        assert np.nanmin(found) == np.nanmax(found) == 0.5

    def test_launches_of_another_layout_are_left_out(self, results):
        add_spectra(results, made_spectra(0.5), made_spectra(0.7, lead_h=np.array([6.0, 12.0])))
        assert set(one(results, spectra).data["launches"]) == {1}


class TestMaps:
    def test_launches_are_pooled_point_by_point(self, results):
        add_errors(results, made_errors(3.0), made_errors(5.0))
        item = one(results, rmse_maps)
        assert list(item.data.columns[-2:]) == ["rmse_6h", "rmse_24h"]
        assert item.data["rmse_24h"].iloc[1:].to_numpy() == pytest.approx(np.sqrt((9 + 25) / 2))
        assert np.isnan(item.data["rmse_24h"].iloc[0])
        assert "2 launches (8 forecasts)" in item.caption
        meshes = [
            each for axes in item.figure.axes for each in axes.collections if isinstance(each, collections.QuadMesh)
        ]
        assert [mesh.get_array().shape for mesh in meshes[:2]] == [(3, 4), (3, 4)]
        assert meshes[0].get_clim() == meshes[1].get_clim() == (0, pytest.approx(np.sqrt(17)))

    @pytest.mark.parametrize("other", [{"lead_h": np.array([6.0, 12.0])}, {"units": ("K",)}])
    def test_errors_at_other_lead_times_or_in_other_units_are_not_pooled(self, results, other):
        add_errors(results, made_errors(3.0), made_errors(5.0, **other))
        assert one(results, rmse_maps).data["rmse_24h"].iloc[1:].to_numpy() == pytest.approx(3.0)

    @pytest.mark.filterwarnings("error")
    def test_where_a_forecast_blew_up_it_is_grey_and_said(self, results):
        errors = made_errors(3.0)
        errors.squared_error[1] = np.inf
        add_errors(results, errors)
        item = one(results, rmse_maps)
        assert "Grey in z, too: the forecast blew up." in item.caption
        rendered(item.figure, "png")

    def test_without_any_it_says_so(self, results):
        results.add(make_record())
        assert "no launch of the cell kept its errors by point (error-maps.npz)" in one(results, rmse_maps).reason


@pytest.mark.parametrize(
    ("make", "changes", "why"),
    [
        (made_spectra, {"samples": np.array([6, 0])}, "samples is no number"),
        (made_spectra, {"lead_h": np.array([24.0, 6.0])}, "lead_h does not rise"),
        (made_spectra, {"lead_h": np.array([6.0, np.nan])}, "lead_h does not rise"),
        (made_spectra, {"truth": np.full((2, 1, 17), -1.0)}, "truth holds a power"),
        (made_spectra, {"truth": np.full((2, 1, 17), np.nan)}, "truth holds a power"),
        (made_spectra, {"forecast": np.full((2, 1, 17), -1.0)}, "forecast holds a power below 0"),
        (made_spectra, {"forecast": np.zeros((2, 1, 9))}, "forecast has the shape"),
        (made_spectra, {"channels": np.zeros(1)}, "channels holds float64"),
        (made_errors, {"squared_error": np.full((2, 1, 3, 4), -1.0)}, "squared_error is below 0"),
        (made_errors, {"squared_error": np.zeros((2, 3, 4))}, "squared_error has 3 dimensions"),
        (made_errors, {"latitude": np.array([0.0, 0.0, 1.0])}, "latitude is not all finite and different"),
        (made_errors, {"stride": 0}, "stride is no number"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(results, make, changes, why):
    name, module = ("spectra.npz", spectra) if make is made_spectra else ("error-maps.npz", rmse_maps)
    add(results, make(0.5, **changes), name=name)
    reason = one(results, module).reason
    assert why in reason
    assert f"{name}: damaged: " in reason
    assert "\n" not in reason
