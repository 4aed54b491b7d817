"""Every kind of damage gives one line that says what, where and at which step."""

import numpy as np
import pytest
from test_archive import archive, mapping

from harness.data.archive import ArchiveSource
from harness.data.config import RossbyConfig
from harness.data.opening import open_source
from harness.errors import UserError


def opening_fails(config, path, message):
    with pytest.raises(UserError, match=message) as caught:
        ArchiveSource(config, path)
    assert "\n" not in str(caught.value)


class TestFiles:
    def test_nothing_there(self, tmp_path):
        opening_fails(mapping(), tmp_path / "nowhere", "nowhere: no such file or folder")
        opening_fails(mapping(), tmp_path, r"no file matches \*.nc")

    @pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4"])
    @pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.98])
    def test_truncated(self, tmp_path, kind, kept):
        whole = tmp_path / "whole.nc"
        archive(rows=20, columns=30).to_netcdf(whole, format=kind, engine="netcdf4")
        content = whole.read_bytes()
        whole.unlink()
        (tmp_path / "cut.nc").write_bytes(content[: int(kept * len(content))])
        opening_fails(mapping(), tmp_path, "cut.nc: cannot be read")

    def test_truncated_along_its_unlimited_dimension(self, tmp_path):
        whole = tmp_path / "a.nc"
        archive().to_netcdf(whole, format="NETCDF3_CLASSIC", engine="netcdf4", unlimited_dims=["time"])
        whole.write_bytes(whole.read_bytes()[:-300])
        opening_fails(mapping(), tmp_path, "a.nc: cannot be read")

    def test_something_else(self, tmp_path):
        (tmp_path / "a.nc").write_text("time,t,q\n")
        opening_fails(mapping(), tmp_path, "a.nc: cannot be read")

    def test_damaged_chunk_is_found_when_read(self, tmp_path):
        path = tmp_path / "a.nc"
        archive(rows=40, columns=50).to_netcdf(path, encoding={"t": {"zlib": True, "chunksizes": (1, 40, 50)}})
        content = bytearray(path.read_bytes())
        content[len(content) // 4 : len(content) // 4 + 4000] = bytes(4000)
        path.write_bytes(content)
        opening_fails(mapping(), tmp_path, "a.nc: ")

    def test_generated_and_archived_data_each_need_their_argument(self):
        with pytest.raises(UserError, match="need a grid"):
            open_source(RossbyConfig(kind="rossby"))
        with pytest.raises(UserError, match="need DATA="):
            open_source(mapping())


class TestVariables:
    def test_missing_variable_lists_those_there(self, tmp_path):
        archive().rename(q="humidity").to_netcdf(tmp_path / "a.nc")
        opening_fails(mapping(), tmp_path, "a.nc: no variable 'q', only humidity, t")

    def test_missing_dimension(self, tmp_path):
        archive().rename(latitude="lat").to_netcdf(tmp_path / "a.nc")
        opening_fails(mapping(), tmp_path, "a.nc: t has no dimension 'latitude', its dimensions: time, lat, longitude")

    def test_dimension_without_coordinate(self, tmp_path):
        archive().drop_vars("latitude").to_netcdf(tmp_path / "a.nc")
        opening_fails(mapping(), tmp_path, "a.nc: dimension 'latitude' has no coordinate values")

    def test_files_on_different_grids(self, tmp_path):
        archive(names=("t",)).to_netcdf(tmp_path / "a.nc")
        archive(names=("q",), descending=False).to_netcdf(tmp_path / "b.nc")
        opening_fails(mapping(), tmp_path, "b.nc: its latitude differs from that in .*a.nc")

    def test_files_at_different_times(self, tmp_path):
        archive(names=("t",)).to_netcdf(tmp_path / "a.nc")
        archive(names=("q",), steps=11).to_netcdf(tmp_path / "b.nc")
        opening_fails(mapping(), tmp_path, "b.nc: its time differs from that in .*a.nc")

    @pytest.mark.parametrize("latitudes", [[10, 0, 20, 30, 40], [50, 60, 70, 80, 91]])
    def test_impossible_latitudes(self, tmp_path, latitudes):
        archive().assign_coords(latitude=np.array(latitudes, dtype=float)).to_netcdf(tmp_path / "a.nc")
        opening_fails(mapping(), tmp_path, "a.nc: latitudes")


class TestTimes:
    def test_gap(self, tmp_path):
        archive().isel(time=[0, 1, 2, 3, 6, 7, 8, 9]).to_netcdf(tmp_path / "a.nc")
        opening_fails(
            mapping(),
            tmp_path,
            "a.nc: gap in time, nothing between 2001-02-27T18:00 and 2001-02-28T12:00 where the step is 6 h",
        )

    def test_gap_between_files_names_the_later_one(self, tmp_path):
        archive().isel(time=slice(0, 5)).to_netcdf(tmp_path / "a.nc")
        archive().isel(time=slice(6, 12)).to_netcdf(tmp_path / "b.nc")
        opening_fails(mapping(), tmp_path, "b.nc: gap in time")

    def test_overlapping_files(self, tmp_path):
        archive().isel(time=slice(0, 5)).to_netcdf(tmp_path / "a.nc")
        archive().isel(time=slice(4, 12)).to_netcdf(tmp_path / "b.nc")
        opening_fails(mapping(), tmp_path, "b.nc: times do not increase, 2001-02-28T00:00 follows 2001-02-28T00:00")

    def test_mixed_steps(self, tmp_path):
        data = archive(steps=6)
        hours = np.array([0, 6, 12, 13, 19, 25])
        data.assign_coords(time=data.time[0].values + hours * np.timedelta64(1, "h")).to_netcdf(tmp_path / "a.nc")
        opening_fails(mapping(), tmp_path, "a.nc: mixed time steps, 1 h from 2001-02-27T12:00 .* elsewhere 6 h")

    def test_backwards(self, tmp_path):
        archive().isel(time=slice(None, None, -1)).to_netcdf(tmp_path / "a.nc")
        opening_fails(mapping(), tmp_path, "a.nc: times do not increase")

    def test_single_step(self, tmp_path):
        archive(steps=1).to_netcdf(tmp_path / "a.nc")
        opening_fails(mapping(), tmp_path, "a.nc: 1 time step, at least 2 are needed")

    def test_numbers_instead_of_dates(self, tmp_path):
        archive().assign_coords(time=np.arange(12)).to_netcdf(tmp_path / "a.nc")
        opening_fails(mapping(), tmp_path, "a.nc: 'time' holds no dates, give the mapping `time:")

    def test_unknown_calendar(self, tmp_path):
        data = archive().assign_coords(time=("time", np.arange(12), {"units": "days since 2001-01-01"}))
        data["time"].attrs["calendar"] = "martian"
        data.to_netcdf(tmp_path / "a.nc")
        opening_fails(mapping(), tmp_path, "a.nc: 'time': calendar 'martian' is none that can be used: standard, ")


class TestValues:
    ALLOWED = mapping(missing="mask", missing_steps="drop")

    def damaged(self, tmp_path, damage):
        data = archive()
        damage(data["q"].values)
        data.to_netcdf(tmp_path / "a.nc")

    def test_channel_without_any_value(self, tmp_path):
        self.damaged(tmp_path, lambda q: q.fill(np.nan))
        opening_fails(self.ALLOWED, tmp_path, r"a.nc: q \(channel q\), step 0, .*: NaN at all 12 steps")

    def test_fixed_points_without_permission(self, tmp_path):
        self.damaged(tmp_path, lambda q: q[:, 1, 2:4].fill(np.nan))
        opening_fails(mapping(), tmp_path, r"a.nc: q \(channel q\), step 0, 2001-02-27T00:00: NaN at 2 points")

    def test_whole_step_without_permission(self, tmp_path):
        self.damaged(tmp_path, lambda q: q[5].fill(np.nan))
        opening_fails(mapping(missing="mask"), tmp_path, "q .*step 5, 2001-02-28T06:00: NaN everywhere")

    @pytest.mark.parametrize("step", [0, 1, 11])
    def test_a_point_that_comes_and_goes(self, tmp_path, step):
        self.damaged(tmp_path, lambda q: q[step, 3, 4:5].fill(np.nan))
        found, state = (1, "a value") if step == 0 else (step, "NaN")
        opening_fails(self.ALLOWED, tmp_path, f"q .*step {found}, .*row 3, column 4 is {state}, unlike at step 0")

    def test_infinite_value(self, tmp_path):
        self.damaged(tmp_path, lambda q: q[9, 0, :1].fill(np.inf))
        opening_fails(self.ALLOWED, tmp_path, "q .*step 9, 2001-03-01T06:00: infinite value")

    def test_no_step_complete(self, tmp_path):
        data = archive()
        data["t"].values[::2] = np.nan
        data["q"].values[1::2] = np.nan
        data.to_netcdf(tmp_path / "a.nc")
        opening_fails(self.ALLOWED, tmp_path, "no step has values in every channel")
