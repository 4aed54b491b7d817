"""Fields of a Zarr store decoded straight into where they are wanted, without a copy in between."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from harness.data.files import stored_part
from harness.data.missing import CFPacking
from harness.data.whole_fields import WholeFields

Fields = NDArray[np.float32]


@dataclass(frozen=True)
class DirectFields:
    """L fields of float32 of every step, each a run of rows of a chunk of `array` that begins at one of `begins`.

    Of the rows those `columns` are taken; None where that is all of them.
    """

    array: WholeFields
    packing: CFPacking
    begins: tuple[int, ...]
    rows: int
    columns: NDArray[np.int64] | None

    def read(self, step: int, outs: Sequence[Fields]) -> None:
        """Write the L fields of a step into `outs`, C-contiguous (H, W) each; NaN where there are no data.

        Raises OSError or ValueError where the chunk cannot be read.
        """
        if self.columns is None:
            places = list(outs)
        else:
            width = self.array.step_shape[-1]
            places = [np.empty((self.rows, width), dtype=np.float32) for _ in outs]
        self.array.decode_parts(step, list(zip(self.begins, places, strict=True)))
        for place, out in zip(places, outs, strict=True):
            if self.columns is not None:
                np.take(place, self.columns, axis=1, out=out)
            self.packing.mask_in_place(out)


def direct_fields(array: xr.DataArray, levels: Sequence[int] | None) -> DirectFields | None:
    """How `array`, [time, level,] latitude, longitude, is read so, at these positions of levels; None where it is not.

    That needs one chunk a step, values that need no unpacking, and dimensions in this order in the file, too.
    """
    if array.ndim != (3 if levels is None else 4):
        return None
    steps = array.sizes[array.dims[0]]
    wanted = array if levels is None else array[:, list(levels)]
    part = stored_part(wanted[[0, steps - 1]])
    if part is None or part.fields is None or part.fields.dtype != np.float32 or not part.packing.keeps_values:
        return None
    if [name for name in part.dimensions if name in array.dims] != list(array.dims):
        return None
    shape = part.fields.layout.shape
    chosen: list[Any] = [np.atleast_1d(np.arange(n)[each]) for each, n in zip(part.key, shape, strict=True)]
    times, *outer, rows, columns = chosen
    whole_axis = part.dimensions[0] == array.dims[0] and part.dimensions[-2:] == array.dims[-2:]
    if not whole_axis or shape[0] != steps or times.tolist() != [0, steps - 1]:
        return None
    if (np.diff(rows) != 1).any() or sum(len(each) > 1 for each in outer) > 1:
        return None
    return DirectFields(
        array=part.fields,
        packing=part.packing,
        begins=tuple(part.fields.rows_begin(itertools.product(*outer), int(rows[0]))),
        rows=len(rows),
        columns=None if columns.tolist() == list(range(shape[-1])) else columns,
    )
