"""The variables of an archive that a mapping names: found in its files, put in order of time, read step by step."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from harness.data import units
from harness.data.calendar import Times, calendar_of, step_of_mapping
from harness.data.chunks import AbsentChunks
from harness.data.config import ArchiveConfig, Channel
from harness.data.coordinates import dimension_of, with_coordinates
from harness.data.direct import DirectFields
from harness.data.files import DataFile, find_files, open_lazily, unreadable
from harness.data.layout import Piece, arrange
from harness.data.levels import LevelPlan, plan_levels
from harness.data.locations import Location
from harness.data.reading import FieldReading, UnitConversion
from harness.data.time_axis import check_against_own, count_on
from harness.errors import UserError
from harness.text import listed

Fields = NDArray[np.float32]

FinishOf = Callable[[int, int], None]
"""Takes the number of a step and the position of a field of it that has been written."""

_READ_BYTES = 2**20
"""Of the fields that are at least read together, where the chunks of a store are smaller."""


@dataclass(frozen=True)
class Variable:
    """One variable in all files that hold it, and the positions of the fields made of it, in order of `levels`.

    `conversions` say for each piece, and each field of it, how its values come into the units of the mapping; None
    where they are in them already.
    """

    name: str
    positions: tuple[int, ...]
    levels: tuple[LevelPlan | None, ...]
    pieces: tuple[Piece, ...]
    conversions: tuple[tuple[UnitConversion | None, ...], ...]
    findings: tuple[FieldReading, ...]

    @property
    def times(self) -> Times:
        """(T,) of all pieces."""
        return np.concatenate([piece.times for piece in self.pieces])

    def piece_of_step(self, step: int) -> Piece:
        """The piece that holds a step."""
        ends = np.cumsum([len(piece.times) for piece in self.pieces])
        return self.pieces[int(np.searchsorted(ends, step, side="right"))]

    def with_pieces(self, pieces: Iterable[Piece]) -> "Variable":
        """The same variable with its pieces put in another order of columns."""
        placed = tuple(pieces)
        moved = [
            finding
            for piece, was in zip(placed, self.pieces, strict=True)
            for finding in piece.findings[len(was.findings) :]
        ]
        return replace(self, pieces=placed, findings=(*self.findings, *moved))

    def reads(self, outs: Sequence[Fields], steps: NDArray[np.int64], finish: FinishOf) -> Iterator[Callable[[], None]]:
        """Calls that write the sorted, distinct `steps` into `outs`, (C, H, W) each, each at its own positions.

        `finish` is called with the number of the step and the position of each field that is written. Of a Zarr store
        each call reads whole chunks of its own, so that several may run at once.
        """
        begin = 0
        for piece, plan, conversions in zip(self.pieces, self.levels, self.conversions, strict=True):
            first, last = np.searchsorted(steps, (begin, begin + len(piece.times)))
            within = steps[first:last] - begin
            for part in _parts(within, piece.steps_per_chunk, 4 * len(self.positions) * outs[0][0].size):
                numbers = range(int(first) + part.start, int(first) + part.stop)
                yield partial(self._read_into, outs, numbers, piece, plan, within[part], conversions, finish)
            begin += len(piece.times)

    def _read_into(
        self,
        outs: Sequence[Fields],
        numbers: Sequence[int],
        piece: Piece,
        plan: LevelPlan | None,
        steps: NDArray[np.int64],
        conversions: Sequence[UnitConversion | None],
        finish: FinishOf,
    ) -> None:
        direct = _direct(piece, plan) if not any(conversions) else None
        if direct is not None and len(direct.begins) == len(self.positions):
            try:
                for number, step in zip(numbers, steps.tolist(), strict=True):
                    direct.read(step, [outs[number][position] for position in self.positions])
            except Exception as error:
                raise unreadable(piece.path, error) from error
        else:
            values = _values(piece, plan, steps, conversions)
            values = np.broadcast_to(values, (len(values), len(self.positions), *values.shape[2:]))
            try:
                for number, of_step in zip(numbers, values, strict=True):
                    for position, field in zip(self.positions, of_step, strict=True):
                        outs[number][position] = field
            except ValueError:
                raise _text(piece) from None
        for number in numbers:
            for position in self.positions:
                finish(number, position)

    def read_static(self) -> Fields:
        """(L, H, W) of the first file, at its first time if it has any."""
        return _read(self.pieces[0], self.levels[0], np.zeros(1, dtype=np.int64), self.conversions[0])[0]


class Opener:
    """Opens each file of an archive once."""

    def __init__(self, config: ArchiveConfig, path: Location) -> None:
        self._config = config
        self._path = path
        self._opened: dict[Location, DataFile] = {}

    def variables(self, fields: Iterable[tuple[int, Channel]], *, timed: bool = True) -> tuple[Variable, ...]:
        """One `Variable` for the fields that come from the same files, so that each step is read from disk once.

        `fields` are pairs of position and field; without `timed` they need no times. Raises UserError where a file,
        variable, dimension or level is missing.
        """
        groups: dict[tuple[tuple[str, ...], tuple[str, ...], bool], list[tuple[int, Channel]]] = {}
        for position, field in fields:
            key = (patterns_of(self._config, field), field.variable, field.level is not None)
            groups.setdefault(key, []).append((position, field))
        return tuple(self._variable(*key, members, timed=timed) for key, members in groups.items())

    def _variable(
        self,
        patterns: tuple[str, ...],
        candidates: tuple[str, ...],
        leveled: bool,
        members: Sequence[tuple[int, Channel]],
        *,
        timed: bool,
    ) -> Variable:
        config = self._config
        wanted = [field.level for _, field in members if field.level is not None]
        pieces = [
            self._with_chunks(arrange(file, array, config, timed=timed, levels=wanted))
            for file, array in self._holding(patterns, candidates, leveled)
        ]
        step_hours = None if config.time is None else config.time.step_hours
        pieces = _by_time(pieces) if step_hours is None else _count_on(pieces, step_of_mapping(step_hours))
        plans = [
            None
            if piece.levels is None
            else plan_levels(piece.levels, wanted, config.level_method, f"{piece.path}: {piece.arrays[0].name}")
            for piece in pieces
        ]
        name = str(pieces[0].arrays[0].name)
        positions = tuple(position for position, _ in members)
        found = [[_units(piece, field) for _, field in members] for piece in pieces]
        conversions = tuple(tuple(finding.conversion for finding in of_piece) for of_piece in found)
        findings = [
            finding for piece, of_piece in zip(pieces, found, strict=True) for finding in (*of_piece, *piece.findings)
        ]
        return Variable(name, positions, tuple(plans), tuple(pieces), conversions, tuple(findings))

    def _holding(
        self, patterns: tuple[str, ...], candidates: tuple[str, ...], leveled: bool
    ) -> list[tuple[Location, xr.DataArray]]:
        """The files that hold the variable, those first that have levels where levels are wanted and none where not."""
        files = find_files(self._path, patterns)
        held = [
            (file, dataset[name])
            for file in files
            if (name := next((name for name in candidates if name in (dataset := self._open(file))), None))
        ]
        if not held:
            offered = sorted({str(variable) for file in files for variable in self._open(file).names})
            wanted = " or ".join(map(repr, candidates))
            raise UserError(f"{names_of(files)}: no variable {wanted}, only {listed(offered, most=40)}")
        level = self._config.dimensions.level
        return [each for each in held if has_levels(each[1], level) == leveled] or held

    def _with_chunks(self, piece: Piece) -> Piece:
        file, array = self._open(piece.path), piece.arrays[0]
        together = file.steps_per_chunk(str(array.name), str(array.dims[0])) if len(array.dims) > 2 else None
        return replace(piece, lost=lost_chunks(file.absent_chunks(str(array.name))), steps_per_chunk=together)

    def _open(self, file: Location) -> DataFile:
        if file not in self._opened:
            opened = open_lazily(file)
            self._opened[file] = replace(opened, raw=with_coordinates(opened.raw))
        return self._opened[file]


def patterns_of(config: ArchiveConfig, field: Channel) -> tuple[str, ...]:
    """Globs of the files that may hold a field."""
    return config.files if field.files is None else (field.files,)


def lost_chunks(absent: AbsentChunks | None) -> str:
    """What to say of absent chunks; nothing where there are none."""
    if absent is None:
        return ""
    return f"{absent.count} of {absent.grid.size} chunks are not in the store, the first is {absent.first}"


def names_of(files: Sequence[Location]) -> str:
    """The first of some files, and how many there are besides."""
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def has_levels(array: xr.DataArray, candidates: Sequence[str] | None) -> bool:
    """Whether a variable has a dimension of levels, of more than one where the mapping does not name it."""
    name = dimension_of(array, "level", candidates)
    return name is not None and (name in (candidates or ()) or array.sizes[name] > 1)


def _units(piece: Piece, field: Channel) -> FieldReading:
    """How the values of a field in one file come into the units of the mapping."""
    array, name = piece.arrays[0], str(piece.arrays[0].name)
    stated = units.stated_units(array.attrs)
    if stated is None:
        known = units.canonical(field.units) == "1"
        return FieldReading(piece.path, name, assumed=None if known else field.units)
    caution = None
    if units.is_practical_salinity(stated, field.units):
        caution = f"{name}: units {stated!r} of the files taken as practical salinity, as on the scale of 35"
    conversion = units.conversion(stated, field.units, f"{piece.path}: {name}")
    return FieldReading(piece.path, name, conversion=conversion, caution=caution)


def _parts(steps: NDArray[np.int64], steps_per_chunk: int | None, step_bytes: int) -> Iterator[slice]:
    """Parts of sorted steps whose chunks no other part reads; one part where the file has no such chunks."""
    if not len(steps):
        return
    if steps_per_chunk is None:
        yield slice(0, len(steps))
        return
    ends = [*(np.flatnonzero(np.diff(steps // steps_per_chunk)) + 1).tolist(), len(steps)]
    begin = 0
    for end in ends:
        if (end - begin) * step_bytes >= _READ_BYTES or end == len(steps):
            yield slice(begin, end)
            begin = end


def _direct(piece: Piece, plan: LevelPlan | None) -> DirectFields | None:
    """How the levels that a plan takes are read without a copy; None where they are interpolated, or cannot be."""
    if piece.steps_per_chunk != 1 or len(piece.arrays) != 1:
        return None
    if plan is None:
        return piece.direct(None)
    return None if plan.upper_weight.any() else piece.direct(tuple(np.array(plan.read)[plan.lower].tolist()))


def _read(
    piece: Piece, plan: LevelPlan | None, steps: NDArray[np.int64], conversions: Sequence[UnitConversion | None]
) -> Fields:
    try:
        return _values(piece, plan, steps, conversions).astype(np.float32, copy=False)
    except ValueError:
        raise _text(piece) from None


def _values(
    piece: Piece, plan: LevelPlan | None, steps: NDArray[np.int64], conversions: Sequence[UnitConversion | None]
) -> NDArray[Any]:
    """(n, L, H, W) in the units of the mapping, in the type of the file or float64."""
    values = piece.read(steps, None if plan is None else plan.read)
    try:
        values = values if plan is None else plan.apply(values)
        if any(conversions):
            factor, offset = (
                np.array([default if each is None else getattr(each, name) for each in conversions])[:, None, None]
                for name, default in (("factor", 1.0), ("offset", 0.0))
            )
            values = values.astype(np.float64) * factor + offset
    except ValueError:
        raise _text(piece) from None
    return values


def _text(piece: Piece) -> UserError:
    return UserError(f"{piece.path}: holds text where numbers should be")


def _by_time(pieces: list[Piece]) -> list[Piece]:
    for piece in pieces[1:]:
        calendars = [calendar_of(each.times) for each in (pieces[0], piece)]
        if len(set(calendars)) > 1 and len(piece.times) and len(pieces[0].times):
            raise UserError(f"{piece.path}: in the calendar {calendars[1]}, {pieces[0].path} in {calendars[0]}")
    return sorted(pieces, key=lambda piece: piece.times[:1].tolist())


def _count_on(pieces: list[Piece], step: np.timedelta64) -> list[Piece]:
    """A time axis from the configuration counts on from file to file, sorted by name."""
    begins = np.cumsum([0, *(len(piece.times) for piece in pieces)])
    moved = [
        replace(piece, times=count_on(piece.times, begin, step))
        for piece, begin in zip(pieces, begins[:-1].tolist(), strict=True)
    ]
    for piece in moved:
        check_against_own(piece.path, piece.times, piece.own_times)
    return moved
