"""`crosscast prepare` says what it wrote, what that brings and how it is read."""

import yaml
from click.testing import CliRunner
from test_prepare import CONFIG, full, own_cache, write

from harness.commands.cli import cli
from harness.data import read_rates
from harness.errors import UserError

__all__ = ["own_cache"]


def test_the_command_prepares_says_what_it_brought_and_how_to_read_it(tmp_path, monkeypatch):
    data, name = write(tmp_path / "data", "zarr 2"), tmp_path / "mine.yaml"
    name.write_text(yaml.safe_dump(CONFIG.model_dump(mode="json", exclude_defaults=True) | {"kind": "archive"}))
    out = tmp_path / "store"
    given = ["prepare", "--data", str(data), "--mapping", str(name), "--out", str(out)]
    done = CliRunner().invoke(cli, given)
    assert done.exit_code == 0, done.output
    assert "20 steps of 2 channels as float32" in done.output
    assert "GB/s" in done.output
    assert f"DATA={out} MAPPING={name}" in done.output
    again = CliRunner().invoke(cli, given)
    assert "0 steps were written now, 20 were there" in again.output
    with monkeypatch.context() as patched:
        patched.setattr(read_rates.tempfile, "TemporaryFile", full)
        unmeasured = CliRunner().invoke(cli, given)
    assert unmeasured.exit_code == 0, unmeasured.output
    assert "GB/s" not in unmeasured.output
    assert "was not measured: no file for comparison can be written in" in unmeasured.output
    twice = CliRunner().invoke(
        cli, ["prepare", "--data", str(out), "--mapping", str(name), "--out", str(tmp_path / "b")]
    )
    assert isinstance(twice.exception, UserError)
    assert "is a prepared store already" in str(twice.exception)
