"""Which values of a variable are no data, by the attributes of the netCDF conventions, and how packed ones unfold.

The rules are those of the NetCDF Users Guide as netCDF4-python applies them: `_FillValue` and `missing_value` (several
of them if given), without a `_FillValue` the library's default fill value of the type, and whatever lies outside
`valid_range`, `valid_min` and `valid_max`. All are compared with the stored values, before `scale_factor` and
`add_offset`; only a valid range of floating type beside packed integers is one of unpacked values, as the Users Guide
says. Where netCDF4-python ignores an attribute because its type is wider than the variable's (1e20 in double for a
variable in float), the attribute is rounded to the variable's type instead.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from harness.errors import UserError

Attributes = Mapping[Any, Any]

DECODING = (
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "_Unsigned",
    "valid_range",
    "valid_min",
    "valid_max",
)
"""Attributes that decoding uses up."""


@dataclass(frozen=True)
class CFPacking:
    """How the stored values of one variable become numbers.

    `stored` is their type, `attributes` those of the file. With `default_fill` the netCDF library's fill value counts
    where there is no `_FillValue`; with `valid` values outside the valid range are no data.
    """

    stored: np.dtype[Any]
    attributes: Attributes
    default_fill: bool = True
    valid: bool = True

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers."""
        return self.stored.kind in "iuf"

    def unpack(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Numbers of stored values (any shape), floating where there is anything to mask or scale, NaN for no data."""
        if not self.is_numeric or self._is_plain:
            return raw
        absent = self.missing(raw)
        values = self._scaled(raw)
        if not absent.any():
            return values
        if values.dtype.kind != "f":
            values = values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)
        return np.where(absent, values.dtype.type(np.nan), values)

    @property
    def keeps_values(self) -> bool:
        """Whether `mask_in_place` does what `unpack` does, because values are stored as the numbers that they are."""
        return self.stored.kind == "f" and not self._is_packed

    def mask_in_place(self, values: NDArray[Any]) -> None:
        """Put NaN where stored values, which are floating and not packed, are no data."""
        if not self._is_plain:
            values[self.missing(values)] = np.nan

    def missing(self, raw: NDArray[Any]) -> NDArray[np.bool_]:
        """Where stored values (any shape) are no data."""
        raw = self._signed(raw)
        absent = np.zeros(raw.shape, dtype=bool)
        for value in self._fills():
            absent |= np.isnan(raw) if np.isnan(value) else raw == value
        if self.valid:
            absent |= self._outside(raw)
        return absent

    def _fills(self) -> list[Any]:
        fills = [*self._cast("_FillValue"), *self._cast("missing_value")]
        if self.default_fill and "_FillValue" not in self.attributes and not self._reinterpreted:
            default = netCDF4.default_fillvals.get(self.stored.str[1:])
            if default is not None:
                fills.append(np.array(default, dtype=self.stored)[()])
        return fills

    def _outside(self, raw: NDArray[Any]) -> NDArray[np.bool_]:
        lowest, highest = self._bounds()
        given = [bound for bound in (lowest, highest) if bound is not None]
        if not given:
            return np.zeros(raw.shape, dtype=bool)
        values = raw
        if self.stored.kind in "iu" and self._is_packed and any(bound.dtype.kind == "f" for bound in given):
            values = self._scaled(raw)
        outside = np.zeros(raw.shape, dtype=bool)
        if lowest is not None:
            outside |= values < self._like(lowest, values)
        if highest is not None:
            outside |= values > self._like(highest, values)
        return outside

    def _bounds(self) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
        both = _numbers(self.attributes.get("valid_range"))
        if both is not None and both.size == 2:
            return both[0], both[1]
        low, high = (_numbers(self.attributes.get(name)) for name in ("valid_min", "valid_max"))
        return (
            low[0] if low is not None and low.size else None,
            high[0] if high is not None and high.size else None,
        )

    def _like(self, bound: Any, values: NDArray[Any]) -> Any:
        """A bound as the values it is compared with: reread as theirs where those are, rounded where they are float."""
        if self._reinterpreted and bound.dtype == self.stored:
            return np.array([bound]).view(values.dtype)[0] if values.dtype.kind in "iu" else bound
        return values.dtype.type(bound) if values.dtype.kind == "f" else bound

    def _cast(self, name: str) -> list[Any]:
        """The values of an attribute that the stored type can hold."""
        given = _numbers(self.attributes.get(name))
        if given is None:
            return []
        with np.errstate(over="ignore", invalid="ignore"):
            if self.stored.kind == "f":
                rounded = given.astype(self.stored)
                return list(rounded[np.isfinite(rounded) | ~np.isfinite(given.astype(np.float64))])
            target = self._reread if self._reinterpreted else self.stored
            if self._reinterpreted and given.dtype == self.stored:
                return list(given.view(target))
            limits = np.iinfo(target)
            return [
                target.type(int(value))
                for value in given.tolist()
                if np.isfinite(value) and int(value) == value and limits.min <= value <= limits.max
            ]

    @cached_property
    def _is_plain(self) -> bool:
        """Whether stored values are the numbers already: floating, not scaled, and no data but NaN."""
        return (
            self.stored.kind == "f"
            and not self._is_packed
            and (not self.valid or self._bounds() == (None, None))
            and all(np.isnan(value) for value in self._fills())
        )

    @property
    def _is_packed(self) -> bool:
        return "scale_factor" in self.attributes or "add_offset" in self.attributes

    @property
    def _reread(self) -> np.dtype[Any]:
        """The integer type as which `_Unsigned` has the stored values read."""
        said = str(self.attributes.get("_Unsigned", "")).lower()
        letter = {"true": "u", "false": "i"}.get(said, self.stored.kind)
        return np.dtype(f"{self.stored.byteorder}{letter}{self.stored.itemsize}")

    @property
    def _reinterpreted(self) -> bool:
        return self.stored.kind in "iu" and self._reread != self.stored

    def _signed(self, raw: NDArray[Any]) -> NDArray[Any]:
        return raw.view(self._reread) if self._reinterpreted else raw

    def _scaled(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Unpacked by xarray, which masks `_FillValue` too; raises ValueError where the factors are no numbers."""
        attributes: dict[str, Any] = {}
        for name in ("scale_factor", "add_offset"):
            if name in self.attributes:
                factor = _numbers(self.attributes[name])
                if factor is None or factor.size != 1:
                    raise ValueError(f"{name} is {self.attributes[name]!r}, no number")
                attributes[name] = factor[0]
        if "_Unsigned" in self.attributes:
            attributes["_Unsigned"] = str(self.attributes["_Unsigned"]).lower()
        for name in ("_FillValue", "missing_value"):
            fills = [] if self._reinterpreted else self._cast(name)
            if fills:
                attributes[name] = fills[0]
                break
        if not attributes:
            return raw
        if self.stored.kind == "f" and not self._is_packed:
            return raw
        dimensions = [f"d{k}" for k in range(raw.ndim)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            packed = xr.Dataset({"v": (dimensions, raw, attributes)})
            unpacked: NDArray[Any] = xr.decode_cf(packed, decode_times=False, decode_timedelta=False)["v"].values
        return unpacked


def checked_packing(packing: CFPacking, place: str) -> CFPacking:
    """`packing` if a value can be unpacked with it; raises UserError, beginning with `place`, where none can."""
    try:
        packing.unpack(np.zeros(1, dtype=packing.stored))
    except Exception as error:
        raise UserError(f"{place}: cannot be unpacked: {str(error).splitlines()[0]}") from error
    return packing


def _numbers(attribute: Any) -> NDArray[Any] | None:
    """An attribute as numbers (n,), None where there is none; text that is a number counts as one."""
    if attribute is None:
        return None
    given = np.ravel(attribute)
    if given.dtype.kind in "iuf":
        return given
    try:
        return given.astype(str).astype(np.float64)
    except (TypeError, ValueError):
        return None
