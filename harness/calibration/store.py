"""Calibrations on disk: `results/calibration/<chip>.<collector>.<host>.json`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from collectors.base import Sensor
from collectors.regular_files import read_regular
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.machine import identity as machine
from harness.machine import rehearsal
from harness.results.checks import check_numbers
from harness.results.record import MOST_BYTES, Purpose

FOLDER = "calibration"


MOST_S = 300.0
"""Launches rest and wait by what a calibration says: a longer time is of a damaged file."""

Seconds = Annotated[float, Field(ge=0, le=MOST_S)]


class SensorCalibration(Frozen):
    """What one sensor does with a load; seconds and watts. `reason` says why the numbers are None.

    Fields are those of `collectors.calibration.step_response.Response`.
    """

    sensor: str
    tool_version: str | None
    driver_version: str | None
    reason: str | None = None
    delay_s: Seconds | None = None
    window_s: Seconds | None = None
    rise_s: float | None = None
    update_period_s: Seconds | None = None
    idle_w: float | None = None
    idle_error_w: float | None = None
    loaded_w: float | None = None
    loaded_error_w: float | None = None
    explained: float | None = None
    n_cycles: int | None = None


class Calibration(Frozen):
    """All sensors of a collector on one machine, measured in one run."""

    schema_version: Literal[1] = 1
    chip: str
    collector: str
    host: str
    device_name: str
    framework: str
    made_at: str
    half_period_s: float
    sensors: tuple[SensorCalibration, ...]
    purpose: Purpose = "measurement"

    @property
    def file_name(self) -> str:
        """Name of its file."""
        return f"{self.chip}.{self.collector}.{self.host}.json"

    def of(self, sensor: Sensor, device_name: str | None) -> SensorCalibration | None:
        """What was found of a sensor; None where it did not respond, or its device, tool or driver is another now.

        A `device_name` of None fits any.
        """
        if device_name not in (None, self.device_name):
            return None
        for found in self.sensors:
            same_tool = (found.tool_version, found.driver_version) == (sensor.tool_version, sensor.driver_version)
            if found.sensor == sensor.id and same_tool and found.reason is None:
                return found
        return None


def save(calibration: Calibration, results: Path) -> Path:
    """Write a calibration below results. Raises OSError or UserError where it cannot be written."""
    path = results / FOLDER / calibration.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, calibration.model_dump_json(indent=1) + "\n")
    return path


def load(results: Path, chip: str, collector: str) -> Calibration | None:
    """The newest calibration of a chip's sensors on this host; None where there is none that can be read.

    The host may have made it under any of its identities: as another user, or before it had the one of today.
    """
    folder = results / FOLDER
    found = [_read(folder / f"{chip}.{collector}.{known.digest}.json") for known in machine.identities()]
    return max(filter(None, found), key=lambda calibration: calibration.made_at, default=None)


def _read(path: Path) -> Calibration | None:
    try:
        calibration = Calibration.model_validate_json(read_regular(path, MOST_BYTES))
        check_numbers(calibration)
    except (OSError, ValueError):
        return None
    return calibration if calibration.purpose == rehearsal.purpose() else None
