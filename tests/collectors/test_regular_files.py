"""Only regular files of a sane size are opened, whatever bears the name."""

import os
import socket
from pathlib import Path

import pytest

from collectors.regular_files import kind_of, open_regular, read_regular


def fifo(path: Path) -> None:
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket has at most 107 characters
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def link_to_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


SPECIAL = {
    "a FIFO": fifo,
    "a link to a FIFO": link_to_fifo,
    "a socket": bound_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("name", SPECIAL)
def test_what_is_no_regular_file_is_not_opened(tmp_path, name):
    path = tmp_path / "record.json"
    SPECIAL[name](path)
    kind = name.removeprefix("a link to ")
    with pytest.raises(OSError) as raised:
        open_regular(path, 100)
    assert raised.value.strerror == f"{kind}, not a regular file"
    assert kind_of(path) == (None if kind == "a folder" else kind)


def test_a_sparse_file_is_not_read(tmp_path):
    path = tmp_path / "record.json"
    with path.open("wb") as file:
        file.truncate(50 * 2**30)
    with pytest.raises(OSError, match="50 GiB, but at most 1 MiB are read here"):
        read_regular(path, 2**20)


def test_the_largest_size_is_still_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_regular(path, 100) == b"x" * 100
    with pytest.raises(OSError, match="100 bytes, but at most 99 bytes"):
        read_regular(path, 99)
    assert kind_of(path) is None


def test_a_link_to_a_file_is_followed(tmp_path):
    (tmp_path / "file").write_bytes(b"here")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 100) == b"here"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_a_file_without_a_size_is_empty(tmp_path):
    (tmp_path / "link").symlink_to("/proc/self/status")
    assert read_regular(tmp_path / "link", 100) == b""


def test_what_is_not_there_is_said_by_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "absent", 100)
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match="symbolic links"):
        read_regular(tmp_path / "round", 100)
    assert kind_of(tmp_path / "absent") is None


def test_a_file_that_becomes_a_fifo_after_the_first_look_is_not_waited_for(tmp_path, monkeypatch):
    path, regular = tmp_path / "record.json", tmp_path / "regular"
    os.mkfifo(path)
    regular.write_bytes(b"")
    status = regular.stat()
    monkeypatch.setattr(Path, "stat", lambda self: status)
    with pytest.raises(OSError, match="a FIFO, not a regular file"):
        open_regular(path, 100)
