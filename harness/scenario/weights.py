"""What a file in scenarios/weights may say: how a published network names and lays out the tensors that are ours."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from harness.frozen import Frozen

PLACEHOLDER = re.compile(r"\{(\*?)(\w+)\}")

Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(min_length=1),
    BeforeValidator(
        lambda names: (names,) if isinstance(names, str) else names, json_schema_input_type=str | list[str]
    ),
]
"""One name, or several; {i} stands for one part between dots, {*rest} for several."""


class Rule(Frozen):
    """A tensor of the file and one of ours, or several of either, and how the values lie.

    From the file to ours, `unit_axes` are dropped, then axes transposed, then several tensors joined or one split, then
    `flattened` axes folded out. The way back is the inverse of each in the other order.
    """

    file: Names
    ours: Names
    unit_axes: tuple[int, ...] = Field(default=(), description="axes of length 1 that only the file has")
    transpose: tuple[int, ...] | None = Field(default=None, description="axis k of ours is axis transpose[k] there")
    join: Literal["stack", "concatenate"] | None = Field(
        default=None, description="how the several tensors lie in the one: along a new axis, or in equal parts of one"
    )
    axis: int = Field(default=0, ge=0, description="along which they are joined")
    flattened: tuple[int, int] | None = Field(
        default=None, description="first and last axis of ours that the file has as one; needs the model's shapes"
    )
    rank: int | None = Field(
        default=None, ge=0, description="towards the file, only where our tensor `rank_of` has this number of axes"
    )
    rank_of: str | None = Field(default=None, description="the tensor that `rank` speaks of; default: the rule's own")
    one_way: bool = Field(default=False, description="from the file to ours only, where nothing tells the way back")

    @model_validator(mode="after")
    def _consistent(self) -> "Rule":
        several = max(len(self.file), len(self.ours))
        if min(len(self.file), len(self.ours)) > 1:
            raise ValueError("several names may stand on one side only")
        if (several > 1) != (self.join is not None):
            raise ValueError("join goes with several names on one side, and with nothing else")
        if self.transpose is not None and sorted(self.transpose) != list(range(len(self.transpose))):
            raise ValueError("transpose must name every axis once")
        if list(self.unit_axes) != sorted(set(self.unit_axes)) or min(self.unit_axes, default=0) < 0:
            raise ValueError("unit_axes must rise from 0")
        if self.flattened is not None and not 0 <= self.flattened[0] < self.flattened[1]:
            raise ValueError("flattened must be a first and a later axis")
        placeholders = {frozenset(PLACEHOLDER.findall(name)) for name in (*self.file, *self.ours)}
        if len(placeholders) > 1:
            raise ValueError("all names of a rule must have the same placeholders, or it has no inverse")
        if self.rank_of is not None and (
            self.rank is None or not set(PLACEHOLDER.findall(self.rank_of)) <= set(PLACEHOLDER.findall(self.ours[0]))
        ):
            raise ValueError("rank_of goes with rank and has placeholders of the rule only")
        return self


class Unused(Frozen):
    """A tensor of the file that our network does not have, because the published one never uses it.

    Towards the file it is written where `fill` says with what; `like` is one of ours with its shape and number format,
    `before` the one of ours that it stands before.
    """

    name: str = Field(min_length=1)
    fill: float | None = None
    like: str | None = None
    before: str | None = None

    @model_validator(mode="after")
    def _all_or_none(self) -> "Unused":
        given = {self.fill is None, self.like is None, self.before is None}
        if len(given) > 1:
            raise ValueError("fill, like and before go together")
        if self.fill is not None and PLACEHOLDER.search(self.name):
            raise ValueError("a name that is filled has no placeholders")
        return self


class MomentNames(Frozen):
    """What MindSpore's optimiser puts before the names of its moments, and what it calls its count of steps."""

    first_moment: str = "moment1"
    second_moment: str = "moment2"
    max_second_moment: str = "vhat"
    step: str = "global_step"


class WeightNames(Frozen):
    """The names of one published network, or of a framework's own layers. The first rule that fits a name is taken."""

    title: str
    source: str = Field(description="where the names were read")
    note: str = Field(default="", description="what a user of the converted weights must know")
    model: str | None = Field(default=None, description="the architecture that it names; default: any")
    rules: tuple[Rule, ...] = ()
    unused: tuple[Unused, ...] = ()
    moments: MomentNames | None = Field(
        default=None, description="of the optimiser that it is trained with in MindSpore"
    )
