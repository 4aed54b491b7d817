"""Grids by their metadata: what is taken, what is converted, and what is refused by which word."""

import numpy as np
import pytest
import xarray as xr
from test_archive import archive, mapping

from harness.data.archive import ArchiveSource
from harness.data.coordinates import columns_once, degrees, order_like
from harness.errors import UserError

ROWS, COLUMNS = 5, 6
MESH = np.meshgrid(np.linspace(30.0, 40.0, ROWS), np.arange(COLUMNS) * 2.0, indexing="ij")


def on(row="latitude", column="longitude", rows=None, columns=None, **attributes):
    """The archive of `test_archive` on dimensions of other names, values and attributes."""
    data = archive().rename({"latitude": row, "longitude": column})
    data = data.assign_coords(
        {
            row: data[row] if rows is None else np.asarray(rows),
            column: data[column] if columns is None else np.asarray(columns),
        }
    )
    for name, given in attributes.items():
        data[name].attrs.update(given)
    return data


def opened(data, folder, **changes):
    data.to_netcdf(folder / "a.nc")
    return ArchiveSource(mapping(**changes), folder)


def in_degrees(role, values, **attributes):
    """What is made of a coordinate `x` of these values and attributes."""
    array = xr.DataArray(np.zeros(len(values)), coords={"x": ("x", values, attributes)}, dims="x", name="t")
    return degrees("a.nc", array, "x", role, values)[0]


def named(latitude, longitude):
    return {"dimensions": {"latitude": latitude, "longitude": longitude}}


def curvilinear(name="nav_lat", attributes=None):
    data = on("y", "x", range(ROWS), range(COLUMNS))
    data[name] = (("y", "x"), MESH[0] + MESH[1] / 10, attributes or {})
    return data


class TestOtherGrids:
    @pytest.mark.parametrize(
        ("name", "attributes"),
        [
            ("nav_lat", {}),
            ("lat", {}),
            ("XLAT", {}),
            ("gphit", {}),
            ("geolat", {"units": "degrees_north"}),
            ("place", {"standard_name": "latitude"}),
        ],
    )
    def test_latitudes_over_two_dimensions_are_curvilinear(self, tmp_path, name, attributes):
        with pytest.raises(
            UserError, match=rf"a.nc: t lies on a curvilinear grid \(its latitudes '{name}' lie over y, x"
        ):
            opened(curvilinear(name, attributes), tmp_path, **named("y", "x"))

    def test_curvilinear_is_said_without_row_numbers_and_without_a_dimension_that_fits(self, tmp_path):
        with pytest.raises(UserError, match="curvilinear"):
            opened(curvilinear().drop_vars(["y", "x"]), tmp_path, **named("y", "x"))
        with pytest.raises(UserError, match="curvilinear"):
            ArchiveSource(mapping(), tmp_path)

    def test_two_dimensions_that_repeat_the_rows_say_nothing_new(self, tmp_path):
        data = on("y", "x", MESH[0][:, 0], MESH[1][0])
        data["lat"] = (("y", "x"), MESH[0])
        assert opened(data, tmp_path, **named("y", "x")).latitude.tolist() == MESH[0][:, 0].tolist()

    def test_points_along_one_dimension_are_unstructured(self, tmp_path):
        data = archive().stack(cell=("latitude", "longitude")).reset_index("cell").reset_coords()
        with pytest.raises(UserError, match="unstructured"):
            opened(data, tmp_path)

    @pytest.mark.parametrize(
        ("word", "attributes"),
        [
            ("rotated pole", {"y": {"standard_name": "grid_latitude", "units": "degrees"}}),
            ("rotated pole", {"x": {"standard_name": "grid_longitude"}}),
            ("projected", {"y": {"standard_name": "projection_y_coordinate", "units": "m"}}),
            ("projected", {"x": {"standard_name": "projection_x_coordinate", "units": "rad"}}),
            ("projected", {"y": {"standard_name": "projection_y_angular_coordinate", "units": "radian"}}),
            ("projected", {"y": {"units": "m"}}),
            ("projected", {"x": {"units": "km"}}),
            ("row numbers", {"y": {"units": "1"}}),
            ("column numbers", {"x": {"units": "count"}}),
            ("no unit of latitude", {"y": {"units": "K"}}),
        ],
    )
    def test_others_are_refused_by_what_they_are(self, tmp_path, word, attributes):
        with pytest.raises(UserError, match=word):
            opened(on("y", "x", **attributes), tmp_path, **named("y", "x"))

    @pytest.mark.parametrize(
        ("mapping_name", "attributes", "word"),
        [
            ("rotated_latitude_longitude", {}, "rotated pole"),
            ("lambert_conformal_conic", {}, "projected grid .*lambert_conformal_conic"),
            ("polar_stereographic", {"latitude": {"units": "degrees_north"}}, "projected"),
        ],
    )
    def test_the_grid_mapping_is_read(self, tmp_path, mapping_name, attributes, word):
        data = on(**attributes)
        data["crs"] = ((), 0, {"grid_mapping_name": mapping_name})
        data["t"].attrs["grid_mapping"] = "crs"
        with pytest.raises(UserError, match=word):
            opened(data, tmp_path)

    def test_a_grid_mapping_of_latitudes_and_longitudes_is_taken(self, tmp_path):
        data = on()
        data["crs"] = ((), 0, {"grid_mapping_name": "latitude_longitude"})
        data["t"].attrs["grid_mapping"] = "crs"
        assert opened(data, tmp_path).latitude.tolist() == data.latitude.values.tolist()

    def test_a_rotated_pole_is_known_by_its_names_alone(self, tmp_path):
        with pytest.raises(UserError, match=r"rotated pole \('rlat' holds grid_latitude\)"):
            opened(on("rlat", "rlon"), tmp_path, **named("rlat", "rlon"))

    def test_distances_without_units_are_no_longitudes(self, tmp_path):
        with pytest.raises(UserError, match="'x' of t reaches 5000: no longitudes"):
            opened(on("y", "x", columns=1000 * np.arange(COLUMNS)), tmp_path, **named("y", "x"))

    @pytest.mark.parametrize("first", [0, 1])
    def test_row_numbers_without_metadata_are_refused(self, tmp_path, first):
        with pytest.raises(UserError, match="'y' of t holds row numbers"):
            opened(on("y", "x", first + np.arange(ROWS), range(COLUMNS)), tmp_path, **named("y", "x"))

    def test_whole_degrees_of_a_coordinate_called_latitude_are_latitudes(self, tmp_path):
        assert opened(on(rows=range(ROWS)), tmp_path).latitude.tolist() == [0, 1, 2, 3, 4]


class TestMetadata:
    @pytest.mark.parametrize(
        ("rows", "columns"),
        [
            ({"standard_name": "latitude"}, {"standard_name": "longitude"}),
            ({"units": "degrees_north"}, {"units": "degrees_east"}),
            ({"units": "degree_N"}, {"units": "degreeE"}),
            ({"units": "degrees north"}, {"units": "deg E"}),
            ({"units": "°N"}, {"units": "Degrees East"}),
            ({"axis": "Y"}, {"axis": "X"}),
            ({"axis": "Y", "units": "degrees"}, {"axis": "X", "units": "degrees"}),
        ],
    )
    def test_dimensions_are_found_whatever_they_are_called(self, tmp_path, rows, columns):
        data = on("j", "i", j=rows, i=columns)
        source = opened(data, tmp_path)
        np.testing.assert_array_equal(source.latitude, data.j)
        np.testing.assert_array_equal(source.read([2])[0, 0], data.t[2])

    @pytest.mark.parametrize("unit", ["degrees", "degree", "deg", "Degrees"])
    def test_plain_degrees_leave_the_names_to_decide(self, tmp_path, unit):
        source = opened(on(latitude={"Unit": unit}, longitude={"Unit": unit}), tmp_path)
        assert source.latitude[0] == 50
        assert "latitude" not in "".join(source.reading.cautions)

    def test_metadata_go_before_names(self, tmp_path):
        """A mapping that takes one for the other."""
        data = on("a", "b", a={"standard_name": "latitude"}, b={"standard_name": "longitude"})
        source = opened(data, tmp_path, **named("b", "a"))
        np.testing.assert_array_equal(source.latitude, data.a)
        np.testing.assert_array_equal(source.read([2])[0, 0], data.t[2])

    def test_radians_are_converted(self, tmp_path):
        plain = on()
        data = on(rows=np.radians(plain.latitude), columns=np.radians(plain.longitude))
        for name in ("latitude", "longitude"):
            data[name].attrs["units"] = "radian"
        source = opened(data, tmp_path)
        np.testing.assert_allclose(source.latitude, plain.latitude, rtol=1e-14)
        np.testing.assert_allclose(source.longitude, plain.longitude, rtol=1e-14)
        assert source.reading.lines[0].startswith("latitude: radian converted to degrees (x 57.29577951")

    @pytest.mark.parametrize("units", [{}, {"units": "degrees"}])
    def test_radians_that_are_not_stated_are_refused(self, tmp_path, units):
        rows, columns = np.linspace(-1.5, 1.5, ROWS), 2 * np.pi * np.arange(COLUMNS) / COLUMNS
        with pytest.raises(
            UserError, match=r"longitudes \('longitude'\) that go once round .* look like radians: state"
        ):
            opened(on(rows=rows, columns=columns, latitude=units, longitude=units), tmp_path)

    @pytest.mark.parametrize("kind", ["f4", "f8"])
    @pytest.mark.parametrize(
        ("role", "values"),
        [
            ("longitude", np.arange(1440) * 2 * np.pi / 1440),
            ("longitude", np.linspace(-np.pi, np.pi, 73)),
            ("longitude", np.radians(np.arange(359.5, 0, -1))),
            ("latitude", np.linspace(np.pi / 2, -np.pi / 2, 721)),
            ("latitude", np.radians(np.arange(-89.5, 90))),
        ],
    )
    def test_each_coordinate_alone_tells_the_globe_in_radians(self, role, values, kind):
        with pytest.raises(UserError, match=rf"a.nc: {role}s \('x'\) that .* look like radians"):
            in_degrees(
                role, values.astype(kind).astype("f8"), units=f"degrees_{'east' if role == 'longitude' else 'north'}"
            )

    @pytest.mark.parametrize("role", ["latitude", "longitude"])
    @pytest.mark.parametrize("per_degree", [1, 2, 4, 10, 12, 12.5, 24, 60, 100, 120, 240, 1000, 3600])
    def test_a_patch_in_degrees_is_never_taken_for_the_globe_in_radians(self, role, per_degree):
        """As wide as pi or 2 pi to the column, and one more or less."""
        globe = np.pi if role == "latitude" else 2 * np.pi
        for count in round(globe * per_degree) + np.arange(-1, 3):
            values = (np.arange(count) - (count - 1) / 2) / per_degree
            np.testing.assert_array_equal(in_degrees(role, values, units="degrees"), values)

    def test_degrees_whose_scale_is_lost_are_refused(self, tmp_path):
        with pytest.raises(
            UserError, match=r"'longitude' of t reaches 3000: no longitudes in degrees; correct .* scale_"
        ):
            opened(on(columns=np.arange(COLUMNS) * 600, longitude={"units": "degrees_east"}), tmp_path)
        with pytest.raises(
            UserError, match=r"after 72 of 144 columns and go on \(360, 365, 370, 375, ... \(72 in all\)\)"
        ):
            columns_once("a.nc", "longitude", np.arange(144.0) * 5)
        with pytest.raises(UserError, match=r"'x' of t reaches 4511\.76: no latitudes in degrees"):
            in_degrees("latitude", np.array([78.745, -78.745]), units="radian")

    @pytest.mark.parametrize(("south", "west"), [("degrees_south", "degrees_west"), ("degrees S", "deg W")])
    def test_degrees_south_and_west_are_turned(self, tmp_path, south, west):
        units = {"latitude": {"units": south}, "longitude": {"units": west}}
        source = opened(on(rows=[10.0, 20, 30, 40, 50], columns=[60.0, 50, 40, 30, 20, 10], **units), tmp_path)
        assert source.latitude.tolist() == [-10, -20, -30, -40, -50]
        assert source.longitude.tolist() == [-60, -50, -40, -30, -20, -10]

    def test_coordinates_without_units_have_a_caution(self, tmp_path):
        units = {"t": {"units": "K"}, "q": {"units": "K"}}
        assert opened(on(**units), tmp_path).reading.cautions[0] == (
            "units not stated in the files, assumed: latitude (degrees), longitude (degrees)"
        )


class TestColumns:
    @pytest.mark.parametrize(
        ("columns", "kept"),
        [
            ([0, 90, 180, 270, 360], 4),
            ([-180, -90, 0, 90, 180], 4),
            ([360, 270, 180, 90, 0], 4),
            ([-90, 0, 90, 180, 270, 360], 4),
            ([0, 120, 240, 359.99999], 3),
            ([0, 90, 180, 270], 4),
            ([0, 90, 180, -90], 4),
            ([10, 20, 30], 3),
        ],
    )
    def test_each_meridian_counts_once(self, columns, kept):
        found, finding = columns_once("a.nc", "longitude", np.asarray(columns, dtype=float))
        assert found == slice(kept)
        assert (finding is None) == (kept == len(columns))

    def test_columns_in_disorder_are_refused(self):
        with pytest.raises(UserError, match="neither increase nor decrease from column to column"):
            columns_once("a.nc", "longitude", np.array([0.0, 90, 45, 180]))
        with pytest.raises(UserError, match="neither increase nor decrease from column to column"):
            columns_once("a.nc", "longitude", np.array([0.0, 360, 720]))

    def test_a_cyclic_column_is_left_out_with_a_word(self, tmp_path):
        data = on(columns=[0.0, 72, 144, 216, 288, 360])
        source = opened(data, tmp_path)
        assert source.longitude.tolist() == [0, 72, 144, 216, 288]
        np.testing.assert_array_equal(source.read([3])[0, 1], data.q[3, :, :5])
        assert "longitude 360 repeats the first columns" in source.reading.remarks[0]

    def test_an_even_grid_is_made_of_what_is_left(self, tmp_path):
        data = on(columns=[0.0, 72, 144, 216, 288, 360])
        assert opened(data, tmp_path, even_grid=True).longitude.tolist() == [0, 72, 144, 216]


class TestEvenGrid:
    @pytest.mark.parametrize("rows", [[90.0, 45, 0, -45, -90], [-90.0, -45, 0, 45, 90]])
    def test_the_north_pole_is_kept_whatever_the_order_of_rows(self, tmp_path, rows):
        data = on(rows=rows)
        source = opened(data, tmp_path, even_grid=True)
        assert sorted(source.latitude) == [-45, 0, 45, 90]
        np.testing.assert_array_equal(source.read([1])[0, 0], data.t[1].sel(latitude=source.latitude))
        assert source.reading.remarks == ("latitude: the row at latitude -90, one of 5, left out for an even grid",)

    def test_without_a_pole_the_last_row_goes(self, tmp_path):
        source = opened(on(rows=[10.0, 20, 30, 40, 50]), tmp_path, even_grid=True)
        assert source.latitude.tolist() == [10, 20, 30, 40]
        assert source.reading.remarks == ("latitude: the row at latitude 50, one of 5, left out for an even grid",)


class TestAgreement:
    def two(self, folder, later, **changes):
        data = archive()
        data.isel(time=slice(0, 6)).to_netcdf(folder / "a.nc")
        later(data.isel(time=slice(6, 12))).to_netcdf(folder / "b.nc")
        return data, ArchiveSource(mapping(**changes), folder)

    def test_float32_and_float64_are_one_grid(self, tmp_path):
        rows, columns = np.linspace(10.1, 17.3, ROWS), 350.1 + np.arange(COLUMNS) * 0.1
        data = archive().assign_coords(latitude=rows, longitude=columns)
        data.isel(time=slice(0, 6)).to_netcdf(tmp_path / "a.nc")
        single = {"latitude": rows.astype("f4"), "longitude": columns.astype("f4")}
        data.isel(time=slice(6, 12)).assign_coords(single).to_netcdf(tmp_path / "b.nc")
        np.testing.assert_array_equal(ArchiveSource(mapping(), tmp_path).read([8])[0, 0], data.t[8])

    def test_another_grid_is_refused_with_the_difference(self, tmp_path):
        with pytest.raises(UserError, match=r"b.nc: its latitude differs from that in .*a.nc by up to 0.25 degrees"):
            self.two(tmp_path, lambda data: data.assign_coords(latitude=data.latitude + 0.25))
        with pytest.raises(UserError, match=r"b.nc: its longitude differs .* by up to 0.001 degrees"):
            self.two(tmp_path, lambda data: data.assign_coords(longitude=data.longitude + 0.001))
        with pytest.raises(UserError, match=r"b.nc: its longitude differs .*: 5 values against 6"):
            self.two(tmp_path, lambda data: data.isel(longitude=slice(0, 5)))

    def test_rows_from_the_other_pole_are_refused_as_that(self, tmp_path):
        with pytest.raises(
            UserError, match=r"b.nc: its latitude differs from .*: the same values in the opposite order"
        ):
            self.two(tmp_path, lambda data: data.isel(latitude=slice(None, None, -1)))

    def test_other_names_for_the_same_meridians_are_put_in_order(self, tmp_path):
        """0 to 300 in one file, -180 to 120 in the other."""
        data = archive().assign_coords(longitude=np.arange(6) * 60.0)
        data.isel(time=slice(0, 6)).to_netcdf(tmp_path / "a.nc")
        west = data.isel(time=slice(6, 12)).assign_coords(longitude=(data.longitude + 180) % 360 - 180)
        west.sortby("longitude").to_netcdf(tmp_path / "b.nc")
        source = ArchiveSource(mapping(), tmp_path)
        assert source.longitude.tolist() == [0, 60, 120, 180, 240, 300]
        assert source.reading.remarks == (
            "longitude of some files begins at another meridian: their columns are put as in the first file",
        )
        np.testing.assert_array_equal(source.read(range(12))[:, 1], data.q)

    def test_order_is_none_where_nothing_moves(self):
        values = np.array([10.1, 20.2, 30.3])
        assert order_like("lat", values.astype("f4").astype("f8"), values, "b", "a") is None


def test_a_second_variable_on_another_grid_is_refused(tmp_path):
    data = archive()
    data[["t"]].to_netcdf(tmp_path / "a.nc")
    shifted = data[["q"]].assign_coords(latitude=data.latitude + 1)
    shifted.to_netcdf(tmp_path / "b.nc")
    with pytest.raises(UserError, match="by up to 1 degrees"):
        ArchiveSource(mapping(), tmp_path)
