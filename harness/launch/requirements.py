"""The least that launches need of memory and disk, counted from what must be there at once."""

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from harness.data.source import Source
from harness.data.windows import Windows
from harness.models.activations import FLOAT32_BYTES
from harness.models.domain import Domain
from harness.models.parameters import count
from harness.scenario.scenario import Scenario

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
COPIES_OF_A_PARAMETER = 4
"""Weight, gradient and both moments of Adam, all there when the optimiser steps."""

BYTES_OF_A_STEP, BYTES_OF_A_SCORE, BYTES_OF_A_RECORD = 3 * 20, 120, 4_000
"""Of measurements.json, which is there until the steps are a table: three numbers a step, scores, the rest at least."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a part of a launch takes of all parameters, and of each sample of the batch that `setting` sets."""

    activity: str
    setting: str
    batch_size: int
    parameters: int
    parameter_bytes: int
    sample_bytes: int

    @property
    def batch_bytes(self) -> int:
        """Of all samples of a batch."""
        return self.batch_size * self.sample_bytes

    @property
    def total_bytes(self) -> int:
        """The least that this part of a launch takes."""
        return self.parameter_bytes + self.batch_bytes

    def fitting_batch(self, limit_bytes: int) -> int:
        """The largest batch that the limit leaves room for; not above 0 where the parameters alone are too much."""
        return (limit_bytes - self.parameter_bytes) // self.sample_bytes


def memory_needs(
    scenario: Scenario, source: Source, package: ModuleType, network: Any, copies: int = COPIES_OF_A_PARAMETER
) -> tuple[MemoryNeed, ...]:
    """Of training: `copies` of the weights and, of a batch, inputs, targets and one output.

    Of inference: the weights and, of a batch, inputs and one output.
    """
    domain = domain_of(source)
    parameters = count(package.parameters(network, domain))
    field_bytes = math.prod(domain.grid) * FLOAT32_BYTES
    trained = scenario.training.trained_stages
    targets = max((stage.rollout_steps for stage in trained), default=0)
    inputs, outputs, inference = domain.inputs(package.input_spec(network)), domain.outputs, scenario.inference
    return tuple(
        MemoryNeed(activity, setting, size, parameters, held * FLOAT32_BYTES * parameters, fields * field_bytes)
        for activity, setting, size, held, fields in (
            ("training", "training.batch_size", scenario.training.batch_size, copies, inputs + (targets + 1) * outputs),
            ("an inference step", "inference.batch_size", inference.batch_size, 1, inputs + outputs),
            ("a rollout", "inference.rollout_batch_size", inference.rollout_batch_size, 1, inputs + outputs),
        )
        if (trained or activity != "training") and (inference.skill != "none" or activity != "a rollout")
    )


def domain_of(source: Source) -> Domain:
    """The domain of a source, without the scale of its changes, which takes a pass over the data."""
    return Domain(
        channels=source.channel_info,
        latitude=source.latitude,
        longitude=source.longitude,
        mask=source.mask,
        residual_scale=np.ones(len(source.channels), dtype=np.float32),
        forcings=source.forcings,
        statics=source.statics,
    )


def record_bytes(scenario: Scenario, windows: Windows) -> int:
    """The least that the record of a launch takes on the disk; raises UserError where the splits do not hold."""
    steps = sum(
        stage.epochs
        * scenario.training.steps_of(windows.batch_count("train", scenario.whole_batch_size, lead=stage.rollout_steps))
        for stage in scenario.training.trained_stages
    )
    leads = 0 if scenario.inference.skill == "none" else len(scenario.inference.lead_steps)
    scores = 3 * len(scenario.channels) * leads * (1 + len(scenario.inference.regions))
    return BYTES_OF_A_RECORD + BYTES_OF_A_STEP * steps + BYTES_OF_A_SCORE * scores


def problem_of_fields(scenario: Scenario, machine_bytes: int) -> str | None:
    """What is wrong with fields of which one sample alone, input and target, is too large to be made."""
    sample_bytes = 2 * len(scenario.channels) * math.prod(scenario.grid) * FLOAT32_BYTES
    if sample_bytes <= machine_bytes:
        return None
    rows, columns = scenario.grid
    return (
        f"one sample of {len(scenario.channels)} channels on {rows} x {columns} points takes "
        f"{size_text(sample_bytes)}, and the memory here is {size_text(machine_bytes)}: take a smaller grid or a "
        "machine with more memory"
    )


def size_text(count: int) -> str:
    """A number of bytes in the largest unit that makes it 1 or more."""
    power = min(len(UNITS) - 1, (max(count, 1).bit_length() - 1) // 10)
    return f"{count / 1024**power:.{1 if power else 0}f} {UNITS[power]}"
