"""GRIB files through cfgrib, an extra that is asked for where it is missing."""

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Hashable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import xarray as xr

from harness.cache import cache_folder
from harness.errors import UserError

_RAW = {
    "mask_and_scale": False,
    "decode_times": False,
    "decode_timedelta": False,
    "cache": False,
}

_PADDING_BYTES = 65_536

_KEPT = {"number", "time", "step", "valid_time"}
"""Scalar coordinates that say which field it is; the others tell the level of a single variable."""


def open_grib(path: Path) -> xr.Dataset:
    """All variables of a GRIB file by the short names of ecCodes, lazily and not decoded.

    Variables at several kinds of level come together; of one name, those of a later kind are named after it, as in
    `t_isobaricInhPa`. The index of the messages is kept in the cache folder, never beside the file. Raises UserError
    where cfgrib or ecCodes is missing, or the messages do not form fields on one axis of time.
    """
    if find_spec("cfgrib") is None or find_spec("eccodes") is None:
        raise UserError(f"{path}: is a GRIB file; to read it: pip install 'crosscast[grib]'")
    if not _is_complete(path):
        raise UserError(f"{path}: a GRIB file that ends inside a message: get it again")
    noise = io.StringIO()
    logging.getLogger("cfgrib").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(noise):
            warnings.simplefilter("ignore")
            import cfgrib

            parts = cfgrib.open_datasets(str(path), backend_kwargs={"indexpath": _index_path(path)}, **_RAW)
            return _joined(path, parts)
    except UserError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: a GRIB file that cannot be read ({reason})") from error


def _index_path(path: Path) -> str:
    """Where cfgrib keeps what it knows of the file as it is now: in the user's cache folder, never beside the data."""
    status = path.stat()
    state = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0{version('cfgrib')}"
    try:
        folder = cache_folder() / "grib"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, UserError):
        return ""
    beginning = str(folder).replace("{", "{{").replace("}", "}}")
    return f"{beginning}/{hashlib.sha256(state.encode()).hexdigest()[:32]}.{{short_hash}}.idx"


def _joined(path: Path, parts: list[xr.Dataset]) -> xr.Dataset:
    variables: dict[Hashable, xr.DataArray] = {}
    for part in parts:
        levels = [name for name, each in part.coords.items() if not each.dims and name not in _KEPT]
        for name, array in part.drop_vars(levels).data_vars.items():
            key = name if name not in variables else f"{name}_{array.attrs.get('GRIB_typeOfLevel', 'other')}"
            if key in variables:
                kind = array.attrs.get("GRIB_typeOfLevel", "level")
                raise UserError(f"{path}: holds {name} at {kind} several times over: split it by time range or step")
            variables[key] = array.rename(key)
    try:
        joined = xr.merge(variables.values(), compat="override", join="exact", combine_attrs="override")
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: its variables are not at the same times and levels: split it ({reason})") from None
    for key, array in variables.items():
        unlike = [name for name in ("step", "valid_time", "number") if _differ(joined.coords, array.coords, name)]
        if unlike:
            raise UserError(f"{path}: {key} is at another {unlike[0]} than the variables before it: split the file")
        joined[key].attrs = array.attrs
    joined.attrs = {}
    return joined


def _differ(one: Any, other: Any, name: str) -> bool:
    return name in one and name in other and not one[name].equals(other[name])


def _is_complete(path: Path) -> bool:
    """Whether the file ends with the end of a message, which ecCodes does not ask of the last one."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _PADDING_BYTES))
        return stream.read().rstrip(b"\0\n\r\x03").endswith(b"7777")
