"""Hosts that lack what others have: /proc, a temporary folder, a name in UTF-8."""

import hashlib
import socket
import subprocess
import sys
import tempfile

import pytest

from harness import git as git_of_harness
from harness.errors import UserError
from harness.machine import environment
from harness.machine import identity as machine
from harness.processes import scratch_folder
from tests.launch.conftest import command
from tests.launch.stand_in import stand_in


def test_without_proc_one_line_says_so(write_suite, tmp_path):
    hidden = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    probe = subprocess.run([*hidden, "true"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"no private mounts here: {probe.stderr.decode().strip()}")
    done = subprocess.run(
        [*hidden, *command("bench", "--suite", write_suite())],
        cwd=tmp_path,
        env=stand_in(tmp_path / "stand_in"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("crosscast: /proc is not mounted: ")
    assert not list(tmp_path.glob("results/*/*/*"))


def test_without_a_temporary_folder_one_line_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(UserError, match="set TMPDIR to one that can"), scratch_folder("test"):
        pass


@pytest.mark.parametrize("name", ["plain", "h\udcf6st"])
def test_a_host_name_in_any_encoding_has_a_digest(monkeypatch, name):
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    *_, by_name = machine.identities()
    assert by_name == ("host name", hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:12])
    monkeypatch.setenv(machine.HOST_VARIABLE, name)
    assert len(environment.host_digest()) == 12


def test_git_that_hangs_is_not_waited_for(monkeypatch, tmp_path):
    git = tmp_path / "git"
    git.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(git_of_harness, "LIMIT_S", 0.2)
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "REPOSITORY", tmp_path)
    assert environment._git("status") is None
