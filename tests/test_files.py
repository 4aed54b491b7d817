import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.files import write_atomically


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path):
    target, link = tmp_path / "kept.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_link_to_nothing_yet_makes_its_target(tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "later.json")
    write_atomically(tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "later.json").read_text() == "new"


def test_devices_are_written_into_and_stay_devices():
    write_atomically(Path(os.devnull), "gone")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_full_devices_are_refused():
    with pytest.raises(UserError, match="/dev/full: cannot be written: No space left on device"):
        write_atomically(Path("/dev/full"), "x" * 10)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_gets_the_file_between_what_is_printed(tmp_path, name):
    program = (
        "import sys; from pathlib import Path; from harness.files import write_atomically\n"
        f"print('before', flush=True); write_atomically(Path({name!r}), 'the file\\n'); print('after', flush=True)"
    )
    with (tmp_path / "printed.txt").open("wb") as file:
        subprocess.run([sys.executable, "-c", program], stdout=file, check=True)
    assert (tmp_path / "printed.txt").read_text() == "before\nthe file\nafter\n"
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert piped.stdout == "before\nthe file\nafter\n"


def test_a_pipe_is_written_where_somebody_reads_it(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match="nobody reads this pipe"):
        write_atomically(pipe, "lost")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, "read")
        assert os.read(reader, 100) == b"read"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_folders_and_sockets_are_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name in ("folder", "socket"):
            with pytest.raises(UserError, match="a folder, a disk or a socket"):
                write_atomically(tmp_path / name, "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "socket"]


@pytest.mark.parametrize("name", ["x" * 255, "\N{SNOWMAN}" * 85, "\N{WATER WAVE}" * 63, "x\udcff" * 127])
def test_the_longest_names_can_be_written(tmp_path, name):
    write_atomically(tmp_path / name, "whole")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "whole")]


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o002, 0o664), (0o022, 0o644)])
def test_a_file_has_the_rights_that_the_users_umask_leaves(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "bundle.tar.gz", b"logs")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "bundle.tar.gz").stat().st_mode) == mode


def test_names_that_the_locale_cannot_tell_can_be_written(tmp_path):
    code = "import sys; from pathlib import Path; from harness.files import write_atomically as write; "
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    name = tmp_path / "\N{SNOWMAN}"
    words = [sys.executable, "-c", code + "write(Path(sys.argv[1]), 'whole')", name]
    subprocess.run(words, env={**os.environ, **plain}, check=True)
    assert name.read_text() == "whole"


def test_nothing_is_left_where_the_folder_is_missing(tmp_path):
    with pytest.raises(UserError, match="No such file or directory; make its folder first, or name another place"):
        write_atomically(tmp_path / "missing" / "file", "x")
    assert list(tmp_path.iterdir()) == []


def test_text_that_is_no_unicode_is_written_as_its_escape(tmp_path):
    write_atomically(tmp_path / "file", "folder-\udcff")
    assert (tmp_path / "file").read_bytes() == b"folder-\\udcff"
