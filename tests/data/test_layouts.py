"""Archives laid out as the Climate Data Store, WeatherBench 2, HYCOM and Copernicus Marine give them."""

import numpy as np
import pytest
import xarray as xr
from shared import shared_path

from harness.data.archive import ArchiveSource
from harness.data.config import ArchiveConfig
from harness.data.matching import match_mapping
from harness.errors import UserError
from harness.scenario import catalogue

STEPS, ROWS, COLUMNS = 6, 7, 8
TIMES = np.datetime64("2020-02-28", "ns") + np.timedelta64(6, "h") * np.arange(STEPS)
LATITUDE = np.linspace(90.0, -90.0, ROWS)
LONGITUDE = np.arange(COLUMNS) * 45.0
LEVELS = [50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000]

LONG_NAMES = {
    "u10": "10m_u_component_of_wind",
    "v10": "10m_v_component_of_wind",
    "t2m": "2m_temperature",
    "sp": "surface_pressure",
    "msl": "mean_sea_level_pressure",
    "tcwv": "total_column_water_vapour",
    "tp": "total_precipitation_6hr",
    "t": "temperature",
    "u": "u_component_of_wind",
    "v": "v_component_of_wind",
    "z": "geopotential",
    "r": "relative_humidity",
    "w": "vertical_velocity",
    "q": "specific_humidity",
    "lsm": "land_sea_mask",
}
SURFACE = ("u10", "v10", "t2m", "sp", "msl", "tcwv", "tp")
FOURCASTNET = (
    *("u10", "v10", "t2m", "sp", "msl", "t850", "u1000", "v1000", "z1000", "u850", "v850", "z850"),
    *("u500", "v500", "z500", "t500", "z50", "r500", "r850", "tcwv"),
)


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def truth():
    """Values by short name: (time, latitude, longitude) at the surface, (time, level, latitude, longitude) above."""
    fields = {name: values(STEPS, ROWS, COLUMNS, seed=k) for k, name in enumerate(SURFACE)}
    return fields | {
        name: values(STEPS, len(LEVELS), ROWS, COLUMNS, seed=20 + k) for k, name in enumerate(("t", "u", "v", "z", "r"))
    }


def dataset(truth, names, coords):
    return xr.Dataset({name: (tuple(coords), truth[name]) for name in names}, coords=coords)


def cds_old(truth, folder):
    """Two NetCDF files: `time`, `level` as integers, latitude descending."""
    place = {"latitude": LATITUDE.astype(np.float32), "longitude": LONGITUDE.astype(np.float32)}
    dataset(truth, SURFACE, {"time": TIMES, **place}).to_netcdf(folder / "single.nc")
    levels = {"time": TIMES, "level": np.array(LEVELS, dtype=np.int32), **place}
    dataset(truth, ("t", "u", "v", "z", "r"), levels).to_netcdf(folder / "pressure.nc")


def cds_new(truth, folder):
    """`valid_time`, `pressure_level` descending, `number` without dimension, `expver` as text along the time."""
    place = {"latitude": LATITUDE, "longitude": LONGITUDE}
    beside = {"number": 0, "expver": ("valid_time", np.array(["0001"] * 4 + ["0005"] * 2))}
    single = dataset(truth, SURFACE, {"valid_time": TIMES, **place}).assign_coords(beside)
    single.to_netcdf(folder / "data_stream-oper_stepType-instant.nc")
    levels = {"valid_time": TIMES, "pressure_level": np.array(LEVELS[::-1], dtype=np.float64), **place}
    upside_down = {name: truth[name][:, ::-1] for name in ("t", "u", "v", "z", "r")}
    dataset(upside_down, upside_down, levels).assign_coords(beside).to_netcdf(folder / "pressure.nc")


def weatherbench(truth, folder):
    """One Zarr store: time, level, longitude, latitude; latitude ascending."""
    place = {"longitude": LONGITUDE, "latitude": LATITUDE[::-1]}
    turned = {name: np.swapaxes(field[..., ::-1, :], -1, -2) for name, field in truth.items()}
    surface = dataset(turned, SURFACE, {"time": TIMES, **place})
    above = dataset(turned, ("t", "u", "v", "z", "r"), {"time": TIMES, "level": LEVELS, **place})
    both = xr.merge([surface, above])
    both = both.rename({name: LONG_NAMES[name] for name in both.data_vars})
    both.chunk({"time": 2}).to_zarr(folder / "era5.zarr", consolidated=False)


def expected(truth, names=FOURCASTNET):
    def field(name):
        if name in SURFACE:
            return truth[name]
        return truth[name[0]][:, LEVELS.index(int(name[1:]))]

    return np.stack([field(name) for name in names], axis=1)


class TestEra5:
    @pytest.mark.parametrize("write", [cds_old, cds_new])
    def test_climate_data_store_gives_the_channels_of_fourcastnet(self, tmp_path, truth, write):
        write(truth, tmp_path)
        assert match_mapping(tmp_path, {name: catalogue.data(name) for name in catalogue.names("data")}) == "era5"
        source = ArchiveSource(catalogue.data("era5"), tmp_path)
        assert source.channels == FOURCASTNET
        np.testing.assert_array_equal(source.read(range(STEPS)), expected(truth)[:, :, :6])
        np.testing.assert_array_equal(source.latitude, LATITUDE[:6])
        np.testing.assert_array_equal(source.times, TIMES)

    def test_weatherbench_gives_the_same_from_south_to_north(self, tmp_path, truth):
        weatherbench(truth, tmp_path)
        for path in (tmp_path, tmp_path / "era5.zarr"):
            source = ArchiveSource(catalogue.data("era5"), path)
            np.testing.assert_array_equal(source.read(range(STEPS)), expected(truth)[:, :, :6][:, :, ::-1])
            np.testing.assert_array_equal(source.latitude, LATITUDE[:6][::-1])

    def test_channels_carry_the_short_names_and_levels(self, tmp_path, truth):
        weatherbench(truth, tmp_path)
        info = {each.name: each for each in ArchiveSource(catalogue.data("era5"), tmp_path).channel_info}
        assert (info["t2m"].variable, info["t2m"].level) == ("t2m", None)
        assert (info["z50"].variable, info["z50"].level) == ("z", 50.0)

    def test_final_data_come_before_preliminary_ones(self, tmp_path, truth):
        """expver 1 lacks the last two steps, 5 has them, and also the one before with other values."""
        final, preliminary = truth["t2m"].copy(), truth["t2m"].copy()
        final[4:], preliminary[:3] = np.nan, np.nan
        preliminary[3] += 100.0
        both = np.stack([preliminary, final], axis=1)
        coordinates = {"time": TIMES, "expver": np.array([5, 1]), "latitude": LATITUDE, "longitude": LONGITUDE}
        dataset({"t2m": both}, ["t2m"], coordinates).to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(archive("t2m"), tmp_path)
        np.testing.assert_array_equal(source.read([5, 0, 3]), truth["t2m"][[5, 0, 3]][:, None])

    def test_a_dimension_of_one_is_dropped(self, tmp_path, truth):
        coordinates = {"number": [0], "time": TIMES, "latitude": LATITUDE, "longitude": LONGITUDE}
        dataset({"t2m": truth["t2m"][None]}, ["t2m"], coordinates).to_netcdf(tmp_path / "a.nc")
        np.testing.assert_array_equal(ArchiveSource(archive("t2m"), tmp_path).read([2]), truth["t2m"][[2]][:, None])

    def test_members_of_an_ensemble_are_not_dropped(self, tmp_path, truth):
        coordinates = {"number": [0, 1], "time": TIMES, "latitude": LATITUDE, "longitude": LONGITUDE}
        dataset({"t2m": np.stack([truth["t2m"]] * 2)}, ["t2m"], coordinates).to_netcdf(tmp_path / "a.nc")
        with pytest.raises(UserError, match=r"dimensions that the mapping does not name: number \(2\)"):
            ArchiveSource(archive("t2m"), tmp_path)


class TestGraphCast:
    @pytest.fixture
    def store(self, tmp_path, truth):
        """WeatherBench 2 with what GraphCast takes at 13 levels, static fields without time among it."""
        fields = truth | {
            name: values(STEPS, len(LEVELS), ROWS, COLUMNS, seed=40 + k) for k, name in enumerate(("w", "q"))
        }
        place = {"longitude": LONGITUDE, "latitude": LATITUDE}
        turned = {name: np.swapaxes(field, -1, -2) for name, field in fields.items()}
        above = dataset(turned, ("t", "u", "v", "z", "w", "q"), {"time": TIMES, "level": LEVELS, **place})
        store = xr.merge([dataset(turned, ("t2m", "u10", "v10", "msl", "tp"), {"time": TIMES, **place}), above])
        store = store.rename({name: LONG_NAMES[name] for name in store.data_vars})
        for seed, name in enumerate(("geopotential_at_surface", "land_sea_mask")):
            store[name] = (("longitude", "latitude"), values(COLUMNS, ROWS, seed=60 + seed))
        store.to_zarr(tmp_path / "era5.zarr", consolidated=False)
        return store

    def test_thirteen_levels_forcings_and_static_fields(self, tmp_path, store):
        mappings = {name: catalogue.data(name) for name in catalogue.names("data")}
        name = match_mapping(tmp_path, mappings)
        assert name == "era5_graphcast13"
        source = ArchiveSource(mappings[name], tmp_path)
        assert len(source.channels) == 5 + 6 * 13
        index = source.channels.index("q_925")
        np.testing.assert_array_equal(
            source.read([3])[0, index], store["specific_humidity"].isel(time=3).sel(level=925).values.T
        )
        assert source.statics == ("z_surface", "lsm")
        np.testing.assert_array_equal(source.read_statics()[1], store["land_sea_mask"].values.T)
        assert source.forcings[0] == "toa_radiation"
        assert source.read_forcings([0, 5]).shape == (2, 5, ROWS, COLUMNS)

    def test_37_levels_are_not_made_of_13(self, tmp_path, store):
        with pytest.raises(UserError, match=r"lacks a level of .*, it has 50, 100"):
            ArchiveSource(catalogue.data("era5_graphcast37"), tmp_path)

    def test_37_levels_keep_u_at_10_hpa_apart_from_the_wind_at_10_m(self):
        channels = catalogue.data("era5_graphcast37").channels
        assert len(channels) == 5 + 6 * 37
        assert {channel.name: channel.level for channel in channels if "10" in channel.name}["u_10"] == 10.0


def archive(*names, **changes):
    channels = [{"name": name, "variable": name, "units": "K"} for name in names]
    return ArchiveConfig(**{"kind": "archive", "files": "*.nc", "channels": channels, **changes})


class TestInputs:
    @pytest.fixture
    def folder(self, tmp_path, truth):
        surface = dataset(truth, SURFACE, {"time": TIMES, "latitude": LATITUDE, "longitude": LONGITUDE})
        surface["relief"] = (("latitude", "longitude"), values(ROWS, COLUMNS, seed=9))
        surface["t2m"][:, 2, 3] = np.nan
        surface["relief"][2, 3] = np.nan
        surface.to_netcdf(tmp_path / "a.nc")
        return tmp_path

    def config(self, *names, **changes):
        return archive(*names, missing="mask", **changes)

    def test_forcings_from_files_stand_among_formulas_in_their_order(self, folder, truth):
        forcing = {"name": "pressure", "variable": ["psl", "msl"], "units": "Pa"}
        source = ArchiveSource(self.config("t2m", forcings=["day_progress_sin", forcing, "toa_radiation"]), folder)
        fields = source.read_forcings([4, 1, 4])
        assert source.forcings == ("day_progress_sin", "pressure", "toa_radiation")
        np.testing.assert_array_equal(fields[:, 1], truth["msl"][[4, 1, 4]])
        np.testing.assert_allclose(fields[1, 0, 0], np.sin(2 * np.pi * (0.25 + LONGITUDE / 360)), atol=1e-6)

    def test_static_fields_are_0_on_land_where_the_file_has_no_value(self, folder):
        static = {"name": "relief", "variable": "relief", "units": "m"}
        source = ArchiveSource(self.config("t2m", statics=[static, "land_sea_mask"]), folder)
        relief, land = source.read_statics()
        relief_of_file = values(ROWS, COLUMNS, seed=9)
        relief_of_file[2, 3] = 0
        np.testing.assert_array_equal(relief, relief_of_file)
        np.testing.assert_array_equal(np.argwhere(land), [[2, 3]])

    def test_gaps_in_inputs_are_named(self, folder):
        gap = {"variable": "t2m", "units": "K"}
        with pytest.raises(UserError, match=r"a.nc: t2m \(forcing heat\), step 0, 2020-02-28T00:00: NaN or infinite"):
            ArchiveSource(self.config("msl", forcings=[{"name": "heat", **gap}]), folder)
        with pytest.raises(UserError, match=r"a.nc: t2m \(static heat\): no value at points where the channels have"):
            ArchiveSource(self.config("msl", statics=[{"name": "heat", **gap}]), folder)

    def test_fingerprint_follows_inputs_from_files(self, folder):
        forcing, other = ({"name": "f", "variable": name, "units": "Pa"} for name in ("msl", "sp"))
        found = [
            ArchiveSource(self.config("t2m", forcings=forcings), folder).fingerprint
            for forcings in ([], [forcing], [other], ["toa_radiation"])
        ]
        assert len(set(found)) == 4


def ocean(steps=4, *, names, depths, dims):
    """Temperature 20 - depth / 100, salinity 35 + depth / 1000, land and a sloping bottom; the day is added to both."""
    rows, columns = 4, 5
    depth = np.asarray(depths)
    shape = (steps, len(depth), rows, columns)
    day = np.arange(steps)[:, None, None, None]
    bottom = np.broadcast_to(np.array([0.0, 60.0, 350.0, 6000.0, 6000.0]), (rows, columns))
    wet = depth[:, None, None] < bottom
    profile = {"T": 20 - depth / 100, "S": 35 + depth / 1000, "U": depth / 500, "V": -depth / 500}
    coordinates = dict(
        zip(
            dims,
            (
                np.datetime64("2020-01-01", "ns") + np.timedelta64(1, "D") * np.arange(steps),
                depth,
                np.linspace(10.0, 13.0, rows),
                np.linspace(60.0, 64.0, columns),
            ),
            strict=True,
        )
    )
    variables = {
        names[name]: (dims, np.where(wet, np.broadcast_to(line[:, None, None] + day, shape), np.nan))
        for name, line in profile.items()
    }
    height = np.where(bottom > 0, 0.5 + day[:, 0], np.nan)
    variables[names["SSH"]] = ((dims[0], *dims[2:]), height)
    return xr.Dataset(variables, coords=coordinates)


HYCOM = {"T": "water_temp", "S": "salinity", "U": "water_u", "V": "water_v", "SSH": "surf_el"}
CMEMS = {"T": "thetao", "S": "so", "U": "uo", "V": "vo", "SSH": "zos"}
MODEL_DEPTHS = (0, 6, 10, 20, 30, 50, 70, 100, 125, 150, 200, 250, 300, 400, 500)


class TestOcean:
    @pytest.mark.parametrize(
        ("name", "names", "dims", "first"),
        [
            ("hycom", HYCOM, ("time", "depth", "lat", "lon"), 0.0),
            ("cmems", CMEMS, ("time", "depth", "latitude", "longitude"), 0.494025),
        ],
    )
    def test_depths_of_the_model_are_interpolated(self, tmp_path, name, names, dims, first):
        """Straight profiles stay straight: 20 - depth / 100 at each of the 15 depths, plus the day."""
        depths = [first, 3.0, 9.0, 28.0, 55.0, 110.0, 180.0, 270.0, 420.0, 600.0]
        ocean(names=names, depths=depths, dims=dims).to_netcdf(tmp_path / "a.nc")
        assert match_mapping(tmp_path, {name: catalogue.data(name) for name in catalogue.names("data")}) == name
        source = ArchiveSource(catalogue.data(name), tmp_path)
        assert len(source.channels) == 61
        levels = np.array((first, *MODEL_DEPTHS[1:]))
        temperature = source.read([2])[0, :15, 0, 4]
        np.testing.assert_allclose(temperature, 22 - levels / 100, rtol=1e-6)
        assert [info.level for info in source.channel_info[:15]] == pytest.approx(levels)
        assert {info.variable for info in source.channel_info} == {"T", "S", "U", "V", "SSH"}
        assert source.read([1])[0, -1, 0, 4] == pytest.approx(1.5)

    def test_a_level_counts_where_both_around_it_have_water(self, tmp_path):
        """Bottoms at 0 (land), 60, 350 and 6000 m; 70 m lies between 55 and 110, 300 m between 270 and 420."""
        depths = [0.0, 10.0, 55.0, 110.0, 270.0, 420.0, 600.0]
        ocean(names=HYCOM, depths=depths, dims=("time", "depth", "lat", "lon")).to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(catalogue.data("hycom"), tmp_path)
        wet = dict(zip(source.channels, source.mask[:, 0].tolist(), strict=True))
        assert wet["T0"] == wet["T10"] == wet["T50"] == [False, True, True, True, True]
        assert wet["T70"] == wet["T250"] == [False, False, True, True, True]
        assert wet["S300"] == wet["U400"] == [False, False, False, True, True]
        assert wet["SSH"] == wet["T0"]

    def test_nothing_is_extrapolated(self, tmp_path):
        depths = [0.0, 10.0, 55.0, 110.0, 450.0]
        ocean(names=HYCOM, depths=depths, dims=("time", "depth", "lat", "lon")).to_netcdf(tmp_path / "a.nc")
        with pytest.raises(UserError, match=r"a.nc: water_temp has levels from 0 to 450: level 500 would"):
            ArchiveSource(catalogue.data("hycom"), tmp_path)

    def test_weather_and_topography_beside_it_choose_the_mapping_with_all_inputs(self, tmp_path):
        data = ocean(names=HYCOM, depths=MODEL_DEPTHS, dims=("time", "depth", "lat", "lon"))
        for seed, name in enumerate(("u10", "v10", "t2m", "msl", "sp")):
            data[name] = (("time", "lat", "lon"), values(4, 4, 5, seed=seed))
        data["deptho"] = (("lat", "lon"), values(4, 5, seed=7))
        data.to_netcdf(tmp_path / "a.nc")
        name = match_mapping(tmp_path, {name: catalogue.data(name) for name in catalogue.names("data")})
        assert name == "hycom_forced"
        source = ArchiveSource(catalogue.data(name), tmp_path)
        assert len(source.channels) + len(source.forcings) + len(source.statics) == 67


class TestRealFiles:
    def test_gulf_of_oman(self):
        path = shared_path("data/ocean/hycom_goo.nc")
        mappings = {name: catalogue.data(name) for name in catalogue.names("data")}
        assert match_mapping(path, mappings) == match_mapping(path.parent, mappings) == "hycom_goo"
        source = ArchiveSource(mappings["hycom_goo"], path)
        with xr.open_dataset(path) as file:
            by_hand = np.concatenate([file[name].sel(depth=list(MODEL_DEPTHS)).values for name in ("thetao", "so")], 1)
        np.testing.assert_array_equal(source.read(range(6)), by_hand)
        assert (np.diff(source.mask[:15].sum(axis=(1, 2))) <= 0).all()
        np.testing.assert_array_equal(source.read_statics()[0], ~source.mask[0])

    def test_globcurrent_is_trained_on_january_to_august(self, tmp_path):
        """Days are those in the names of all files; twelve are read."""
        folder = shared_path("data/ocean/globcurrent_2002")
        files = sorted(folder.glob("*GLOBCURRENT*.nc"))
        mappings = {name: catalogue.data(name) for name in catalogue.names("data")}
        assert match_mapping(folder, mappings) == "globcurrent"
        train_end = round(len(files) * mappings["globcurrent"].splits.train)
        assert [files[day].name[:8] for day in (0, train_end, -1)] == ["20020101", "20020901", "20021031"]
        for file in files[95:107]:
            (tmp_path / file.name).symlink_to(file)
        source = ArchiveSource(mappings["globcurrent"], tmp_path)
        assert source.mask.shape == (2, 40, 80)
        assert [str(time)[:10] for time in source.times[[0, -1]]] == ["2002-04-06", "2002-04-17"]
        with xr.open_dataset(files[100], decode_times=False) as file:
            by_hand = file["northward_eulerian_current_velocity"].values[0, :40, :80]
        np.testing.assert_array_equal(source.read([5])[0, 1], by_hand.astype(np.float32))

    def test_a_missing_day_of_globcurrent_is_named(self, tmp_path):
        folder = shared_path("data/ocean/globcurrent_2002")
        for number, file in enumerate(sorted(folder.iterdir())[:6]):
            if number != 3:
                (tmp_path / file.name).symlink_to(file)
        with pytest.raises(UserError, match="gap in time, nothing between 2002-01-03T00:00 and 2002-01-05T00:00"):
            ArchiveSource(catalogue.data("globcurrent"), tmp_path)

    def test_era5_file_of_one_time_without_a_dimension_for_it(self, tmp_path):
        """Its variables are level x longitude x latitude; a second file is the same, six hours later and warmer."""
        path = shared_path("data/atmosphere/era5_tl31.nc")
        channels = [
            {"name": "t", "variable": ["t", "temperature"], "levels": [1000, 500], "units": "K"},
            {"name": "sst", "variable": ["sst", "sea_surface_temperature"], "units": "K"},
        ]
        config = ArchiveConfig(
            kind="archive", files="*.nc", channels=channels, dimensions={"level": "level"}, missing="mask"
        )
        with pytest.raises(UserError, match="1 time step, at least 2 are needed"):
            ArchiveSource(config, path)
        with xr.open_dataset(path) as file:
            file.to_netcdf(tmp_path / "a.nc")
            later = file.assign_coords(time=file.time + np.timedelta64(6, "h"))
            later.assign(temperature=file.temperature + 1).to_netcdf(tmp_path / "b.nc")
            by_hand = file.temperature.sel(level=[1000, 500]).transpose("level", "latitude", "longitude").values
            sea = ~np.isnan(file.sea_surface_temperature.values.T)
        source = ArchiveSource(config, tmp_path)
        np.testing.assert_array_equal(source.read([0])[0, :2], by_hand)
        np.testing.assert_array_equal(source.read([1])[0, :2], by_hand + np.float32(1))
        np.testing.assert_array_equal(source.mask[2], sea)
        assert source.step == np.timedelta64(6, "h")
