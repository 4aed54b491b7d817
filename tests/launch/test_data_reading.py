"""What is done to the values of an archive is said once on the terminal and stands in the record and the tables."""

import numpy as np
import pytest
import xarray as xr
import yaml
from conftest import records

STEPS, ROWS, COLUMNS = 48, 9, 16

pytestmark = pytest.mark.slow

MAPPING = {
    "kind": "archive",
    "files": "*.nc",
    "even_grid": True,
    "channels": [
        {"name": "t2m", "variable": "t2m", "units": "K"},
        {"name": "u10", "variable": "u10", "units": "m s-1"},
    ],
}


@pytest.fixture
def folder(tmp_path):
    """Two months of temperature, the second in degrees Celsius, and wind without units; a grid from pole to pole."""
    path = tmp_path / "data"
    path.mkdir()
    walk = np.random.default_rng(0).normal(size=(2, STEPS, ROWS, COLUMNS)).cumsum(axis=1).astype("f4")
    dims = ("time", "latitude", "longitude")
    data = xr.Dataset(
        {"t2m": (dims, 280 + walk[0]), "u10": (dims, walk[1])},
        coords={
            "time": np.datetime64("2001-01-01", "ns") + np.timedelta64(6, "h") * np.arange(STEPS),
            "latitude": ("latitude", np.linspace(-90, 90, ROWS), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(COLUMNS) * 22.5, {"units": "degrees_east"}),
        },
    )
    for number, (units, offset) in enumerate((("K", 0.0), ("degC", 273.15))):
        part = data.isel(time=slice(number * 24, number * 24 + 24))
        part["t2m"] = (part["t2m"] - offset).astype("f4").assign_attrs(units=units)
        part.to_netcdf(path / f"{number}.nc")
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(MAPPING))
    return path


def test_conversions_and_cautions_reach_the_terminal_and_the_record(write_suite, folder, crosscast, tmp_path):
    suite = write_suite()
    options = ("--suite", suite, "--data", folder, "--mapping", tmp_path / "mapping.yaml")
    done = crosscast("bench", *options)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    converted = "t2m: degC converted to K (x 1 + 273.15) in 1 of 2 files, the first 1.nc"
    left_out = "latitude: the row at latitude -90, one of 9, left out for an even grid"
    caution = "units not stated in the files, assumed: u10 (m s-1)"
    for line in (converted, left_out, caution):
        assert said.count(f"data mapping: {line}") == 1 + (line == caution)
    (record,) = records(tmp_path / "results")
    reading = record["measurements"]["data"]
    (conversion,) = reading["conversions"]
    found = [conversion[name] for name in ("field", "stated", "wanted", "factor", "offset")]
    assert found == ["t2m", "degC", "K", 1, 273.15]
    assert reading["remarks"] == [left_out]
    assert reading["cautions"] == [caution]
    assert f"data mapping: {caution}" in (tmp_path / "results/micro/tables/speed.md").read_text()
