"""What a file is, by its first bytes, where it is not what its name says."""

import re
from collections.abc import Sequence

HEAD_BYTES = 4096

_BEGINNINGS: Sequence[tuple[bytes, str]] = (
    (b"PK\x03\x04", "a zip archive: unpack it into the DATA folder"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "compressed with gzip: unpack it with gunzip"),
    (b"BZh", "compressed with bzip2: unpack it with bunzip2"),
    (b"\xfd7zXZ\x00", "compressed with xz: unpack it with unxz"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard: unpack it with unzstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it into the DATA folder"),
    (b"Rar!", "a RAR archive: unpack it into the DATA folder"),
    (b"\x0e\x03\x13\x01", "HDF4, not netCDF: convert it, for example with h4toh5 or nccopy"),
    (b"BUFR", "BUFR, observations and no fields on a grid"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the data: fetch them with `git lfs pull`"),
    (b"/annex/objects/", "a pointer of git-annex, not the data: fetch them with `git annex get`"),
    (b"\x93NUMPY", "an array of NumPy: save it as netCDF or Zarr with names and coordinates"),
    (b"PAR1", "Parquet: save it as netCDF or Zarr"),
    (b"SQLite format 3", "an SQLite database"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"II*\x00", "a TIFF image: convert it, for example with gdal_translate -of netCDF"),
    (b"MM\x00*", "a TIFF image: convert it, for example with gdal_translate -of netCDF"),
    (b"\xcd\xf3\x00\x01", "NASA's CDF, another format than netCDF: convert it with cdf-to-netcdf"),
    (b"SIMPLE  =", "a FITS file"),
)
_PAGE = re.compile(rb"^\s*(<!doctype html|<html|<head|<!--.*?-->\s*<html)", re.IGNORECASE | re.DOTALL)
_XML = re.compile(rb"^\s*<(\?xml|error|\w+)", re.IGNORECASE)
_CDL = re.compile(rb"(\s*//[^\n]*\n)*\s*netcdf\s+[^\n{]+\{")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")


def is_grib(head: bytes) -> bool:
    """Whether a file begins with a GRIB message, maybe after a header of the transmission."""
    return b"GRIB" in head[:64] and not is_netcdf(head)


def is_netcdf(head: bytes) -> bool:
    """Whether a file begins as netCDF does, classic or in HDF5."""
    return head.startswith((*_CLASSIC, _HDF5))


def foreign_format(head: bytes) -> str | None:
    """The format of a file that is neither netCDF nor GRIB, and what to do; None where it begins like those.

    `head` are its first HEAD_BYTES.
    """
    if is_netcdf(head) or is_grib(head):
        return None
    if not head:
        return "empty: get it again"
    for beginning, said in _BEGINNINGS:
        if head.startswith(beginning):
            return said
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it into the DATA folder"
    if _PAGE.match(head):
        return "an HTML page, such as a login or error page, not the data: get it again"
    if _XML.match(head):
        return "XML, such as the error message of a server, not the data: get it again"
    if head.lstrip()[:1] in (b"{", b"[") and _is_text(head):
        return "JSON, such as the answer of a server, not the data: get it again"
    if _CDL.match(head):
        return "netCDF as text (CDL): make the file of it with ncgen"
    if not any(head):
        return "nothing but zeros: get it again"
    if _is_text(head):
        return "text, not netCDF, GRIB or Zarr"
    return "none of netCDF, GRIB and Zarr"


def _is_text(head: bytes) -> bool:
    try:
        text = head[:-4].decode("utf-8") if len(head) == HEAD_BYTES else head.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)
