"""A prepared store: an archive rewritten by `crosscast prepare`, read back as the source that it was made from.

It is a Zarr store of version 2 that other programs read: `fields` (time, channel, latitude, longitude) with one chunk a
time, `forcings` likewise, `statics`, `mask` and `valid_steps`. Values are `fields` themselves where float32, and
`fields * scale + offset` by channel where they are packed. The attribute `crosscast_prepared` says what they come from.
"""

import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from collectors.regular_files import read_regular
from harness.data.calendar import Times
from harness.data.checks import regular_step
from harness.data.config import ArchiveConfig
from harness.data.fingerprints import derived
from harness.data.reading import DataReading
from harness.data.scratch import borrowed
from harness.data.source import Finish, unfinished
from harness.data.threads import in_threads
from harness.data.whole_fields import WholeFields, whole_fields
from harness.data.zarr_packages import require_zarr
from harness.errors import UserError, one_line
from harness.frozen import Frozen
from harness.models.domain import ChannelInfo

Fields = NDArray[np.float32]
StoredType = Literal["float32", "float16", "int16"]

MARK = "crosscast_prepared"
ATTRIBUTES = ".zattrs"
NO_DATA = -32768
"""What stands in fields of int16 where there is no value."""

LARGE = {"fields", "forcings"}
"""Arrays with one chunk a step."""

WITHOUT_EFFECT = {"description", "model_overrides", "splits"}
"""Of a mapping, what does not change the values that are read."""

_MOST_BYTES = 2**26
_AGAIN = "remove it and prepare the archive again"


class Prepared(Frozen):
    """What a prepared store says of itself."""

    version: Literal[2] = Field(default=2, description="1 has an older kind of fingerprint")
    fingerprint: str = Field(description="of the archive that it was made from")
    mapping: str = Field(description="the mapping of that archive as JSON")
    stored: StoredType
    normalised: bool = Field(description="stored without the mean and in units of the deviation of the training steps")
    compression: Literal["none", "lz4", "zstd"]
    channels: tuple[ChannelInfo, ...]
    units: tuple[str, ...]
    forcings: tuple[str, ...]
    statics: tuple[str, ...]
    reading: DataReading
    arrays: str = Field(default="", description="SHA-256 (hex) of everything in the store but fields and forcings")
    complete: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether the values read back are those of the archive, bit by bit."""
        return self.stored == "float32" and not self.normalised

    @property
    def read_fingerprint(self) -> str:
        """Of the values read back: that of the archive where they are the same, else of it, the type and the scales."""
        if self.is_exact:
            return self.fingerprint
        return derived(self.fingerprint, f"{self.stored} {self.arrays}")


def mapping_json(config: ArchiveConfig) -> str:
    """A mapping as a prepared store keeps it."""
    return config.model_dump_json(exclude=WITHOUT_EFFECT)


def description_of(path: Any) -> Prepared | None:
    """What the prepared store at `path` says of itself; None where there is no such store.

    Raises UserError where it is one and what it says cannot be read.
    """
    if not isinstance(path, Path) or not (path / ATTRIBUTES).is_file():
        return None
    try:
        said = json.loads(read_regular(path / ATTRIBUTES, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or MARK not in said:
        return None
    if isinstance(said[MARK], dict) and said[MARK].get("version") == 1:
        raise UserError(
            f"{path}: prepared by an older Crosscast, whose fingerprint of the data cannot be compared with today's; "
            f"{_AGAIN}"
        )
    try:
        return Prepared.model_validate(said[MARK])
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{path}: a prepared store that cannot be read here: {field}: {first['msg']}; {_AGAIN}"
        ) from None


class PreparedSource:
    """A `Source` over a prepared store.

    Raises UserError where the store was not finished, was made by another mapping than `config`, or is damaged.
    """

    def __init__(self, config: ArchiveConfig, path: Path, said: Prepared) -> None:
        if not said.complete:
            raise UserError(f"{path}: the store was not finished; run the same `crosscast prepare` again to go on")
        _check_mapping(path, json.loads(said.mapping), json.loads(mapping_json(config)))
        self._path, self._said = path, said
        self.channel_info, self.units = said.channels, said.units
        self.channels = tuple(channel.name for channel in said.channels)
        self.forcings, self.statics = said.forcings, said.statics
        self.reading, self.fingerprint = said.reading, said.read_fingerprint
        try:
            self._open()
        except UserError:
            raise
        except Exception as error:
            raise damaged(self._path, error) from error

    def _open(self) -> None:
        store = small_arrays(self._path, self._said)
        self.latitude: NDArray[np.float64] = store["latitude"].values
        self.longitude: NDArray[np.float64] = store["longitude"].values
        self.times = decoded_times(store["time"].values, store["time"].attrs)
        self.step = regular_step(self.times, lambda step: str(self._path))
        self.mask: NDArray[np.bool_] = store["mask"].values.astype(bool)
        self.valid_steps: NDArray[np.bool_] = store["valid_steps"].values.astype(bool)
        self._static_fields: Fields = (
            store["statics"].values if self.statics else np.empty((0, *self.mask.shape[1:]), dtype=np.float32)
        )
        self._scale = self._offset = None
        if not self._said.is_exact:
            self._scale, self._offset = (store[name].values for name in ("scale", "offset"))
        self._fields = self._array("fields", len(self.channels))
        self._forcing_fields = self._array("forcings", len(self.forcings)) if self.forcings else None
        if self.mask.shape != (len(self.channels), len(self.latitude), len(self.longitude)):
            raise ValueError("mask and coordinates do not fit together")

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> Fields:
        """Fields (n, C, H, W) at these time indices; NaN outside the mask; UserError where a chunk cannot be read."""
        return self._read(self._fields, indices, self._scale, self._offset)

    def read_into(
        self, indices: Sequence[int] | NDArray[np.int64], outs: Sequence[Fields], finish: Finish = unfinished
    ) -> None:
        """As `ReadsInto` says; UserError where a chunk cannot be read."""
        self._read_into(self._fields, indices, outs, self._scale, self._offset, finish)

    def read_forcings(self, indices: Sequence[int] | NDArray[np.int64]) -> Fields:
        """Forcings (n, F, H, W) at these time indices; UserError where a chunk cannot be read."""
        if self._forcing_fields is None:
            return np.empty((len(indices), 0, *self.mask.shape[1:]), dtype=np.float32)
        return self._read(self._forcing_fields, indices)

    def read_statics(self) -> Fields:
        """Static fields (S, H, W)."""
        return self._static_fields

    def is_touched(self) -> bool:
        """As `OfFiles` says, by what the store says of itself: it is written anew or not at all."""
        return description_of(self._path) != self._said

    def _read(
        self,
        array: WholeFields,
        indices: Sequence[int] | NDArray[np.int64],
        scale: Fields | None = None,
        offset: Fields | None = None,
    ) -> Fields:
        steps, position = np.unique(np.asarray(indices, dtype=np.int64), return_inverse=True)
        repeats = len(steps) < len(position)
        fields = np.empty((len(steps), *array.step_shape), dtype=np.float32)
        self._read_into(array, steps if repeats else indices, fields, scale, offset)
        return fields[position] if repeats else fields

    def _read_into(
        self,
        array: WholeFields,
        indices: Sequence[int] | NDArray[np.int64],
        outs: Sequence[Fields] | Fields,
        scale: Fields | None = None,
        offset: Fields | None = None,
        finish: Finish = unfinished,
    ) -> None:
        plane = math.prod(array.step_shape[1:])

        def take(number: int, step: int, begin: int, end: int) -> None:
            values = outs[number].reshape(-1)
            self._part_into(array, step, begin, values[begin:end])
            for channel in range(begin // plane, -(-end // plane)):
                first, last = max(begin, channel * plane), min(end, (channel + 1) * plane)
                part = values[first:last]
                if scale is not None and offset is not None:
                    part *= scale[channel]
                    part += offset[channel]
                finish(number, channel, part, first - channel * plane)

        try:
            tasks = [
                partial(take, number, int(step), begin, end)
                for number, step in enumerate(indices)
                for begin, end in array.parts(int(step))
            ]
        except Exception as error:
            raise damaged(self._path, error) from error
        in_threads(tasks, 4 * plane * array.step_shape[0] * len(indices))

    def _part_into(self, array: WholeFields, step: int, begin: int, out: Fields) -> None:
        """The stored values of a step from a position on as float32, NaN where there is none."""
        try:
            if array.dtype == out.dtype:
                array.decode_parts(step, [(begin, out)])
                return
            with borrowed(out.size * array.dtype.itemsize) as memory:
                stored = memory.view(array.dtype)
                array.decode_parts(step, [(begin, stored)])
                out[...] = stored
                if stored.dtype.kind == "i":
                    out[stored == NO_DATA] = np.nan
        except Exception as error:
            raise damaged(self._path, error) from error

    def _array(self, name: str, channels: int) -> WholeFields:
        array = whole_fields(self._path, name)
        if array is None:
            raise ValueError(f"{name} has not one chunk a step")
        shape = (len(self.times), channels, len(self.latitude), len(self.longitude))
        if array.layout.shape != shape:
            raise ValueError(f"{name} has the shape {array.layout.shape}, not {shape}")
        return array


def small_arrays(path: Path, said: Prepared) -> Mapping[Any, Any]:
    """The variables (of xarray) of the store at `path` by name, without any decoding.

    Raises UserError where they cannot be read, or are not those that were written, the large ones aside.
    """
    import xarray as xr

    require_zarr(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = xr.open_zarr(str(path), chunks=None, consolidated=False, decode_cf=False)
        digest = digest_of(opened.variables)
    except Exception as error:
        raise damaged(path, error) from error
    if digest != said.arrays:
        raise damaged(path, ValueError("its arrays are not those that were written"))
    return opened.variables


def damaged(path: Path, error: Exception) -> UserError:
    """What to raise where the store at `path` cannot be read."""
    return UserError(f"{path}: cannot be read ({one_line(error)}); {_AGAIN}")


def digest_of(arrays: Mapping[Any, Any]) -> str:
    """SHA-256 (hex) of names, values and units of the variables (of xarray) in a store, without the large ones."""
    digest = hashlib.sha256()
    for name in sorted(set(map(str, arrays)) - LARGE):
        values = np.ascontiguousarray(arrays[name].values)
        units = {key: str(arrays[name].attrs.get(key)) for key in ("units", "calendar")}
        digest.update(f"{name} {values.dtype.str} {values.shape} {units}".encode() + values.tobytes())
    return digest.hexdigest()


def decoded_times(values: NDArray[np.int64], attributes: Any) -> Times:
    """Times (T,) of the numbers that `encoded_times` gives."""
    if attributes["calendar"] == "proleptic_gregorian" and str(attributes["units"]).startswith("nanoseconds"):
        return values.astype(np.int64).astype("datetime64[ns]")
    import cftime

    times: Times = cftime.num2date(
        values, attributes["units"], calendar=attributes["calendar"], only_use_cftime_datetimes=True
    )
    return times


def encoded_times(times: Times) -> tuple[NDArray[np.int64], dict[str, str]]:
    """Numbers (T,) for times, and the attributes of the CF conventions that say what they are."""
    if times.dtype.kind == "M":
        units = {"units": "nanoseconds since 1970-01-01", "calendar": "proleptic_gregorian"}
        return times.astype("datetime64[ns]").astype(np.int64), units
    import cftime

    units = {"units": "microseconds since 1970-01-01", "calendar": str(times[0].calendar)}
    return np.asarray(cftime.date2num(times, **units), dtype=np.int64), units


def _check_mapping(path: Path, kept: dict[str, Any], given: dict[str, Any]) -> None:
    """Raise UserError where a store was made by another mapping, with the first part that differs."""
    for name in (*kept, *given):
        if kept.get(name) != given.get(name):
            raise UserError(
                f"{path}: prepared by another mapping, which differs in {name!r}: name that mapping, or remove it and "
                "prepare the archive again by this one"
            )
