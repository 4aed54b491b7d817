"""How often the gate cries wolf, and how often it misses: `python -m harness.history.error_rates`.

Nights are made of which the truth is known, and judged one after the other by the code that judges real ones. The
launches of a cell are in the order A B B A ...; their noise is log-normal and autocorrelated, some launches are
disturbed in all that they measure, in some nights the machine changes its speed in the middle of the block, and two
builds of one commit differ by a little for as long as they are used. With records of a lab the noise is theirs:
stretches of consecutive launches, drawn anew for each cell and night.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import click
import numpy as np

from harness.errors import UserError
from harness.history.compared import Compared
from harness.history.decide import Verdict, decide
from harness.history.gated import Gated
from harness.history.state import State

FEWEST = 8
"""Launches of a series of records."""

Series = np.ndarray
"""Logarithms of a quantity in consecutive launches, without their mean."""


@dataclass(frozen=True)
class Suite:
    """What is simulated: sizes of the suite, and the noise as standard deviations of logarithms.

    `drift` is the correlation of consecutive launches. A disturbed launch takes `disturbance` longer on average; a
    shift of the machine's speed has the standard deviation `shift`, and half of the nights have one.
    """

    launches: int = 12
    cells: int = 10
    quantities: int = 20
    noises: tuple[float, ...] = (0.002, 0.01, 0.02, 0.05)
    drift: float = 0.5
    disturbed: float = 0.01
    disturbance: float = 0.2
    shift: float = 0.1
    builds: float = 0.002
    measured: tuple[Series, ...] = field(default=(), repr=False)

    def night(self, random: np.random.Generator, builds: np.ndarray) -> np.ndarray:
        """Logarithms of cells x quantities x launches in the order in which they ran, both sides."""
        shape = (self.cells, self.quantities, 2 * self.launches)
        logs = self._resampled(random, shape) if self.measured else self._drawn(random, shape)
        if random.random() < 0.5 and not self.measured:
            begin = random.integers(1, shape[2])
            logs[..., begin:] += random.normal(0, self.shift)
        logs[..., _candidate(self.launches)] += builds[..., None]
        return logs

    def _drawn(self, random: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
        noises = np.resize(self.noises, shape[1])[None, :, None]
        steps = random.normal(0, 1, shape)
        for number in range(1, shape[2]):
            steps[..., number] = self.drift * steps[..., number - 1] + np.sqrt(1 - self.drift**2) * steps[..., number]
        disturbed = random.random((shape[0], 1, shape[2])) < self.disturbed
        return noises * steps + disturbed * random.exponential(self.disturbance, (shape[0], 1, shape[2]))

    def _resampled(self, random: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
        found = np.empty(shape)
        for place in np.ndindex(shape[:2]):
            series = self.measured[random.integers(len(self.measured))]
            found[place] = np.take(series, random.integers(len(series)) + np.arange(shape[2]), mode="wrap")
        return found


@dataclass(frozen=True)
class Rates:
    """Shares of nights: with a false suspicion, with a false confirmed finding."""

    nights: int
    suspected: float
    confirmed: float


def false_alarms(suite: Suite, nights: int, seed: int = 0) -> Rates:
    """One commit against itself, night after night."""
    random = np.random.default_rng(seed)
    builds = random.normal(0, suite.builds, (suite.cells, suite.quantities))
    state = State()
    suspected = confirmed = 0
    for night in range(nights):
        verdicts, state = _judged(suite.night(random, builds), state, night)
        said = {verdict.status for verdict in verdicts}
        suspected += "suspected" in said
        confirmed += "confirmed" in said
    return Rates(nights, suspected / nights, confirmed / nights)


def power(suite: Suite, change: float, noise: float, studies: int, seed: int = 0) -> tuple[float, float]:
    """Shares of studies in which a slow-down is suspected in its first night, and confirmed by its second.

    It is one of one quantity, which has a `noise` of its own unless the suite's was measured; all the rest of the suite
    stays as it is.
    """
    random = np.random.default_rng(seed)
    suspected = confirmed = 0
    for _ in range(studies):
        builds = random.normal(0, suite.builds, (suite.cells, suite.quantities))
        slower = replace(suite, noises=(noise, *suite.noises[1:]))
        builds[0, 0] = np.log1p(change)
        state = State()
        said = []
        for night in range(2):
            verdicts, state = _judged(slower.night(random, builds), state, night)
            said.append(verdicts[0].status)
        suspected += said[0] == "suspected"
        confirmed += said[1] == "confirmed"
    return suspected / studies, confirmed / studies


def series_of(results: Path) -> tuple[Series, ...]:
    """The noise of the times and energies in all records below a folder.

    A series for each quantity of a cell on a host that launches of one commit in one environment measured 8 times or
    more, in the order in which they ran. Raises UserError where there is none.
    """
    from harness.analysis.reading import read_records
    from harness.history.gated import TIMED, gated_values
    from harness.history.store import records_below
    from harness.machine import rehearsal

    if not results.is_dir():
        raise UserError(f"{results}: no such folder of results")
    names, problems = records_below(results)
    counted = rehearsal.purpose()
    stored = read_records([results / name for name in names])
    for problem in (*problems, *(each for each in stored if isinstance(each, UserError))):
        click.echo(f"left out: {problem}", err=True)
    read = [
        each
        for each in stored
        if not isinstance(each, UserError)
        and (each.status, each.purpose) == ("completed", counted)
        and math.isfinite(_began(each.started_at))
    ]
    values: dict[tuple[str, ...], list[float]] = {}
    for record in sorted(read, key=lambda each: _began(each.started_at)):
        place = record.environment
        made = (record.scenario.suite, record.scenario.cell, place.host, str(place.git_commit), place.packages)
        for quantity, value in gated_values(record, record.summary).items():
            if quantity.sort in TIMED and 0 < value < math.inf:
                values.setdefault((*made, quantity.name), []).append(value)
    found = tuple(np.log(each) - np.mean(np.log(each)) for each in values.values() if len(each) >= FEWEST)
    if not found:
        raise UserError(f"{results}: no cell of which one commit has {FEWEST} completed launches on one host")
    return found


def _began(started_at: str) -> float:
    """Seconds since 1970; NaN where that is no time."""
    try:
        return datetime.fromisoformat(started_at).timestamp()
    except ValueError:
        return math.nan


def _candidate(launches: int) -> np.ndarray:
    """The places of the candidate in A B B A ..."""
    return np.array([2 * pair + 1 - pair % 2 for pair in range(launches)])


def _judged(logs: np.ndarray, state: State, night: int) -> tuple[Sequence[Verdict], State]:
    values = np.exp(logs)
    places = _candidate(values.shape[2] // 2)
    ours, theirs = values[..., places], values[..., places ^ 1]
    compared = [
        Compared(
            f"cell {cell}",
            Gated(name=f"q{number}", title=f"q{number}", unit="s", sort="speed"),
            tuple((f"{night}-{launch}", float(value)) for launch, value in enumerate(ours[cell, number])),
            tuple(map(float, theirs[cell, number])),
            True,
        )
        for cell, number in np.ndindex(values.shape[:2])
    ]
    verdicts, after = decide(compared, state, night=str(night), run=str(night))
    assert after is not None
    return verdicts, after


@click.command()
@click.option("--nights", type=click.IntRange(1, 100_000), default=1000, show_default=True)
@click.option("--studies", type=click.IntRange(1, 100_000), default=500, show_default=True, help="Of two nights each.")
@click.option(
    "--records",
    type=click.Path(path_type=Path, file_okay=False),
    help="Results of a lab, whose noise the nights have then; without it the noise is drawn.",
)
def main(nights: int, studies: int, records: Path | None) -> None:
    """Print tables of error rates, for 10 cells of 20 quantities."""
    try:
        measured = series_of(records) if records else ()
    except UserError as error:
        click.echo(f"crosscast: {error}", err=True)
        sys.exit(2)
    click.echo("| launches a side | nights | with a false suspicion | with a false confirmed finding |")
    click.echo("|---|---|---|---|")
    for launches in (5, 8, 12, 20):
        rates = false_alarms(Suite(launches=launches, measured=measured), nights)
        click.echo(f"| {launches} | {nights} | {rates.suspected:.1%} | {rates.confirmed:.1%} |")
    click.echo("\n| launches a side | noise | suspected in night 1 | confirmed by night 2 |")
    click.echo("|---|---|---|---|")
    for launches in (8, 12, 16):
        for title, suite in _noises(Suite(launches=launches, measured=measured)):
            first, second = power(suite, 0.05, 0.02, studies)
            click.echo(f"| {launches} | {title} | {first:.1%} | {second:.1%} |")


def _noises(suite: Suite) -> list[tuple[str, Suite]]:
    """What a slow-down is sought in: the noise of records where there are any."""
    if suite.measured:
        return [("of the records", suite)]
    return [(f"2 %, correlation of neighbours {drift:g}", replace(suite, drift=drift)) for drift in (0.0, 0.5)]


if __name__ == "__main__":
    main()
