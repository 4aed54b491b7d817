"""NetCDF and Zarr archives as a source: opened lazily, checked once, read step by step."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.data.calendar import digest_bytes, time_text
from harness.data.checks import Scan, ValueScanner, check_latitude, regular_step
from harness.data.config import ArchiveConfig, Channel
from harness.data.fingerprints import Fingerprint, field_digest
from harness.data.forcings import forcing_field, static_field
from harness.data.kept_scan import kept_scan, read_stamp
from harness.data.layout import on_grid
from harness.data.locations import Location
from harness.data.reading import reading_of
from harness.data.scanning import scan_steps
from harness.data.source import Finish, Progress, blocks, describe_for_digest, unfinished, unwatched
from harness.data.threads import in_threads
from harness.data.value_ranges import Extremes, cautions, plausible_range
from harness.data.variables import Opener, Variable
from harness.errors import UserError
from harness.models.domain import ChannelInfo

Fields = NDArray[np.float32]
Indices = Sequence[int] | NDArray[np.int64]


class ArchiveSource:
    """A `Source` over the files of an archive.

    `reading` says how its values came from the files, with cautions on what looks wrong without being forbidden. The
    first opening reads the archive once, block by block, for the mask, the missing steps and the fingerprint, and tells
    `progress` the fraction read; these are kept until a file changes. Raises UserError, with the file, variable and
    step, where no file matches; a file, variable, dimension or level is missing or unreadable; times have gaps or mixed
    steps; values are missing against the policies of `config`; or a forcing or static field has gaps.
    """

    def __init__(self, config: ArchiveConfig, path: Location, progress: Progress = unwatched) -> None:
        opened_ns = time.time_ns()
        self._config = config
        self.channels = tuple(channel.name for channel in config.channels)
        self.units = tuple(channel.units for channel in config.channels)
        self.forcings = tuple(_name(forcing) for forcing in config.forcings)
        self.statics = tuple(_name(static) for static in config.statics)
        opener = Opener(config, path)
        self._variables = opener.variables(enumerate(config.channels))
        self._forcings = opener.variables(_from_files(config.forcings))
        self._statics = opener.variables(_from_files(config.statics), timed=False)
        reference = self._variables[0]
        self.latitude, self.longitude = reference.pieces[0].latitude, reference.pieces[0].longitude
        check_latitude(self.latitude, str(reference.pieces[0].path))
        self.times = reference.times
        self.step = regular_step(self.times, lambda step: str(reference.piece_of_step(step).path))
        self._variables, self._forcings, self._statics = map(
            self._on_grid, (self._variables, self._forcings, self._statics)
        )
        self._check_agreement()
        read = (*self._variables, *self._forcings, *self._statics)
        self.reading = reading_of(finding for variable in read for finding in variable.findings)
        self.channel_info = self._channel_info()
        self._stamp = read_stamp(read)
        scan = kept_scan(config, read, self._stamp, opened_ns, lambda: self._scan(progress))
        self.mask, self.valid_steps, self.fingerprint = scan.mask, scan.valid_steps, scan.fingerprint
        self._static_fields = self._read_statics(scan.mask)
        doubts = (*self.reading.cautions, *self._lost_chunks(), *self._implausible(scan.extremes))
        self.reading = self.reading.model_copy(update={"cautions": doubts})

    def read(self, indices: Indices) -> Fields:
        """Fields (n, C, H, W) at these time indices; NaN outside the mask and at steps without values.

        Raises UserError where a file cannot be read.
        """
        return self._read(self._variables, len(self.channels), indices)

    def read_forcings(self, indices: Indices) -> Fields:
        """Forcings (n, F, H, W) at these time indices; raises UserError where a file cannot be read."""
        fields = self._read(self._forcings, len(self.forcings), indices)
        for position, forcing in enumerate(self._config.forcings):
            if not isinstance(forcing, Channel):
                times = self.times[np.asarray(indices, dtype=np.int64)]
                fields[:, position] = forcing_field(forcing, times, self.latitude, self.longitude)
        return fields

    def read_statics(self) -> Fields:
        """Static fields (S, H, W)."""
        return self._static_fields

    def read_into(self, indices: Indices, outs: Sequence[Fields], finish: Finish = unfinished) -> None:
        """As `ReadsInto` says; raises UserError where a file cannot be read."""
        self._read_into(self._variables, np.asarray(indices, dtype=np.int64), outs, finish)

    def is_touched(self) -> bool:
        """As `OfFiles` says; files that are new since the opening are none of its."""
        return read_stamp((*self._variables, *self._forcings, *self._statics)) != self._stamp

    def _read(self, variables: Sequence[Variable], count: int, indices: Indices) -> Fields:
        asked = np.asarray(indices, dtype=np.int64)
        steps, position = np.unique(asked, return_inverse=True)
        repeats = len(steps) < len(asked)
        fields = np.empty((len(steps), count, len(self.latitude), len(self.longitude)), dtype=np.float32)
        self._read_into(variables, steps if repeats else asked, fields, unfinished)
        return fields[position] if repeats else fields

    def _read_into(
        self, variables: Sequence[Variable], indices: NDArray[np.int64], outs: Sequence[Fields] | Fields, finish: Finish
    ) -> None:
        if not len(indices) or not outs[0].size:
            return
        order = np.argsort(indices)
        placed = [outs[number] for number in order]

        def finished(row: int, position: int) -> None:
            finish(int(order[row]), position, placed[row][position].reshape(-1), 0)

        reads = [read for variable in variables for read in variable.reads(placed, indices[order], finished)]
        in_threads(reads, outs[0].nbytes * len(indices))

    def _channel_info(self) -> tuple[ChannelInfo, ...]:
        pieces = {position: variable.pieces[0] for variable in self._variables for position in variable.positions}
        return tuple(
            ChannelInfo(
                name=channel.name,
                variable=channel.variable[0],
                level=channel.level,
                level_units=None if channel.level is None else pieces[position].level_units,
                standard_name=pieces[position].arrays[0].attrs.get("standard_name"),
            )
            for position, channel in enumerate(self._config.channels)
        )

    def _on_grid(self, variables: Sequence[Variable]) -> tuple[Variable, ...]:
        """Variables with columns in the order of the first file."""
        reference = self._variables[0].pieces[0]
        return tuple(
            variable.with_pieces(on_grid(piece, reference) for piece in variable.pieces) for variable in variables
        )

    def _check_agreement(self) -> None:
        reference = str(self._variables[0].pieces[0].path)
        for variable in (*self._variables, *self._forcings):
            if digest_bytes(variable.times) != digest_bytes(self.times):
                name = self._config.dimensions.time[0]
                raise UserError(f"{variable.pieces[0].path}: its {name} differs from that in {reference}")

    def _scan(self, progress: Progress) -> Scan:
        """Read all channels and then all forcings."""
        variables = {position: variable for variable in self._variables for position in variable.positions}
        fingerprint = Fingerprint(describe_for_digest(self))
        scanner = ValueScanner(
            len(self.channels),
            lambda channel, step: self._place(variables[channel], f"channel {self.channels[channel]}", step),
            fingerprint,
        )
        steps, parts = len(self.times), 2 if self._forcings else 1
        shape = len(self.channels), len(self.latitude), len(self.longitude)
        scan_steps(self.read_into, steps, shape, scanner, lambda fraction: progress(fraction / parts))
        scan = scanner.finish(self._config.missing, self._config.missing_steps)
        for field in self._read_statics(scan.mask):
            fingerprint.add(field_digest(field))
        field_bytes = 4 * len(self.forcings) * scan.mask[0].size
        for block in blocks(np.arange(steps), field_bytes) if self._forcings else ():
            for field in self._forcing_fields(block):
                fingerprint.add(field_digest(field))
            progress((1 + (block[-1] + 1) / steps) / parts)
        return replace(scan, fingerprint=str(fingerprint))

    def _forcing_fields(self, steps: NDArray[np.int64]) -> Iterator[Fields]:
        """Each forcing (H, W) from the files at each of these steps.

        Raises UserError where one has no value.
        """
        for step, fields in zip(steps, self._read(self._forcings, len(self.forcings), steps), strict=True):
            for variable in self._forcings:
                for position in variable.positions:
                    if not np.isfinite(fields[position]).all():
                        place = self._place(variable, f"forcing {self.forcings[position]}", int(step))
                        raise UserError(f"{place}: NaN or infinite, but a forcing must have a value everywhere")
                    yield fields[position]

    def _read_statics(self, mask: NDArray[np.bool_]) -> Fields:
        """Raise UserError where a static field has no value at a point where a channel has; land without one is 0."""
        fields = np.empty((len(self.statics), *mask.shape[1:]), dtype=np.float32)
        for variable in self._statics:
            fields[list(variable.positions)] = variable.read_static()
            for position in variable.positions:
                if (~np.isfinite(fields[position]) & mask.any(axis=0)).any():
                    place = f"{variable.pieces[0].path}: {variable.name} (static {self.statics[position]})"
                    raise UserError(f"{place}: no value at points where the channels have values")
        for position, static in enumerate(self._config.statics):
            if not isinstance(static, Channel):
                fields[position] = static_field(static, self.latitude, self.longitude, mask)
        return np.where(np.isfinite(fields), fields, np.float32(0))

    def _lost_chunks(self) -> Iterator[str]:
        pieces = {
            (piece.path, variable.name): piece.lost
            for variable in (*self._variables, *self._forcings, *self._statics)
            for piece in variable.pieces
        }
        return (
            f"{path}: {name}: {lost}, their values count as missing" for (path, name), lost in pieces.items() if lost
        )

    def _implausible(self, found: Extremes) -> Iterator[str]:
        names, ranges, places = [], [], []
        order = {position: variable for variable in self._variables for position in variable.positions}
        for position, channel in enumerate(self._config.channels):
            array = order[position].pieces[0].arrays[0]
            standard_name = array.attrs.get("standard_name")
            named = None if standard_name is None else str(standard_name).split()[0]
            names.append(channel.name)
            ranges.append(plausible_range(order[position].name, named, channel.units))
            places.append(f"{order[position].pieces[0].path}: {order[position].name}")
        return cautions(names, ranges, found, places, len(self.times))

    def _place(self, variable: Variable, field: str, step: int) -> str:
        piece = variable.piece_of_step(step)
        lost = f" ({piece.lost})" if piece.lost else ""
        return f"{piece.path}: {variable.name} ({field}){lost}, step {step}, {time_text(self.times[step])}"


def _name(field: str | Channel) -> str:
    return field.name if isinstance(field, Channel) else field


def _from_files(fields: Sequence[str | Channel]) -> Iterator[tuple[int, Channel]]:
    return ((position, field) for position, field in enumerate(fields) if isinstance(field, Channel))
