"""What tables need of a record: the numbers of its launch, computed once, small enough to keep ten thousand of them."""

from functools import lru_cache
from typing import NamedTuple

from harness.analysis.metrics import EnergyUse, Metric, energy_uses, launch_metrics, steady_state_problems
from harness.record import Fingerprints, Measurements, Record, Skill


class ScoreKey(NamedTuple):
    """What is scored: a variable at a lead time in hours."""

    variable: str
    units: str
    lead_h: float

    @property
    def variable_title(self) -> str:
        """Variable and unit."""
        return f"{self.variable}, {self.units}"


Place = tuple[str, ScoreKey]
"""A forecaster and what of it is scored."""


class Scores(NamedTuple):
    """The scores of a launch in the order of `places`, and the definitions that they follow, in one line.

    RMSE in the variables' units; ACC None where it is not defined.
    """

    definition: str
    places: tuple[Place, ...]
    rmse: tuple[float, ...]
    acc: tuple[float | None, ...]


class Implementation(NamedTuple):
    """What a network ran in: version of the framework, its device, and the sources of the network, if recorded."""

    version: str
    device: str
    sources: str | None


class Summary(NamedTuple):
    """The numbers that a launch contributes, and what decides with which others they may stand."""

    metrics: tuple[Metric, ...]
    energy_uses: tuple[EnergyUse, ...]
    unsteady: tuple[str, ...]
    scores: Scores | None
    fingerprints: Fingerprints | None
    implementation: Implementation | None
    framework_threads: int | None
    no_energy: str | None


def summarise_record(record: Record) -> Summary:
    """Compute the summary of a record. Raises nothing."""
    measured = record.measurements
    uses = energy_uses(record)
    return Summary(
        metrics=launch_metrics(record),
        energy_uses=uses,
        unsteady=steady_state_problems(record),
        scores=_scores(measured.skill) if measured.skill else None,
        fingerprints=measured.fingerprints,
        implementation=_implementation(measured),
        framework_threads=measured.framework.threads if measured.framework else None,
        no_energy=None if uses else record.energy.reason or "no window was recorded",
    )


def _implementation(measured: Measurements) -> Implementation | None:
    ran = measured.framework
    return Implementation(ran.version, ran.device, measured.sources) if ran else None


def _scores(skill: Skill) -> Scores:
    definition = (
        f"Weights: {skill.weights}. RMSE: {skill.rmse_order}. ACC: {skill.acc}. Climatology: {skill.climatology}."
    )
    places = _places(tuple((each.forecaster, each.variable, each.units, each.lead_h) for each in skill.scores))
    rmse, acc = tuple(each.rmse for each in skill.scores), tuple(each.acc for each in skill.scores)
    return Scores(definition, places, rmse, acc)


@lru_cache(maxsize=2**10)
def _places(scored: tuple[tuple[str, str, str, float], ...]) -> tuple[Place, ...]:
    """One object for all launches that score the same."""
    return tuple((forecaster, ScoreKey(variable, units, lead_h)) for forecaster, variable, units, lead_h in scored)
