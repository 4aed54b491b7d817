"""What the fingerprint of an archive is made of, by hand from what xarray reads, for every way of storing it."""

import hashlib
from functools import partial

import numpy as np
import pytest
import xarray as xr
import xxhash
from test_prepare import CONFIG, write

from harness.data import archive as archives
from harness.data import threads
from harness.data.archive import ArchiveSource
from harness.data.opening import open_source
from harness.data.preparing import Packing, prepare
from harness.data.scanning import scan_steps


def by_hand(data):
    """As the docstring of harness.data.fingerprints says; `data` as xarray reads it."""
    said = b'{"channels": ["t", "q"], "units": ["K", "K"], "forcings": ["toa_radiation", "push"], '
    said += b'"statics": ["still", "land_sea_mask"]}'
    values = {name: data[name].values.astype("<f4") for name in ("t", "q", "force", "still")}
    assert np.isnan(values["t"]).sum() == 30
    assert np.isnan(values["q"]).sum() == 40
    for field in values.values():
        field.view("<u4")[np.isnan(field)] = 0x7FC00000
    no_land = np.zeros((5, 6), dtype="<f4")
    fields = [values[name][step] for step in range(20) for name in ("t", "q")]
    fields += [values["still"], no_land, *values["force"]]
    digest = hashlib.sha256(said)
    for coordinate in (data.latitude.values.astype("<f8"), data.longitude.values.astype("<f8")):
        digest.update(coordinate.tobytes())
    digest.update(data.time.values.astype("datetime64[ns]").astype("<i8").tobytes())
    for field in fields:
        digest.update(xxhash.xxh3_128(field.tobytes(), seed=0).intdigest().to_bytes(16, "big"))
    return "xxh3:" + digest.hexdigest()


@pytest.mark.parametrize(("file_format", "cores", "block_bytes"), [("netcdf", 1, 2**20), ("zarr 3", 3, 700)])
def test_of_archives_and_of_what_is_prepared_from_them(tmp_path, monkeypatch, file_format, cores, block_bytes):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(threads, "WORTH_BYTES", 0)
    monkeypatch.setattr(threads, "cores", lambda: cores)
    monkeypatch.setattr(archives, "scan_steps", partial(scan_steps, block_bytes=block_bytes))
    folder = write(tmp_path / "data", file_format)
    (path,) = folder.iterdir()
    with xr.open_zarr(path, consolidated=False) if path.is_dir() else xr.open_dataset(path) as data:
        expected = by_hand(data)
    prepare(CONFIG, folder, tmp_path / "store", Packing())
    assert ArchiveSource(CONFIG, folder).fingerprint == expected
    assert open_source(CONFIG, path=tmp_path / "store").fingerprint == expected
