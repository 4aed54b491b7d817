"""NetCDF and Zarr archives as a source: opened lazily, checked once, read step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from harness.data.checks import Scan, ValueScanner, check_latitude, check_same, date_text, regular_step
from harness.data.config import ArchiveConfig, Channel, RossbyConfig
from harness.data.files import find_files, open_lazily, unreadable
from harness.data.source import StateOnly, describe_for_digest, step_of_hours, stream
from harness.errors import UserError
from harness.models.domain import ChannelInfo


@dataclass(frozen=True)
class _Piece:
    """The part of a variable that lies in one file: time x [level x] latitude x longitude, not yet read."""

    path: Path
    array: xr.DataArray
    times: NDArray[np.datetime64]


@dataclass(frozen=True)
class _Variable:
    """One variable in all files that hold it, and the channels made of it."""

    name: str
    channels: tuple[int, ...]
    pieces: tuple[_Piece, ...]

    def piece_of_step(self, step: int) -> _Piece:
        ends = np.cumsum([len(piece.times) for piece in self.pieces])
        return self.pieces[int(np.searchsorted(ends, step, side="right"))]

    def read_into(self, out: NDArray[np.float32], steps: NDArray[np.int64]) -> None:
        """Write the sorted, distinct `steps` of this variable into its channels of `out` (n, C, H, W)."""
        begin = 0
        for piece in self.pieces:
            first, last = np.searchsorted(steps, (begin, begin + len(piece.times)))
            if last > first:
                try:
                    values = piece.array[steps[first:last] - begin].values
                except Exception as error:
                    raise unreadable(piece.path, error) from error
                out[first:last, list(self.channels)] = values.reshape(last - first, -1, *out.shape[2:])
            begin += len(piece.times)


class ArchiveSource(StateOnly):
    """A `Source` over the files of an archive.

    Opening reads the archive once, block by block, for the mask, the missing steps and the fingerprint. Raises
    UserError, with the file, variable and step, where no file matches; a file, variable, dimension or level is missing
    or unreadable; times have gaps or mixed steps; or values are missing against the policies of `config`.
    """

    def __init__(self, config: ArchiveConfig, path: Path) -> None:
        self.channels = tuple(channel.name for channel in config.channels)
        self.channel_info = tuple(
            ChannelInfo(name=channel.name, variable=channel.variable, level=channel.level)
            for channel in config.channels
        )
        self.units = tuple(channel.units for channel in config.channels)
        self._variables = _open_variables(config, path)
        reference = self._variables[0].pieces[0]
        self.latitude = _coordinate(reference, config.dimensions.latitude)
        self.longitude = _coordinate(reference, config.dimensions.longitude)
        check_latitude(self.latitude, str(reference.path))
        self.times = np.concatenate([piece.times for piece in self._variables[0].pieces])
        self.step = regular_step(self.times, lambda step: str(self._variables[0].piece_of_step(step).path))
        self._check_agreement(config)
        self._variable_of_channel = {c: variable for variable in self._variables for c in variable.channels}
        scan = self._scan(config)
        self.mask, self.valid_steps, self.fingerprint = scan.mask, scan.valid_steps, scan.fingerprint

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Fields (n, C, H, W) at these time indices; NaN outside the mask and at steps without values.

        Raises UserError where a file cannot be read.
        """
        steps, position = np.unique(np.asarray(indices, dtype=np.int64), return_inverse=True)
        shape = (len(steps), len(self.channels), len(self.latitude), len(self.longitude))
        fields = np.empty(shape, dtype=np.float32)
        for variable in self._variables:
            variable.read_into(fields, steps)
        return fields[position]

    def _check_agreement(self, config: ArchiveConfig) -> None:
        reference = str(self._variables[0].pieces[0].path)
        for variable in self._variables:
            for piece in variable.pieces:
                for name, expected in (
                    (config.dimensions.latitude, self.latitude),
                    (config.dimensions.longitude, self.longitude),
                ):
                    check_same(name, _coordinate(piece, name), expected, str(piece.path), reference)
            times = np.concatenate([piece.times for piece in variable.pieces])
            check_same(config.dimensions.time, times, self.times, str(variable.pieces[0].path), reference)

    def _scan(self, config: ArchiveConfig) -> Scan:
        scanner = ValueScanner(len(self.channels), self._place, describe_for_digest(self))
        for _, fields in stream(self, np.arange(len(self.times))):
            scanner.add(fields)
        return scanner.finish(config.missing, config.missing_steps)

    def _place(self, channel: int, step: int) -> str:
        variable = self._variable_of_channel[channel]
        path = variable.piece_of_step(step).path
        return f"{path}: {variable.name} (channel {self.channels[channel]}), step {step}, {date_text(self.times[step])}"


def match_mapping(path: Path, mappings: Mapping[str, ArchiveConfig | RossbyConfig]) -> str:
    """The name of the one mapping whose files and variables are all under `path`.

    Raises UserError where none fits, with the reason for each, or several do.
    """
    reasons = {
        name: _why_not(config, path) for name, config in sorted(mappings.items()) if isinstance(config, ArchiveConfig)
    }
    fitting = [name for name, reason in reasons.items() if reason is None]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UserError(f"{path}: several mappings fit, name one of them: {', '.join(fitting)}")
    listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "there is none"
    raise UserError(f"{path}: no mapping of scenarios/data fits ({listed})")


def _why_not(config: ArchiveConfig, path: Path) -> str | None:
    try:
        for channel in config.channels:
            files = find_files(path, _patterns(config, channel))
            if not any(channel.variable in open_lazily(file, decode_times=False) for file in files):
                return f"no variable {channel.variable!r} in {_names(files)}"
    except UserError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def _patterns(config: ArchiveConfig, channel: Channel) -> tuple[str, ...]:
    return config.files if channel.files is None else (channel.files,)


def _open_variables(config: ArchiveConfig, path: Path) -> tuple[_Variable, ...]:
    """One `_Variable` for the channels that come from the same files, so that each step is read from disk once."""
    groups: dict[tuple[tuple[str, ...], str, bool], list[int]] = {}
    for index, channel in enumerate(config.channels):
        key = (_patterns(config, channel), channel.variable, channel.level is None)
        groups.setdefault(key, []).append(index)
    opened: dict[Path, xr.Dataset] = {}
    variables = []
    for (patterns, name, _), channels in groups.items():
        files = find_files(path, patterns)
        for file in files:
            if file not in opened:
                opened[file] = open_lazily(file, decode_times=config.time is None)
        holding = [file for file in files if name in opened[file]]
        if not holding:
            offered = sorted({str(variable) for file in files for variable in opened[file].data_vars})
            raise UserError(f"{_names(files)}: no variable {name!r}, only {', '.join(offered)}")
        levels = [level for c in channels if (level := config.channels[c].level) is not None]
        pieces = _pieces(config, {file: _select(config, file, opened[file][name], levels) for file in holding})
        variables.append(_Variable(name, tuple(channels), pieces))
    return tuple(variables)


def _select(config: ArchiveConfig, file: Path, array: xr.DataArray, levels: list[float]) -> xr.DataArray:
    """The variable as time x [level] x latitude x longitude, still unread."""
    names = config.dimensions
    wanted = [names.time, *([names.level] if levels and names.level else []), names.latitude, names.longitude]
    absent = [dimension for dimension in wanted if dimension not in array.dims]
    if absent:
        held = ", ".join(map(str, array.dims)) or "none"
        raise UserError(
            f"{file}: {array.name} has no dimension {' or '.join(map(repr, absent))}, its dimensions: {held}"
        )
    surplus = [f"{dimension} ({array.sizes[dimension]})" for dimension in array.dims if dimension not in wanted]
    if surplus:
        raise UserError(f"{file}: {array.name} has dimensions that the mapping does not name: {', '.join(surplus)}")
    if levels:
        try:
            array = array.sel({names.level: levels}, method="nearest", tolerance=1e-3)
        except KeyError:
            offered = ", ".join(f"{level:g}" for level in array[names.level].values)
            raise UserError(f"{file}: {array.name} lacks a level of {levels}, it has {offered}") from None
    return array.transpose(*wanted)


def _pieces(config: ArchiveConfig, arrays: dict[Path, xr.DataArray]) -> tuple[_Piece, ...]:
    """Pieces in order of time; a time axis from the configuration counts on from file to file, sorted by name."""
    if config.time is not None:
        step = step_of_hours(config.time.step_hours)
        pieces = []
        begin = 0
        for file, array in arrays.items():
            steps = np.arange(begin, begin + array.shape[0])
            pieces.append(_Piece(file, array, np.datetime64(config.time.start, "ns") + step * steps))
            begin += len(steps)
        return tuple(pieces)
    found = [_Piece(file, array, _file_times(file, array, config.dimensions.time)) for file, array in arrays.items()]
    return tuple(sorted(found, key=lambda piece: piece.times[0]))


def _file_times(file: Path, array: xr.DataArray, dimension: str) -> NDArray[np.datetime64]:
    if dimension not in array.coords or not np.issubdtype(array[dimension].dtype, np.datetime64):
        raise UserError(f"{file}: {dimension!r} holds no dates, give the mapping `time: {{start, step_hours}}`")
    if array.sizes[dimension] == 0:
        raise UserError(f"{file}: no time steps")
    return array[dimension].values.astype("datetime64[ns]")


def _coordinate(piece: _Piece, dimension: str) -> NDArray[np.float64]:
    if dimension not in piece.array.coords:
        raise UserError(f"{piece.path}: dimension {dimension!r} has no coordinate values")
    return piece.array[dimension].values.astype(np.float64)


def _names(files: Sequence[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
