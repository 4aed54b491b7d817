"""What a file in scenarios/claims may say: claims of a study as tests on records."""

import re
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from harness.frozen import Frozen
from harness.scenario.execution import Mode
from harness.scenario.schema import FrameworkName, Scaling

TimeOrMemory = Literal[
    "training_s",
    "epoch_s",
    "train_step_s",
    "first_step_s",
    "train_rate_samples_per_s",
    "inference_step_s",
    "inference_first_step_s",
    "inference_rate_samples_per_s",
    "process_rss_bytes",
    "device_bytes",
]
EnergyQuantity = Literal[
    "mean_power_w", "peak_power_w", "energy_j", "net_energy_j", "step_energy_j", "sample_energy_j", "samples_per_j"
]
ScalingQuantity = Literal["speed_up", "scaling_efficiency"]
"""Of a cell on several devices beside one on one, by training rates; efficiency is the speed-up over the devices."""

ScoreQuantity = Literal["rmse", "acc"]
"""Of each variable and lead time: the ratio of RMSE, and of ACC the difference, which may be negative."""

Quantity = Literal[TimeOrMemory, EnergyQuantity, ScalingQuantity, ScoreQuantity]
Reference = Literal["persistence", "climatology"]
"""Forecasts that are scored beside the model's, which may be its baseline."""

OF_A_STAGE = {
    "epoch_s": "epoch{stage}_s",
    "train_step_s": "train_step{stage}_s",
    "first_step_s": "first_step{stage}_s",
    "train_rate_samples_per_s": "train_rate{stage}_samples_per_s",
    "speed_up": "train_rate{stage}_samples_per_s",
    "scaling_efficiency": "train_rate{stage}_samples_per_s",
}
"""Quantities of a training stage, and their names in records of several stages."""

CELL_NAME = re.compile(rf"\S+/({'|'.join(get_args(FrameworkName))})(-({'|'.join(get_args(Mode))})(-[^\s-]\S*)?)?")
"""An execution is eager or graph alone, or all of its label as `as_name` writes it: a100/mindspore-graph-O1."""

Line = Annotated[str, BeforeValidator(lambda text: " ".join(text.split()) if isinstance(text, str) else text)]
"""Text whose breaks are read as spaces, because tables show it in one line."""


class Expectation(Frozen):
    """Bounds of the ratio of the cell to its baseline, or of the difference of ACC, between which the claim holds.

    Null for no bound.
    """

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _a_range(self) -> "Expectation":
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least >= self.at_most:
            raise ValueError("at_least must be below at_most")
        return self


class Claim(Frozen):
    """One claim: the ratio of a quantity between cells and their baseline lies within the expectation."""

    name: Line = Field(min_length=1)
    says: Line = Field(description="the claim as published")
    reading: Line = Field(description="what was decided to make it a test: margins, which cells, which quantity")
    models: tuple[str, ...] = Field(min_length=1)
    preset: str | None = Field(default=None, description="only this preset; default: any that has records")
    cells: tuple[str, ...] = Field(min_length=1, description="chip/framework or chip/framework-execution")
    baseline: str = Field(
        description="chip/framework or chip/framework-execution; of rmse and acc also persistence or climatology, "
        "which were scored in the same launches"
    )
    quantity: Quantity
    stage: str | None = Field(default=None, description="training stage, where the preset has several")
    activity: Literal["training", "inference"] | None = Field(
        default=None, description="needed for power and energy: of the whole training or of inference"
    )
    scaling: Scaling | None = Field(
        default=None, description="of speed_up and scaling_efficiency: weak or strong; default: each that has records"
    )
    variables: tuple[str, ...] = Field(
        default=(), description="of rmse and acc: only these, named as in the tables of skill; default: all"
    )
    lead_hours: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(), description="of rmse and acc: only these lead times in hours; default: all"
    )
    expect: Expectation
    largest_for: str | None = Field(
        default=None, description="the model whose ratio must also be above that of each other model"
    )

    @field_validator("cells")
    @classmethod
    def _cell_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            _check_cell_name(name)
        return names

    @field_validator("baseline")
    @classmethod
    def _baseline_name(cls, name: str) -> str:
        return name if name in get_args(Reference) else _check_cell_name(name)

    @property
    def reference(self) -> str | None:
        """The forecast that is the baseline in the place of a cell; None where it is a cell."""
        return self.baseline if self.baseline in get_args(Reference) else None

    @model_validator(mode="after")
    def _fits_the_quantity(self) -> "Claim":
        if (self.activity is None) == (self.quantity in get_args(EnergyQuantity)):
            raise ValueError("give an activity for power and energy, and for nothing else")
        if self.stage is not None and self.quantity not in OF_A_STAGE:
            raise ValueError(f"a stage goes only with {', '.join(OF_A_STAGE)}")
        if self.scaling is not None and self.quantity not in get_args(ScalingQuantity):
            raise ValueError(f"scaling goes only with {' and '.join(get_args(ScalingQuantity))}")
        if self.largest_for is not None and (self.largest_for not in self.models or len(self.models) < 2):
            raise ValueError("largest_for must be one of several models")
        scored = self.quantity in get_args(ScoreQuantity)
        if self.largest_for is not None and scored:
            raise ValueError(f"largest_for does not go with {self.quantity}, which is a number for each variable")
        if (self.variables or self.lead_hours) and not scored:
            raise ValueError("variables and lead_hours go only with rmse and acc")
        if self.reference and not scored:
            raise ValueError(f"{self.reference} is a baseline of rmse and acc only")
        if self.reference == "climatology" and self.quantity == "acc":
            raise ValueError("climatology has no acc: its anomalies are 0")
        bounds = [each for each in (self.expect.at_least, self.expect.at_most) if each is not None]
        if self.quantity != "acc" and min(bounds) <= 0:
            raise ValueError("expect: the bounds of a ratio must be greater than 0")
        return self


class Ledger(Frozen):
    """The claims of one study; `suite` is the one whose bench would measure them."""

    title: Line
    source: Line
    suite: str
    claims: tuple[Claim, ...] = Field(min_length=1)

    @field_validator("claims")
    @classmethod
    def _unique(cls, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        names = [claim.name for claim in claims]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"claims named twice: {', '.join(repeated)}")
        return claims


def _check_cell_name(name: str) -> str:
    if not CELL_NAME.fullmatch(name):
        raise ValueError(f"{name!r} must be chip/framework or chip/framework-execution, such as a100/pytorch-eager")
    return name
