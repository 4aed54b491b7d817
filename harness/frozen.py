"""The base of every value that is read from a file or written to one."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]


class Frozen(BaseModel):
    """A value that refuses unknown fields and never changes.

    JSON has no word for infinite numbers and NaN: they are written as the strings "Infinity", "-Infinity" and "NaN",
    which a float field reads.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, ser_json_inf_nan="strings")
