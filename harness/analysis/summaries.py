"""What tables need of a record: the numbers of its launch, computed once, small enough to keep ten thousand of them."""

from functools import lru_cache
from math import isfinite
from operator import attrgetter
from typing import Any, NamedTuple

from harness.analysis.quantities.metrics import (
    SIGNED,
    EnergyUse,
    Metric,
    energy_uses,
    host_uses,
    launch_metrics,
    steady_state_problems,
)
from harness.frameworks.base import FrameworkDescription, Numerics
from harness.results.checks import check_record
from harness.results.record import Measurements, Record, Skill

SMALLEST, LARGEST = 1e-30, 1e30
"""Around any time in seconds, energy in joules, size in bytes or error but 0: numbers beyond are of a damaged file."""

LARGEST_ERROR = 1e39
"""Above the difference of any two float32 numbers, and so above any RMSE that is finite."""

MOST_BITS = 53
"""Of the significand of a product, the leading one counted: those of float64."""


SCORED = ("forecaster", "variable", "units", "lead_h", "region")
OTHER_SCORES = ("bias", "mae", "activity")
OF_SCORE = attrgetter(*SCORED, "rmse", "acc", *OTHER_SCORES)
OF_ENERGY = attrgetter("energy_j", "step_energy_j", "mean_power_w", "peak_power_w")
MEAN_LOSS, VALIDATION = attrgetter("mean_loss"), attrgetter("validation_loss")


class ScoreKey(NamedTuple):
    """What is scored: a variable, of a region where it names one, at a lead time in hours."""

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

    RMSE in the variables' units, infinite or NaN where the forecast blew up; ACC None where it is not defined. `others`
    are bias, MAE and activity, each in the same order.
    """

    definition: str
    places: tuple[Place, ...]
    rmse: tuple[float, ...]
    acc: tuple[float | None, ...]
    others: tuple[tuple[float | None, ...], ...]


class StageLosses(NamedTuple):
    """Mean training loss and validation loss of each epoch of a stage, dimensionless; None without a validation."""

    stage: str
    training: tuple[float, ...]
    validation: tuple[float | None, ...]


class LaunchFingerprints(NamedTuple):
    """What two launches must share to be compared, as recorded."""

    data: str
    initial_weights: str
    architecture: str


class Summary(NamedTuple):
    """The numbers that a launch contributes, and what decides with which others they may stand.

    `sources` is the fingerprint of the network's code, if recorded. `no_energy` says why `energy_uses` is empty.
    `data_cautions` are those of the files that the data came from. `host_uses` are the energies of the host's scopes.
    `utilisations` are the medians in training by device, of those that `collector` told.
    """

    metrics: tuple[Metric, ...]
    energy_uses: tuple[EnergyUse, ...]
    training_samples: int
    unsteady: tuple[str, ...]
    scores: Scores | None
    fingerprints: LaunchFingerprints | None
    framework: FrameworkDescription | None
    numerics: Numerics | None
    sources: str | None
    no_energy: str | None
    data_cautions: tuple[str, ...] = ()
    host_uses: tuple[EnergyUse, ...] = ()
    losses: tuple[StageLosses, ...] = ()
    collector: str | None = None
    utilisations: tuple[tuple[int, float], ...] = ()


def summarise_record(record: Record) -> Summary:
    """Compute the summary of a record.

    Raises ArithmeticError, LookupError, TypeError or ValueError where its numbers are none that a launch can have.
    """
    check_record(record)
    measured = record.measurements
    uses = energy_uses(record)
    found = Summary(
        metrics=launch_metrics(record),
        energy_uses=uses,
        training_samples=sum([stage.samples_per_epoch * len(stage.epochs) for stage in measured.training]),
        unsteady=steady_state_problems(record),
        scores=_scores(measured.skill) if measured.skill else None,
        fingerprints=_fingerprints(measured),
        framework=measured.framework,
        numerics=measured.numerics,
        sources=measured.sources,
        no_energy=None if uses else record.energy.reason or "no window was recorded",
        data_cautions=tuple(measured.data.cautions) if measured.data else (),
        host_uses=host_uses(record),
        losses=tuple(
            [
                StageLosses(stage.name, tuple(map(MEAN_LOSS, stage.epochs)), tuple(map(VALIDATION, stage.epochs)))
                for stage in measured.training
            ]
        ),
        collector=record.energy.collector,
        utilisations=tuple(
            [(use.device, use.utilisation) for use in record.energy.device_uses if use.utilisation is not None]
        ),
    )
    _check(found)
    return found


def _check(found: Summary) -> None:
    values = [abs(value) if metric.name in SIGNED else value for metric in found.metrics if (value := metric.value)]
    if values and not (min(values) >= SMALLEST and max(values) <= LARGEST and isfinite(sum(values))):
        for metric in found.metrics:
            size = abs(metric.value or 0.0) if metric.name in SIGNED else metric.value
            if size and not SMALLEST <= size <= LARGEST:
                raise ValueError(f"{metric.title} of {metric.value:g} {metric.unit}")
    for use in (*found.energy_uses, *found.host_uses):
        for value in OF_ENERGY(use):
            if value and not SMALLEST <= value <= LARGEST:
                raise ValueError(f"energy or power of {use.activity} of {value:g}")
        if use.net_energy_j and not SMALLEST <= abs(use.net_energy_j) <= LARGEST:
            raise ValueError(f"net energy of {use.activity} of {use.net_energy_j:g} J")
    if found.numerics and not 1 <= found.numerics.matmul_bits <= MOST_BITS:
        raise ValueError(f"a matrix product that kept {found.numerics.matmul_bits} bits")
    if found.scores:
        _check_scores(found.scores)
        _check_others(found.scores)


def _check_scores(scores: Scores) -> None:
    largest = max(scores.rmse, default=1.0)
    known = [abs(acc) for acc in scores.acc if acc]
    ordinary = isfinite(sum(scores.rmse)) and min(scores.rmse, default=1.0) >= SMALLEST and largest <= LARGEST_ERROR
    if ordinary and min(known, default=1.0) >= SMALLEST and max(known, default=1.0) <= LARGEST:
        return
    for (forecaster, key), rmse, acc in zip(scores.places, scores.rmse, scores.acc, strict=True):
        if rmse < 0 or (isfinite(rmse) and rmse and not SMALLEST <= rmse <= LARGEST_ERROR):
            raise ValueError(f"RMSE of {forecaster} of {rmse:g} {key.units}")
        if acc and not SMALLEST <= abs(acc) <= LARGEST:
            raise ValueError(f"ACC of {forecaster} of {acc:g}")


def _check_others(scores: Scores) -> None:
    for name, values in zip(OTHER_SCORES, scores.others, strict=True):
        known = [abs(value) for value in values if value]
        if not known or (isfinite(sum(known)) and min(known) >= SMALLEST and max(known) <= LARGEST_ERROR):
            continue
        for (forecaster, key), value in zip(scores.places, values, strict=True):
            if value and not SMALLEST <= abs(value) <= LARGEST_ERROR:
                raise ValueError(f"{name} of {forecaster} of {value:g} {key.units}")


def _fingerprints(measured: Measurements) -> LaunchFingerprints | None:
    found = measured.fingerprints
    return LaunchFingerprints(found.data, found.initial_weights, found.architecture) if found else None


def _scores(skill: Skill) -> Scores:
    definition = (
        f"Weights: {skill.weights}. RMSE: {skill.rmse_order}. ACC: {skill.acc}. Climatology: {skill.climatology}."
    )
    columns = tuple(zip(*map(OF_SCORE, skill.scores), strict=True)) or ((),) * (len(SCORED) + 2 + len(OTHER_SCORES))
    rmse, acc, *others = columns[len(SCORED) :]
    return Scores(definition, _places(columns[: len(SCORED)]), rmse, acc, tuple(others))


@lru_cache(maxsize=2**10)
def _places(scored: tuple[tuple[Any, ...], ...]) -> tuple[Place, ...]:
    """One object for all launches that score the same."""
    return tuple(
        (forecaster, ScoreKey(variable if region is None else f"{variable}, {region}", units, lead_h))
        for forecaster, variable, units, lead_h, region in zip(*scored, strict=True)
    )
