"""Paths that are not UTF-8, such as names in GB 2312: records are, so that what one would name is refused at once."""

import os
from importlib.util import find_spec

import pytest
from click.testing import CliRunner
from test_archive import archive, mapping

from harness.commands.cli import cli
from harness.data.opening import open_source
from harness.data.preparing import Packing, prepare
from harness.errors import UserError
from harness.scenario import catalogue

ZARR = find_spec("zarr")
NAMELESS = os.fsdecode("气".encode("gb2312"))


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The same archive in a folder of such a name, behind a link to it, and under such a name of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, plain = tmp_path / NAMELESS, tmp_path / "plain"
    folder.mkdir()
    plain.mkdir()
    archive().to_netcdf(tmp_path / "a.nc")
    content = (tmp_path / "a.nc").read_bytes()
    (folder / "a.nc").write_bytes(content)
    (plain / f"{NAMELESS}.nc").write_bytes(content)
    (tmp_path / "link").symlink_to(folder)
    return {"file": folder / "a.nc", "link": tmp_path / "link", "plain": plain}


def below(folder):
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("which", ["file", "link", "plain"])
def test_an_archive_is_refused_before_anything_is_read(tmp_path, places, which):
    with pytest.raises(UserError, match=r"name is not UTF-8: rename it, or the folder that it lies in$"):
        open_source(mapping(), path=places[which])
    before = below(tmp_path)
    for command in (["mapping", str(places[which])], ["prepare", "--data", str(places[which]), "--out"]):
        out = [str(tmp_path / "out")] if command[0] == "prepare" else []
        found = CliRunner().invoke(cli, [*command, *out])
        assert isinstance(found.exception, UserError)
        assert "name is not UTF-8" in str(found.exception)
    assert below(tmp_path) == before


@pytest.mark.skipif(ZARR is None, reason="zarr is not installed")
@pytest.mark.parametrize("beside", ["", "a"], ids=["at its top", "beside the chunks"])
def test_a_file_of_such_a_name_inside_a_store_changes_nothing(tmp_path, monkeypatch, beside):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = tmp_path / "all.zarr"
    data = archive()
    data.to_zarr(store, consolidated=False)
    folder = store / next(iter(data)) if beside else store
    (folder / f"{NAMELESS}.txt").write_text("notes")
    found = open_source(mapping(files=["*.zarr"]), path=tmp_path)
    assert found.read([0]).shape[0] == 1
    assert CliRunner().invoke(cli, ["mapping", str(tmp_path)]).exit_code == 0


def test_a_prepared_store_is_neither_written_nor_read_there(tmp_path, places):
    data, moved = tmp_path / "a.nc", tmp_path / NAMELESS / "store"
    options = ["--data", str(data), "--mapping", "era5_128", "--out"]
    found = CliRunner().invoke(cli, ["prepare", *options, str(moved)])
    assert "name is not UTF-8" in str(found.exception)
    assert not moved.exists()
    prepare(mapping(), data, tmp_path / "store", Packing(), lambda fraction: None)
    (tmp_path / "store").rename(moved)
    with pytest.raises(UserError, match="name is not UTF-8"):
        open_source(mapping(), path=moved)


def test_a_model_and_weights_of_pytorch_are_refused(tmp_path):
    model, weights = tmp_path / f"{NAMELESS}.yaml", tmp_path / f"{NAMELESS}.pt"
    model.write_text("architecture: fourcastnet\n")
    with pytest.raises(UserError, match="name is not UTF-8"):
        catalogue.path_of("models", str(model))
    weights.write_bytes(b"\x80\x02}.")
    before = below(tmp_path)
    found = CliRunner().invoke(cli, ["convert", str(weights), str(tmp_path / "out.safetensors")])
    assert isinstance(found.exception, UserError)
    assert "name is not UTF-8" in str(found.exception)
    assert below(tmp_path) == before
