from dataclasses import dataclass, field

import numpy as np
import pytest

from harness.data.source import StateOnly
from harness.models.domain import plain_channels

START = np.datetime64("2001-01-01T00", "ns")


@dataclass
class ArraySource(StateOnly):
    """A source over an array (T, C, H, W) in memory that remembers which steps were read."""

    fields: np.ndarray
    step_hours: int = 6
    start: np.datetime64 = START
    missing_steps: tuple[int, ...] = ()
    steps_read: set[int] = field(default_factory=set)

    def __post_init__(self):
        steps, channels, rows, columns = self.fields.shape
        self.channels = tuple(f"c{k}" for k in range(channels))
        self.channel_info = plain_channels(self.channels)
        self.units = ("1",) * channels
        self.latitude = np.linspace(60.0, -60.0, rows)
        self.longitude = np.arange(columns) * 360.0 / columns
        self.step = np.timedelta64(self.step_hours, "h").astype("timedelta64[ns]")
        self.times = self.start + self.step * np.arange(steps)
        self.mask = ~np.isnan(self.fields).any(axis=0)
        self.valid_steps = np.ones(steps, dtype=bool)
        self.valid_steps[list(self.missing_steps)] = False
        self.fingerprint = "none"

    def read(self, indices):
        self.steps_read.update(int(index) for index in indices)
        return self.fields[np.asarray(indices)].astype(np.float32)


@pytest.fixture(scope="session")
def array_source():
    return ArraySource
