"""A bench on an archive of odd files: what is said and kept of its values, in a calendar of its own, from a URL."""

import numpy as np
import pytest
import xarray as xr
import yaml

from harness.results.forecast import Forecast
from tests.launch.conftest import Made, records, run_in, write_micro

STEPS, ROWS, COLUMNS = 64, 9, 16

pytestmark = pytest.mark.slow

MAPPING = {
    "kind": "archive",
    "files": "*.nc",
    "even_grid": True,
    "splits": {"train": 0.7, "validation": 0.0, "test": 0.3},
    "channels": [
        {"name": "t2m", "variable": "t2m", "units": "K"},
        {"name": "u10", "variable": "u10", "units": "m s-1"},
    ],
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """One launch on temperature, in degrees Celsius in the second file, and wind without units.

    From pole to pole, in a calendar without leap days; no validation.
    """
    folder = tmp_path_factory.mktemp("reading")
    data = folder / "data"
    data.mkdir()
    walk = np.random.default_rng(0).normal(size=(2, STEPS, ROWS, COLUMNS)).cumsum(axis=1).astype("f4")
    dims = ("time", "latitude", "longitude")
    whole = xr.Dataset(
        {"t2m": (dims, 280 + walk[0]), "u10": (dims, walk[1])},
        coords={
            "time": ("time", 0.25 * np.arange(STEPS), {"units": "days since 2020-02-20", "calendar": "noleap"}),
            "latitude": ("latitude", np.linspace(-90, 90, ROWS), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(COLUMNS) * 22.5, {"units": "degrees_east"}),
        },
    )
    half = STEPS // 2
    for number, (units, offset) in enumerate((("K", 0.0), ("degC", 273.15))):
        part = whole.isel(time=slice(number * half, number * half + half))
        part["t2m"] = (part["t2m"] - offset).astype("f4").assign_attrs(units=units)
        part.to_netcdf(data / f"{number}.nc")
    (folder / "mapping.yaml").write_text(yaml.safe_dump(MAPPING))
    suite = write_micro(folder)
    options = ("--suite", suite, "--data", data.as_uri(), "--mapping", folder / "mapping.yaml")
    return Made(folder, suite, run_in(folder, "bench", *options))


def test_conversions_and_cautions_reach_the_terminal_and_the_record(bench):
    done = bench.done
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    converted = "t2m: degC converted to K (x 1 + 273.15) in 1 of 2 files, the first 1.nc"
    left_out = "latitude: the row at latitude -90, one of 9, left out for an even grid"
    caution = "units not stated in the files, assumed: u10 (m s-1)"
    for line in (converted, left_out, caution):
        assert said.count(f"data mapping: {line}") == 1 + (line == caution)
    (record,) = records(bench.results)
    reading = record["measurements"]["data"]
    (conversion,) = reading["conversions"]
    found = [conversion[name] for name in ("field", "stated", "wanted", "factor", "offset")]
    assert found == ["t2m", "degC", "K", 1, 273.15]
    assert reading["remarks"] == [left_out]
    assert reading["cautions"] == [caution]
    assert f"data mapping: {caution}" in (bench.results / "micro/tables/speed.md").read_text()


def test_dates_of_a_file_url_are_those_of_a_calendar_without_leap_days(bench):
    """Climatology, the sun and the kept forecast, in the bench and in its launch: 29 February is none of them."""
    (record,) = records(bench.results)
    assert record["measurements"]["fingerprints"]["data"] == record["scenario"]["data_digest"]
    (kept,) = bench.results.rglob("forecast.npz")
    valid_at = Forecast.load(kept).valid_at
    assert valid_at.startswith("2020-03-0")
    assert valid_at.endswith(" (noleap)")


def test_without_a_validation_split_no_loss_of_it_is_made_up(bench):
    """The loop that leaves it out is the same for every framework."""
    (record,) = records(bench.results)
    epochs = record["measurements"]["training"][0]["epochs"]
    assert {(epoch["validation_loss"], epoch["validation_s"]) for epoch in epochs} == {(None, None)}
    assert list(bench.results.glob("micro/figures/loss-micro-model-micro-mapping.png"))
