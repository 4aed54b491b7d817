"""The mapping that `crosscast mapping` prints reads the file it was made of."""

import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml
from test_archive import archive

from harness.commands.cli import main
from harness.data import drafting
from harness.data.archive import ArchiveSource
from harness.data.config import ArchiveConfig
from harness.data.drafting import draft
from harness.data.files import open_lazily
from harness.errors import UserError
from harness.scenario import catalogue


def opened(folder, path=None, time=None):
    """The source that the draft of a folder, or of a file in it, describes, saved and loaded as a user does.

    `time` is what the user puts in the place of the line that is left open.
    """
    text = draft(path or folder)
    to_fill = f"time: {{start: {drafting.TO_CHANGE}, step_hours: {drafting.TO_CHANGE}}}"
    assert (to_fill in text) == (time is not None)
    (folder / "drafted.yaml").write_text(text.replace(to_fill, f"time: {time}"))
    config = catalogue.data(str(folder / "drafted.yaml"))
    assert isinstance(config, ArchiveConfig)
    return ArchiveSource(config, path or folder), text


def ocean(steps=8):
    """Temperature at three depths with land, surface and floor, under names that few models have."""
    rng = np.random.default_rng(2)
    coordinates = {
        "when": ("when", 6.0 * np.arange(steps), {"units": "hours since 2010-01-01", "standard_name": "time"}),
        "deep": ("deep", np.array([0.494025, 9.573, 29.44], dtype=np.float32), {"units": "m", "positive": "down"}),
        "nj": ("nj", np.linspace(-10.0, 10.0, 4), {"units": "degrees_north"}),
        "ni": ("ni", np.arange(5) * 2.0, {"units": "degrees_east"}),
    }
    temperature = rng.normal(size=(steps, 3, 4, 5)).astype(np.float32) + 15
    temperature[:, :, 0, 0] = np.nan
    return xr.Dataset(
        {
            "heat": (("when", "deep", "nj", "ni"), temperature, {"units": "degC"}),
            "surface": (("when", "nj", "ni"), rng.normal(size=(steps, 4, 5)).astype(np.float32), {"units": "m"}),
            "floor": (("nj", "ni"), rng.uniform(1000, 2000, (4, 5)), {"units": "m"}),
            "when_bounds": (("when", "pair"), np.zeros((steps, 2))),
            "flag": (("when", "nj", "ni"), np.zeros((steps, 4, 5), dtype=np.int8), {"flag_values": [0, 1]}),
        },
        coords=coordinates,
    )


def test_dimensions_levels_units_and_gaps_are_those_of_the_file(tmp_path):
    data = ocean()
    data.to_netcdf(tmp_path / "a.nc")
    source, text = opened(tmp_path)
    said = yaml.safe_load(text)
    assert said["dimensions"] == {"time": "when", "latitude": "nj", "longitude": "ni", "level": "deep"}
    assert said["missing"] == "mask"
    assert [channel["name"] for channel in said["channels"]] == ["heat", "surface"]
    assert said["statics"] == [{"name": "floor", "variable": "floor", "units": "m"}]
    assert "time" not in said
    np.testing.assert_array_equal(source.read([3])[0, :3], data["heat"][3])
    np.testing.assert_array_equal(source.read([3])[0, 3], data["surface"][3])
    assert source.units == ("degC",) * 3 + ("m",)


@pytest.mark.parametrize("layout", ["one file", "a file a variable", "zarr", "the file itself"])
def test_layouts(tmp_path, layout):
    data = archive()
    if layout == "zarr":
        data.to_zarr(tmp_path / "a.zarr", consolidated=False)
    elif layout == "a file a variable":
        for name in ("t", "q"):
            data[[name]].to_netcdf(tmp_path / f"{name}.nc")
    else:
        data.to_netcdf(tmp_path / "a.nc")
    source, _ = opened(tmp_path, tmp_path / "a.nc" if layout == "the file itself" else None)
    assert set(source.channels) == {"t", "q"}
    np.testing.assert_array_equal(source.read([5])[0, source.channels.index("q")], data["q"][5])


@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_channels_of_a_store_have_one_order(tmp_path, consolidated):
    """A store is a folder, which has none of its own."""
    names = ["t", "u10", "a", "z500", "msl", "q", "10v"]
    data = xr.Dataset({name: archive()["t"] for name in names})
    data.to_zarr(tmp_path / "a.zarr", consolidated=consolidated)
    found = [channel["name"] for channel in yaml.safe_load(draft(tmp_path))["channels"]]
    assert found == sorted(names)


def test_times_that_no_one_can_read_are_left_to_the_user(tmp_path):
    archive().assign_coords(time=np.arange(12)).to_netcdf(tmp_path / "a.nc")
    source, text = opened(tmp_path, time="{start: 2001-02-03, step_hours: 12}")
    assert "# The files hold no dates: put when the first step is" in text
    np.testing.assert_array_equal(source.times[[0, 2]], np.array(["2001-02-03", "2001-02-04"], "datetime64[ns]"))


def test_a_bench_refuses_times_that_were_not_filled_in(tmp_path):
    archive().assign_coords(time=np.arange(12)).to_netcdf(tmp_path / "a.nc")
    (tmp_path / "drafted.yaml").write_text(draft(tmp_path))
    with pytest.raises(UserError, match=r"drafted.yaml: 2 mistakes: .*line \d+: time.start: .*step_hours"):
        catalogue.data(str(tmp_path / "drafted.yaml"))


def test_units_by_another_name_are_those_of_the_files(tmp_path):
    """GlobCurrent says `Unit` of its times and currents."""
    data = archive().assign_coords(time=("time", np.arange(12) * 1.0, {"Unit": "days since 1900-1-2"}))
    data["t"].attrs = {"Unit": "degC"}
    data[["t"]].to_netcdf(tmp_path / "a.nc")
    source, text = opened(tmp_path)
    assert "# The first step is 1900-01-02T00:00, if 'time' counts these.\ntime: {units: days since 1900-1-2}" in text
    np.testing.assert_array_equal(source.times[[0, 11]], np.array(["1900-01-02", "1900-01-13"], "datetime64[ns]"))
    assert source.units[0] == "degC"


def test_files_of_one_step_without_time(tmp_path):
    for step in range(6):
        archive().isel(time=step, drop=True).to_netcdf(tmp_path / f"{step}.nc")
    source, _ = opened(tmp_path, time="{start: 2001-02-03, step_hours: 6}")
    assert len(source.times) == 6


@pytest.mark.parametrize(
    ("units", "levels", "drafted"),
    [("pascals", [85000, 50000], [850, 500]), ("km", [0.5, 1.25], [500, 1250])],
)
def test_levels_are_in_the_units_of_a_mapping(tmp_path, units, levels, drafted):
    data = archive().expand_dims(lev=2).assign_coords(lev=("lev", np.array(levels), {"units": units, "axis": "Z"}))
    data.to_netcdf(tmp_path / "a.nc")
    source, text = opened(tmp_path)
    assert yaml.safe_load(text)["channels"][0]["levels"] == drafted
    assert [info.level for info in source.channel_info][:2] == drafted


WORDS = (
    *("standard_name", "long_name", "axis", "positive", "coordinates", "grid_mapping", "bounds"),
    *("climatology", "cell_measures", "cell_methods", "formula_terms", "ancillary_variables"),
)


@pytest.mark.parametrize("value", ["", " ", np.array([1.5, 2.5])], ids=["empty", "blank", "numbers"])
def test_numbers_and_blanks_in_place_of_words_say_nothing(tmp_path, value):
    """A source and a draft are those of the file without these attributes."""
    found = []
    for name in ("plain", "odd"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "a.nc"
        archive().to_netcdf(path)
        if name == "odd":
            with netCDF4.Dataset(path, "a") as file:
                for each in ("t", "time", "latitude", "longitude"):
                    file[each].setncatts(dict.fromkeys(WORDS, value))
        source, text = opened(tmp_path / name, path)
        found.append((text, source.fingerprint, source.channel_info, source.reading.cautions))
    assert found[0] == found[1]


def test_what_is_not_in_the_file_is_said(tmp_path):
    archive().to_netcdf(tmp_path / "a.nc")
    assert "{name: t, variable: t, units: unknown}" in draft(tmp_path)


@pytest.mark.parametrize(
    ("latitudes", "refusal"),
    [
        ([100.0, 50.0, 0.0, -50.0, -100.0], "latitudes must lie between -90 and 90 degrees"),
        ([50.0, 20.0, 30.0, -20.0, -50.0], "latitudes neither increase nor decrease from row to row"),
    ],
)
def test_what_a_bench_would_refuse_is_said(tmp_path, latitudes, refusal):
    archive().assign_coords(latitude=latitudes).to_netcdf(tmp_path / "a.nc")
    said = f"# A bench refuses these data as they are: {tmp_path / 'a.nc'}: {refusal}\n"
    assert said in draft(tmp_path)
    with pytest.raises(UserError, match=refusal):
        opened(tmp_path)


def test_not_every_file_of_many_is_opened(tmp_path, monkeypatch):
    for number in range(3):
        archive().assign_coords(latitude=[100.0, 50.0, 0.0, -50.0, -100.0]).to_netcdf(tmp_path / f"{number}.nc")
    opened_files = []
    monkeypatch.setattr(drafting, "open_lazily", lambda path: opened_files.append(path) or open_lazily(path))
    monkeypatch.setattr(drafting, "_MOST_FILES", 2)
    assert "refuses" not in draft(tmp_path)
    assert len(opened_files) == 2


def test_nothing_is_refused_that_a_bench_takes(tmp_path):
    archive().to_netcdf(tmp_path / "a.nc")
    assert "refuses" not in draft(tmp_path)


def test_names_that_yaml_would_read_otherwise(tmp_path):
    archive().rename(t="no", q="1e3").to_netcdf(tmp_path / "a.nc")
    assert set(opened(tmp_path)[0].channels) == {"no", "1e3"}


def test_other_grids_are_refused(tmp_path):
    data = archive().rename(latitude="y", longitude="x").drop_vars(["y", "x"])
    data["nav_lat"] = (("y", "x"), np.zeros((5, 6)))
    data.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(UserError, match=r"no variable on a grid of latitudes and longitudes .* regridded first"):
        draft(tmp_path)


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "x" * 300, "nowhere"])
def test_a_path_that_can_be_none(path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["crosscast", "mapping", path])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said.startswith(f"crosscast: {path}: no such file or folder")
    assert said.count("\n") == 1
