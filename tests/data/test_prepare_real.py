"""Real archives, prepared: the same bytes, and the same data by their fingerprint."""

import numpy as np
import pytest
from shared import shared_path

from harness.data.archive import ArchiveSource
from harness.data.opening import open_source
from harness.data.preparing import Packing, prepare
from harness.scenario import catalogue


@pytest.mark.parametrize(("name", "folder"), [("globcurrent", "ocean/globcurrent_2002"), ("storm", "atmosphere")])
def test_real_archives_come_back_bit_by_bit(tmp_path, monkeypatch, name, folder):
    """Of many files the first eight."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, config = tmp_path / "archive", catalogue.data(name)
    path.mkdir()
    files = (file for pattern in config.files for file in shared_path(f"data/{folder}").glob(pattern))
    for file in sorted(files)[:8]:
        (path / file.name).symlink_to(file)
    prepare(config, path, tmp_path / "store", Packing())
    source, back = ArchiveSource(config, path), open_source(config, path=tmp_path / "store")
    steps = np.arange(len(source.times))
    assert back.fingerprint == source.fingerprint
    assert back.read(steps).tobytes() == source.read(steps).tobytes()
    assert back.read_statics().tobytes() == source.read_statics().tobytes()
