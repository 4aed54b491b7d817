"""What was done to the values of an archive on their way from the files, and what its files leave open."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from harness.frozen import Frozen

if TYPE_CHECKING:
    from harness.data.locations import Location


class UnitConversion(Frozen):
    """A value in the units `wanted` is `factor` times the value in the units `stated`, plus `offset`."""

    stated: str
    wanted: str
    factor: float
    offset: float = 0.0

    def __str__(self) -> str:
        """In words, with the numbers."""
        offset = f" {'+' if self.offset > 0 else '-'} {abs(self.offset):.10g}" if self.offset else ""
        return f"{self.stated} converted to {self.wanted} (x {self.factor:.10g}{offset})"


class FieldConversion(UnitConversion):
    """The conversion of a variable or coordinate of the files."""

    field: str
    files: int = Field(description="number of files that hold it in the units `stated`")
    of_files: int = Field(description="number of files that hold it")
    first_file: str

    def __str__(self) -> str:
        """In words, with the files where not all are meant."""
        some = f" in {self.files} of {self.of_files} files, the first {self.first_file}"
        return f"{self.field}: {super().__str__()}{some if self.files < self.of_files else ''}"


class DataReading(Frozen):
    """How the values of a data set came from its files.

    `remarks` say what was left out or put in another order, `cautions` what the files do not state.
    """

    conversions: tuple[FieldConversion, ...] = ()
    remarks: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it in words, one line each."""
        return (*map(str, self.conversions), *self.remarks, *self.cautions)


@dataclass(frozen=True)
class FieldReading:
    """What one file says of a variable or coordinate: converted by `conversion`, or taken in `assumed` units.

    `remark` is anything else that was done to it, in words, and `caution` anything else that is in doubt.
    """

    path: "Location"
    field: str
    conversion: UnitConversion | None = None
    assumed: str | None = None
    remark: str | None = None
    caution: str | None = None


def reading_of(findings: Iterable[FieldReading]) -> DataReading:
    """What the findings of all files come to: each conversion, remark and caution once."""
    found = tuple(dict.fromkeys(findings))
    files: dict[str, set[Location]] = {}
    converted: dict[tuple[str, UnitConversion], dict[Location, None]] = {}
    for each in found:
        files.setdefault(each.field, set()).add(each.path)
        if each.conversion is not None:
            converted.setdefault((each.field, each.conversion), {})[each.path] = None
    conversions = tuple(
        FieldConversion(
            **conversion.model_dump(),
            field=field,
            files=len(paths),
            of_files=len(files[field]),
            first_file=next(iter(paths)).name,
        )
        for (field, conversion), paths in converted.items()
    )
    assumed = dict.fromkeys(f"{each.field} ({each.assumed})" for each in found if each.assumed)
    unstated = [f"units not stated in the files, assumed: {', '.join(assumed)}"] if assumed else []
    return DataReading(
        conversions=conversions,
        remarks=tuple(dict.fromkeys(each.remark for each in found if each.remark)),
        cautions=(*unstated, *dict.fromkeys(each.caution for each in found if each.caution)),
    )
