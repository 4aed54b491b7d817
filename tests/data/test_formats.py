"""A file that is not what its name says is named by what it is."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import numpy as np
import pytest
from test_archive import archive, mapping

from harness.data.archive import ArchiveSource
from harness.data.matching import match_mapping
from harness.errors import UserError


def tar(content):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        member = tarfile.TarInfo("a.nc")
        member.size = len(content)
        file.addfile(member, io.BytesIO(content))
    return out.getvalue()


def zipped(content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.nc", content)
    return out.getvalue()


def array(content):
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


CASES = {
    "zip": (zipped, "a zip archive: unpack it"),
    "gzip": (gzip.compress, "compressed with gzip: unpack it with gunzip"),
    "bzip2": (bz2.compress, "compressed with bzip2"),
    "xz": (lzma.compress, "compressed with xz"),
    "tar": (tar, "a tar archive: unpack it"),
    "numpy": (array, "an array of NumPy"),
    "login page": (lambda _: b"\n<!DOCTYPE html>\n<html><body>Log in</body></html>", "an HTML page, such as a login"),
    "page": (lambda _: b"<HTML><HEAD>404</HEAD></HTML>", "an HTML page"),
    "xml": (lambda _: b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "XML, such as the error message"),
    "json": (lambda _: b'{"title": "Not found", "status": 404}', "JSON, such as the answer of a server"),
    "git lfs": (
        lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "a pointer of Git LFS, not the data: fetch them with `git lfs pull`",
    ),
    "git-annex": (lambda _: b"/annex/objects/SHA256E-s5--0.nc\n", "a pointer of git-annex"),
    "hdf4": (lambda _: b"\x0e\x03\x13\x01" + bytes(40), "HDF4, not netCDF"),
    "bufr": (lambda _: b"BUFR\x00\x00\x40\x04", "BUFR"),
    "nothing": (lambda _: b"", "empty: get it again"),
    "zeros": (lambda content: bytes(len(content)), "nothing but zeros"),
    "text": (lambda _: b"time,t,q\n1,2,3\n", "text, not netCDF, GRIB or Zarr"),
    "mapping": (lambda _: b"kind: archive\ndimensions:\n  time: t\n", "text, not netCDF, GRIB or Zarr"),
    "cdl": (lambda _: b"netcdf a {\ndimensions:\n\ttime = 2 ;\n}\n", "netCDF as text (CDL)"),
    "commented cdl": (lambda _: b"// by ncdump\n\nnetcdf a\\ b {\ndimensions:\n}\n", "netCDF as text (CDL)"),
    "noise": (lambda _: bytes(range(128, 256)) * 4, "none of netCDF, GRIB and Zarr"),
}


@pytest.fixture(scope="module")
def netcdf(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "a.nc"
    archive().to_netcdf(path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", CASES)
def test_format_is_named(tmp_path, netcdf, kind):
    make, said = CASES[kind]
    (tmp_path / "a.nc").write_bytes(make(netcdf))
    for opened in (lambda: ArchiveSource(mapping(), tmp_path), lambda: match_mapping(tmp_path, {"heat": mapping()})):
        with pytest.raises(UserError) as caught:
            opened()
        assert f"a.nc: cannot be read, it is {said}" in str(caught.value)
        assert "xarray" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_lies_in_the_folder_instead(tmp_path, netcdf):
    (tmp_path / "download.zip").write_bytes(zipped(netcdf))
    (tmp_path / "notes.txt").write_text("from the Climate Data Store")
    with pytest.raises(UserError, match=r"no file matches \*.nc, only download.zip, notes.txt; download.zip is a zip"):
        ArchiveSource(mapping(), tmp_path)
    with pytest.raises(UserError, match=r"download.zip is a zip archive: unpack it into the DATA folder\)$"):
        match_mapping(tmp_path, {"heat": mapping(), "cold": mapping(files="*.zarr")})


def test_no_mapping_fits_names_the_way_on(tmp_path, netcdf):
    folder = tmp_path / "with a blank"
    folder.mkdir()
    (folder / "a.nc").write_bytes(netcdf)
    other = mapping(channels=[{"name": "u", "variable": "u", "units": "m s-1"}])
    with pytest.raises(UserError, match=r"with MAPPING=, which `crosscast mapping '.*/with a blank'` begins for you"):
        match_mapping(folder, {"wind": other})
