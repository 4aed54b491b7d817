"""Rewrites an archive once as a prepared store (prepared.py): resumable, and never over anything else."""

import glob
import json
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from harness.data.config import ArchiveConfig
from harness.data.kept_passes import KeptPasses
from harness.data.locations import Location
from harness.data.opening import open_source
from harness.data.prepared import (
    ATTRIBUTES,
    MARK,
    NO_DATA,
    Prepared,
    PreparedSource,
    StoredType,
    description_of,
    digest_of,
    encoded_times,
    mapping_json,
    small_arrays,
)
from harness.data.read_rates import Rates, read_rates
from harness.data.source import Progress, Source, blocks, stream, unwatched
from harness.data.threads import in_threads
from harness.data.windows import Windows
from harness.data.zarr_packages import require_zarr
from harness.errors import UserError
from harness.files import write_atomically
from harness.processes import is_running

Compression = Literal["none", "lz4", "zstd"]

_CONSOLIDATED = ".zmetadata"
_BLOSC_MOST_BYTES = 2**31 - 17


@dataclass(frozen=True)
class Packing:
    """How values are stored: their type, whether normalised, and how chunks are compressed."""

    stored: StoredType = "float32"
    normalised: bool = False
    compression: Compression = "lz4"

    @property
    def codec(self) -> Any:
        """The codec of chunks; None where they are not compressed."""
        if self.compression == "none":
            return None
        import numcodecs

        return numcodecs.Blosc(cname=self.compression, clevel=5 if self.compression == "lz4" else 3, shuffle=1)


@dataclass(frozen=True)
class Done:
    """A store that is complete: what it says of itself, its steps, those written now, its bytes, and how it reads.

    `unmeasured` says why there are no rates.
    """

    said: Prepared
    steps: int
    written: int
    stored_bytes: int
    value_bytes: int
    rates: Rates | None
    unmeasured: str = ""


def prepare(
    config: ArchiveConfig, data: Location, target: Path, packing: Packing, progress: Progress = unwatched
) -> Done:
    """Write the store at `target`, or what is missing of it, and measure how both are read.

    `progress` is told the fraction of steps that are there. Raises UserError where `target` is anything but this very
    store, finished or not, and undamaged; where it cannot be written; where the archive changes meanwhile; and whatever
    opening the archive raises.
    """
    target = Path(os.path.realpath(target))
    require_zarr(target)
    if description_of(data) is not None:
        raise UserError(f"{data}: is a prepared store already: name the archive that it was made from")
    if packing.stored != "float32" and packing.normalised:
        by = "the range" if packing.stored == "int16" else "mean and deviation"
        raise UserError(f"{packing.stored} is scaled by {by} of each channel already: leave out --normalised")
    source = open_source(config, path=data)
    said = _describe(source, config, packing)
    known = _known_at(target, said)
    if source.mask.size * 4 > _BLOSC_MOST_BYTES and packing.codec is not None:
        raise UserError("a step of these channels is larger than 2 GiB, which cannot be compressed: choose none")
    if known is None:
        _begin(target, source, said, _scales(source, config, packing))
    written = _write_steps(target, source, packing, progress)
    if written and open_source(config, path=data).fingerprint != source.fingerprint:
        raise UserError(
            f"{data}: was changed while it was prepared, so that {target} holds some of the old values and some of the "
            "new: remove it and prepare the archive again"
        )
    finished = _finish(target)
    prepared = PreparedSource(config, target, finished)
    rates, unmeasured = None, ""
    try:
        rates = read_rates(source, prepared, target.parent)
    except OSError as error:
        unmeasured = f"no file for comparison can be written in {target.parent}: {error.strerror}"
    return Done(
        said=finished,
        steps=len(source.times),
        written=written,
        stored_bytes=sum(file.stat().st_size for file in target.rglob("*") if file.is_file()),
        value_bytes=4 * len(source.times) * source.mask.size,
        rates=rates,
        unmeasured=unmeasured,
    )


def _describe(source: Source, config: ArchiveConfig, packing: Packing) -> Prepared:
    reading = source.reading
    if packing.stored != "float32" or packing.normalised:
        by = "the range" if packing.stored == "int16" else "mean and deviation"
        remark = f"values were stored as {packing.stored} scaled by {by} of each channel, and so are rounded"
        reading = reading.model_copy(update={"remarks": (*reading.remarks, remark)})
    return Prepared(
        fingerprint=source.fingerprint,
        mapping=mapping_json(config),
        stored=packing.stored,
        normalised=packing.normalised,
        compression=packing.compression,
        channels=source.channel_info,
        units=source.units,
        forcings=source.forcings,
        statics=source.statics,
        reading=reading,
    )


def _known_at(target: Path, said: Prepared) -> Prepared | None:
    """What is at `target` of this store already; None where there is nothing.

    Raises UserError where there is anything else, with what it is, and where the store is damaged.
    """
    if not os.path.lexists(target):
        return None
    if target.is_dir() and not any(target.iterdir()):
        if target.samefile(os.curdir):
            raise UserError(f"{target}: is the folder that this command runs in and is replaced: name a folder in it")
        return None
    known = description_of(target)
    if known is None:
        raise UserError(f"{target}: exists and is no prepared store: name another place, or remove it")
    same = {"complete", "reading", "arrays"}
    theirs, ours = known.model_dump(exclude=same), said.model_dump(exclude=same)
    for name, value in ours.items():
        if theirs[name] != value:
            what = "another archive, or one that was changed since" if name == "fingerprint" else f"another {name!r}"
            raise UserError(f"{target}: holds a store made of {what}: name another place, or remove it")
    small_arrays(target, known)
    return known


@dataclass(frozen=True)
class _Scales:
    """Stored values are (value - offset) / scale, each (C,) float32; None where they are the values."""

    offset: NDArray[np.float32]
    scale: NDArray[np.float32]


def _scales(source: Source, config: ArchiveConfig, packing: Packing) -> _Scales | None:
    if packing.stored == "int16":
        low = np.full(len(source.channels), np.inf)
        high = -low
        for _, fields in stream(source, np.flatnonzero(source.valid_steps)):
            low = np.minimum(low, np.fmin.reduce(fields, axis=(0, 2, 3)))
            high = np.maximum(high, np.fmax.reduce(fields, axis=(0, 2, 3)))
        width = np.where(high > low, (high - low) / (2 * np.iinfo(np.int16).max), 1.0)
        return _Scales(((low + high) / 2).astype(np.float32), width.astype(np.float32))
    if packing.stored == "float32" and not packing.normalised:
        return None
    normalisation = Windows(source, config.splits, kept=KeptPasses(source.fingerprint)).normalisation
    return _Scales(normalisation.mean.astype(np.float32), normalisation.std.astype(np.float32))


def _begin(target: Path, source: Source, said: Prepared, scales: _Scales | None) -> None:
    """Put everything but the fields in place at once."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_parts_of_dead(target)
        small = _small_arrays(source, scales)
        small.to_zarr(str(part), mode="w", consolidated=False, **_format_2())
        packing = Packing(said.stored, said.normalised, said.compression)
        _large_array(part, "fields", ("time", "channel"), source, np.dtype(said.stored), packing.codec)
        if source.forcings:
            _large_array(part, "forcings", ("time", "forcing"), source, np.dtype("float32"), packing.codec)
        said = said.model_copy(update={"arrays": digest_of(small.variables)})
        write_atomically(part / ATTRIBUTES, _attributes(said))
        part.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _format_2() -> dict[str, Any]:
    """What makes xarray write Zarr's format 2: Zarr 2 knows no other, and before xarray 2024.10 neither has a word."""
    import zarr

    return {} if zarr.__version__.startswith("2.") else {"zarr_format": 2}


def _remove_parts_of_dead(target: Path) -> None:
    """Remove what processes that were killed in `_begin` have left beside `target`."""
    for part in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        pid = part.name.split(".")[-2]
        if pid.isdecimal() and not is_running(int(pid)):
            shutil.rmtree(part, ignore_errors=True)


def _small_arrays(source: Source, scales: _Scales | None) -> xr.Dataset:
    numbers, units = encoded_times(source.times)
    place = ("latitude", "longitude")
    arrays: dict[str, Any] = {
        "mask": (("channel", *place), source.mask),
        "valid_steps": (("time",), source.valid_steps),
    }
    coordinates: dict[str, Any] = {
        "time": ("time", numbers, {"standard_name": "time", **units}),
        "latitude": ("latitude", source.latitude, {"standard_name": "latitude", "units": "degrees_north"}),
        "longitude": ("longitude", source.longitude, {"standard_name": "longitude", "units": "degrees_east"}),
        "channel": ("channel", np.array(source.channels, dtype="U")),
        "units": ("channel", np.array(source.units, dtype="U")),
    }
    if source.forcings:
        coordinates["forcing"] = ("forcing", np.array(source.forcings, dtype="U"))
    if source.statics:
        coordinates["static"] = ("static", np.array(source.statics, dtype="U"))
        arrays["statics"] = (("static", *place), source.read_statics())
    if scales is not None:
        arrays |= {"scale": (("channel",), scales.scale), "offset": (("channel",), scales.offset)}
    dataset = xr.Dataset(arrays, coords=coordinates)
    for name in dataset.variables:
        dataset[name].encoding = {"chunks": dataset[name].shape, "_FillValue": None}
    return dataset


def _large_array(
    store: Path, name: str, first: tuple[str, str], source: Source, dtype: np.dtype[Any], codec: Any
) -> None:
    """The metadata of an array with one chunk a step, as the Zarr specification of version 2 has them."""
    count = len(source.channels if name == "fields" else source.forcings)
    place = len(source.latitude), len(source.longitude)
    described = {
        "zarr_format": 2,
        "shape": [len(source.times), count, *place],
        "chunks": [1, count, *place],
        "dtype": dtype.str,
        "compressor": None if codec is None else codec.get_config(),
        "fill_value": NO_DATA if dtype.kind == "i" else "NaN",
        "order": "C",
        "filters": None,
    }
    (store / name).mkdir()
    write_atomically(store / name / ".zarray", json.dumps(described, indent=1))
    dimensions = {"_ARRAY_DIMENSIONS": [*first, "latitude", "longitude"]}
    write_atomically(store / name / ATTRIBUTES, json.dumps(dimensions, indent=1))


def _write_steps(target: Path, source: Source, packing: Packing, progress: Progress) -> int:
    """Write the chunks that are missing; how many steps that were."""
    import zarr  # noqa: F401  the store is of Zarr; its codecs are registered with it

    scales = _kept_scales(target) if packing.stored != "float32" or packing.normalised else None
    total, written = len(source.times), 0
    missing = np.array([step for step in range(total) if not all(p.is_file() for p in _chunks(target, source, step))])
    for block in blocks(missing.astype(np.int64), 4 * source.mask.size):
        fields = source.read(block)
        forcings = source.read_forcings(block) if source.forcings else None

        def write(row: int, block: Any = block, fields: Any = fields, forcings: Any = forcings) -> None:
            path, *others = _chunks(target, source, int(block[row]))
            for other in others:
                _write_chunk(other, forcings[row], packing.codec)
            _write_chunk(path, _packed(fields[row], packing.stored, scales), packing.codec)

        in_threads([partial(write, row) for row in range(len(block))], fields.nbytes)
        written += len(block)
        progress((total - len(missing) + written) / total)
    return written


def _chunks(target: Path, source: Source, step: int) -> Iterator[Path]:
    yield target / "fields" / f"{step}.0.0.0"
    if source.forcings:
        yield target / "forcings" / f"{step}.0.0.0"


def _write_chunk(path: Path, values: NDArray[Any], codec: Any) -> None:
    values = np.ascontiguousarray(values)
    write_atomically(path, values.tobytes() if codec is None else bytes(codec.encode(values)))


def _packed(fields: NDArray[np.float32], stored: StoredType, scales: _Scales | None) -> NDArray[Any]:
    if scales is None:
        return fields
    scaled = (fields - scales.offset[:, None, None]) / scales.scale[:, None, None]
    if stored == "int16":
        most = np.iinfo(np.int16).max
        rounded = np.clip(np.rint(scaled), -most, most)
        return np.where(np.isnan(scaled), NO_DATA, rounded).astype(np.int16)
    return scaled.astype(stored)


def _kept_scales(target: Path) -> _Scales:
    store = xr.open_zarr(str(target), chunks=None, consolidated=False, decode_cf=False)
    return _Scales(store["offset"].values, store["scale"].values)


def _finish(target: Path) -> Prepared:
    """Say that the store is complete, and put all metadata together for readers that look for them there."""
    import zarr

    said = description_of(target)
    if said is None:
        raise UserError(f"{target}: was removed or changed while it was written; run the same command again")
    if not said.complete:
        said = said.model_copy(update={"complete": True})
        write_atomically(target / ATTRIBUTES, _attributes(said))
    if not (target / _CONSOLIDATED).is_file():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                zarr.consolidate_metadata(str(target))
        except OSError as error:
            raise _unwritable(target, error) from None
    return said


def _unwritable(target: Path, error: OSError) -> UserError:
    return UserError(f"{target}: cannot be written: {error.strerror}; free space or name another place")


def _attributes(said: Prepared) -> str:
    return json.dumps({MARK: said.model_dump(mode="json"), "Conventions": "CF-1.8"}, indent=1)
