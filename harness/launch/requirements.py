"""The least that launches need of memory and disk, counted from what must be there at once."""

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from harness.data.source import Source
from harness.data.windows import Windows
from harness.models.domain import Domain
from harness.models.parameters import count
from harness.scenario.matrix import Scenario

FLOAT32_BYTES = 4
COPIES_OF_A_PARAMETER = 4
"""Weight, gradient and both moments of Adam, all there when the optimiser steps."""

BYTES_OF_A_STEP, BYTES_OF_A_SCORE, BYTES_OF_A_RECORD = 3 * 20, 120, 4_000
"""Of record.json, less than any that a launch has left: three numbers a step, scores, the rest."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes of the parameters with all their copies, and of each sample of a training batch."""

    parameters: int
    parameter_bytes: int
    sample_bytes: int

    def total_bytes(self, batch_size: int) -> int:
        """The least that training takes."""
        return self.parameter_bytes + batch_size * self.sample_bytes


def memory_need(scenario: Scenario, source: Source, package: ModuleType, network: Any) -> MemoryNeed:
    """Counted for training: weights, gradients and moments, and of a batch the inputs, targets and one output."""
    domain = Domain(
        channels=source.channel_info,
        latitude=source.latitude,
        longitude=source.longitude,
        mask=source.mask,
        residual_scale=np.ones(len(source.channels), dtype=np.float32),
        forcings=source.forcings,
        statics=source.statics,
    )
    parameters = count(package.parameters(network, domain))
    targets = max(stage.rollout_steps for stage in scenario.training.stages)
    fields = domain.inputs(package.input_spec(network)) + (targets + 1) * domain.outputs
    return MemoryNeed(
        parameters,
        COPIES_OF_A_PARAMETER * FLOAT32_BYTES * parameters,
        fields * math.prod(domain.grid) * FLOAT32_BYTES,
    )


def record_bytes(scenario: Scenario, windows: Windows) -> int:
    """The least that the record of a launch takes on the disk; raises UserError where the splits do not hold."""
    steps = sum(
        stage.epochs * windows.batch_count("train", scenario.training.batch_size, lead=stage.rollout_steps)
        for stage in scenario.training.stages
    )
    scores = 3 * len(scenario.channels) * len(scenario.inference.lead_steps)
    return BYTES_OF_A_RECORD + BYTES_OF_A_STEP * steps + BYTES_OF_A_SCORE * scores
