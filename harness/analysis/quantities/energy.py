"""Energy and power of a cell by activity."""

from functools import lru_cache
from typing import NamedTuple

from harness.analysis.cells import Cell
from harness.analysis.quantities.metrics import EnergyUse, Kind
from harness.analysis.quantities.quantity import Measured
from harness.analysis.quantities.speed import INFERENCE_STEP, speed_of

UNITS = {
    "mean_power_w": "W",
    "energy_j": "J",
    "net_energy_j": "J",
    "step_energy_j": "J",
    "samples_per_j": "samples/J",
    "peak_power_w": "W",
    "sample_energy_j": "J",
}
"""The values of an EnergyUse."""

WHOLE_TRAINING, INFERENCE = "training, whole", "inference"
INFERENCE_PAIR = "inference step"
EPOCH = "epoch_s"


class TimeAndEnergy(NamedTuple):
    """Seconds and joules of the same work, of the launches that have both."""

    activity: str
    time: Measured
    energy: Measured


class CellEnergy:
    """The energies of a cell's launches, by activity and launch number: `uses` of devices, `host_uses` of the host."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.uses: dict[str, dict[int, EnergyUse]] = {}
        for launch, summary in cell.summaries.items():
            for use in summary.energy_uses:
                self.uses.setdefault(use.activity, {})[launch] = use
        self.host_uses: dict[str, dict[int, EnergyUse]] = {}
        for launch, summary in cell.summaries.items():
            for use in summary.host_uses:
                self.host_uses.setdefault(use.activity, {})[launch] = use
        self._measured: dict[tuple[str, str], Measured] = {}

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the sensors hold, of all launches; empty where that is not recorded."""
        return tuple(sorted({scope for uses in self.uses.values() for use in uses.values() for scope in use.scopes}))

    def scopes_of(self, activity: str) -> tuple[str, ...]:
        """What the sensors hold that measured an activity; of one of the devices, of all launches."""
        if activity in self.uses:
            return self.scopes
        return tuple(sorted({scope for use in self._of(activity).values() for scope in use.scopes}))

    @property
    def reasons_for_none(self) -> tuple[str, ...]:
        """Why launches have no energy at all, each reason once."""
        return tuple(dict.fromkeys(found.no_energy for found in self.cell.summaries.values() if found.no_energy))

    def reasons(self, activity: str) -> tuple[str, ...]:
        """Why windows of an activity do not count, each reason once."""
        return tuple(dict.fromkeys(reason for use in self._of(activity).values() for reason in use.reasons))

    def windows(self, activity: str) -> tuple[int, int]:
        """The valid windows of an activity, and all."""
        uses = self._of(activity).values()
        return sum(use.valid_windows for use in uses), sum(use.windows for use in uses)

    def per(self, activity: str) -> str:
        """What the energy of an activity is divided by: epoch, run or step."""
        return next(iter(self._of(activity).values())).unit

    def _of(self, activity: str) -> dict[int, EnergyUse]:
        return self.uses.get(activity) or self.host_uses.get(activity, {})

    def measured(self, activity: str, name: str) -> Measured:
        """One of UNITS of an activity, of the launches that have it."""
        key = (activity, name)
        if key not in self._measured:
            values = {
                launch: value for launch, use in self._of(activity).items() if (value := getattr(use, name)) is not None
            }
            kind: Kind = "rate" if name == "samples_per_j" else "cost"
            reason = "; ".join(self.reasons(activity)) or None
            self._measured[key] = Measured(name, activity, UNITS[name], kind, self.cell, values, reason)
        return self._measured[key]


@lru_cache(maxsize=2**12)
def energy_of(cell: Cell) -> CellEnergy:
    """The energies of a cell."""
    return CellEnergy(cell)


def times_and_energies(cell: Cell) -> tuple[TimeAndEnergy, ...]:
    """Time and energy of an epoch of each training stage and of an inference step."""
    energies, times = energy_of(cell), speed_of(cell)
    found = []
    for of_energy, (activity, time_name) in timed_activities(cell).items():
        energy, time = energies.measured(of_energy, "energy_j"), times.get(time_name)
        both = [launch for launch in energy.values if time and launch in time.values]
        if time and both:
            found.append(TimeAndEnergy(activity, _only(time, both), _only(energy, both)))
    return tuple(found)


def timed_activities(cell: Cell) -> dict[str, tuple[str, str]]:
    """The activities whose time is measured, too, each with a short name and the name of that time."""
    one_stage = EPOCH in speed_of(cell)
    found: dict[str, tuple[str, str]] = {}
    for activity in energy_of(cell).uses:
        stage, per = activity.removeprefix("training "), energy_of(cell).per(activity)
        if per == "step":
            found[activity] = (INFERENCE_PAIR, INFERENCE_STEP)
        elif per == "epoch":
            found[activity] = ("epoch", EPOCH) if one_stage else (f"epoch ({stage})", f"epoch_{stage}_s")
    return found


def _only(measured: Measured, launches: list[int]) -> Measured:
    values = {launch: measured.values[launch] for launch in launches}
    return Measured(measured.name, measured.title, measured.unit, measured.kind, measured.cell, values)
