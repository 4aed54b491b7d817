import os
import threading

import numpy as np
import pytest

from harness.cache import cache_folder, keep, recall
from harness.errors import UserError

ARRAYS = {"mask": np.arange(12, dtype=np.uint8).reshape(3, 4), "name": np.array("abc")}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def same(kept):
    return kept is not None and all(np.array_equal(kept[field], ARRAYS[field]) for field in ARRAYS)


def test_what_is_kept_is_recalled_by_its_name_and_fields():
    keep("a", ARRAYS)
    assert same(recall("a", ARRAYS))
    assert recall("b", ARRAYS) is None
    assert recall("a", ("mask", "another")) is None


def test_a_user_without_a_home_folder_is_one_line_and_nothing_is_kept(monkeypatch):
    """As a container's user who is a mere number, where the variable HOME is not set either."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(UserError, match="has no home folder here: set HOME or XDG_CACHE_HOME"):
        cache_folder()
    keep("a", ARRAYS)
    assert recall("a", ARRAYS) is None


def test_no_flipped_bit_gives_other_arrays():
    keep("a", ARRAYS)
    path = cache_folder() / "a.npz"
    content = path.read_bytes()
    refused = 0
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        kept = recall("a", ARRAYS)
        refused += kept is None
        assert kept is None or same(kept), position
    assert refused > len(content) / 2


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_file_without_its_end_is_refused(length):
    keep("a", ARRAYS)
    path = cache_folder() / "a.npz"
    path.write_bytes(path.read_bytes()[:length])
    assert recall("a", ARRAYS) is None


def test_several_that_keep_the_same_name_never_show_a_part():
    keep("a", ARRAYS)
    writers = [threading.Thread(target=lambda: [keep("a", ARRAYS) for _ in range(20)]) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert same(recall("a", ARRAYS))
    for writer in writers:
        writer.join()
    assert [path.name for path in cache_folder().iterdir()] == ["a.npz"]


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    keep("a", ARRAYS)
    assert recall("a", ARRAYS) is None
