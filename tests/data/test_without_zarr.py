"""Where Zarr's packages are not installed, all else works and a Zarr store is one line that says how to get them."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from harness.data import kept_scan
from tests.shared import REPOSITORY

BLOCKED = """
import sys
sys.modules["zarr"] = sys.modules["numcodecs"] = None
import importlib, pkgutil
import harness.data
for module in pkgutil.iter_modules(harness.data.__path__):
    importlib.import_module("harness.data." + module.name)
from harness.commands.cli import main
sys.argv[0] = "crosscast"
main()
"""


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The same fields as a NetCDF file and as a Zarr store."""
    folder = tmp_path_factory.mktemp("archives")
    times = np.datetime64("2001-01-01", "ns") + np.arange(40) * np.timedelta64(6, "h")
    values = np.random.default_rng(0).normal(size=(40, 8, 16)).astype(np.float32)
    coordinates = {"time": times, "latitude": np.linspace(80, -80, 8), "longitude": np.arange(16) * 22.5}
    fields = xr.Dataset({"z": (("time", "latitude", "longitude"), values, {"units": "m"})}, coordinates)
    fields.to_netcdf(folder / "archive.nc")
    fields.to_zarr(folder / "archive.zarr")
    return folder


def mapping_for(archives, *arguments):
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, "mapping", *map(str, arguments)],
        cwd=archives,
        env={"PYTHONPATH": str(REPOSITORY), "HOME": str(archives), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


def test_netcdf_is_read(archives):
    done = mapping_for(archives, "archive.nc")
    assert done.returncode == 0, done.stderr
    assert "variable: z" in done.stdout


def test_zarr_is_refused_with_the_way_to_get_it(archives):
    done = mapping_for(archives, "archive.zarr")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("crosscast: archive.zarr: is a Zarr store, and zarr and numcodecs not installed: ")
    assert "python -m pip install zarr numcodecs" in line


def test_a_decoder_that_is_not_there_is_part_of_what_a_scan_is_kept_for():
    assert kept_scan._version("made-nowhere") == "not installed"
    assert kept_scan._version("numpy") == np.__version__
