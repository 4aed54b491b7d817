"""The map from aten operators to MindSpore, read from operators.yaml beside this file."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from harness.frozen import Frozen, PositiveInt

MAP = Path(__file__).with_name("operators.yaml")

Kind = Literal["native", "composed", "custom", "missing", "layout"]
Platform = Literal["Ascend", "GPU", "CPU"]


class Operator(Frozen):
    """What stands for an aten operator: one API, a composition of several, or code with a gradient of its own."""

    kind: Literal["native", "composed", "custom", "missing"]
    uses: tuple[str, ...] = Field(default=(), description="APIs, such as ops.matmul")
    code: str | None = Field(default=None, description="where the code of the custom one is")
    outputs: PositiveInt | None = Field(default=None, description="how many of the outputs are compared; default: all")
    random: bool = Field(default=False, description="its values are drawn, so that there is nothing to compare")
    note: str | None = None

    @property
    def runs(self) -> bool:
        """Whether it can be run beside PyTorch's."""
        return self.kind != "missing" and not self.random

    @property
    def counterpart(self) -> str | None:
        """The name to show."""
        return self.code or " + ".join(self.uses) or None


class Documented(Frozen):
    """APIs that the documentation says run on these platforms."""

    platforms: tuple[Platform, ...]
    apis: tuple[str, ...]


class OperatorMap(Frozen):
    """Counterparts of aten operators by name without overload and the underscore of the form in place."""

    documentation: str = Field(description="address of a page, with {module} and {name}")
    documented: tuple[Documented, ...]
    operators: dict[str, Operator]
    gradients: dict[str, tuple[str, ...]] = Field(description="operators that are only the gradient of others")
    layout: tuple[str, ...] = Field(description="operators that move, shape, convert or allocate and do not calculate")
    hints: dict[str, str] = Field(default={}, description="what to do where an API does not run, by platform")

    @model_validator(mode="after")
    def _consistent(self) -> "OperatorMap":
        pages = [api for entry in self.documented for api in entry.apis]
        twice = sorted({api for api in pages if pages.count(api) > 1})
        if twice:
            raise ValueError(f"documented twice: {', '.join(twice)}")
        unknown = sorted({api for entry in self.operators.values() for api in entry.uses} - set(pages))
        if unknown:
            raise ValueError(f"used, but not documented: {', '.join(unknown)}")
        everywhere = [*self.operators, *self.gradients, *self.layout]
        twice = sorted({name for name in everywhere if everywhere.count(name) > 1})
        if twice:
            raise ValueError(f"operators in two places: {', '.join(twice)}")
        return self

    def platforms(self, api: str) -> tuple[Platform, ...]:
        """Where the documentation says an API runs; () where it says nothing."""
        return next((entry.platforms for entry in self.documented if api in entry.apis), ())

    def page(self, api: str) -> str:
        """The address of an API's page."""
        module, name = api.split(".")
        return self.documentation.format(module=module, name=name)

    def lacking(self, operator: Operator, platform: Platform) -> tuple[str, ...]:
        """APIs of an operator that are not documented for a platform."""
        return tuple(api for api in operator.uses if platform not in self.platforms(api))


@lru_cache(maxsize=1)
def operator_map() -> OperatorMap:
    """The map that comes with crosscast; raises UserError where the file does not fit."""
    from harness.scenario.loading import load

    return load(MAP, OperatorMap)
