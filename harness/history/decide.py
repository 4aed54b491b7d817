"""Which changes of a run are findings, suspected first and confirmed by the next run.

Tests are made of all cells and quantities together, and their p values adjusted so that the error rate is that of the
whole run (Holm). A run that stands alone calls a finding what stays below ALONE, and undecided what stays below
UNCERTAIN. In a row of runs a change is suspected below SUSPECTED; it is confirmed where the launches of the next run,
taken alone, show it below FRESH, and both runs together stay below CONFIRMED. What one run shows below FRESH without
being a suspicion is watched: nobody is told, and the next run may confirm it all the same.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.history.compared import Compared
from harness.history.effects import Effect, combined, deciding_launches, holm, least_visible
from harness.history.gated import MARGINS, Sort
from harness.history.shown import apart
from harness.history.state import Cleared, Direction, Known, State, Watch

ALONE, UNCERTAIN = 0.01, 0.10
SUSPECTED, CONFIRMED = 0.05, 0.02
FRESH = 0.05
MOST_CLEARED = 200

Status = Literal["found", "undecided", "suspected", "confirmed", "known", "cleared", "none"]


@dataclass(frozen=True)
class Verdict:
    """What is said of one quantity. `p` is adjusted for all tests of the run; `since` is the night of a suspicion.

    Of what is undecided `launches` a side would decide, None where no number would; `visible` is the smallest relative
    change that the run shows with a probability of 80 %.
    """

    compared: Compared
    status: Status
    direction: Direction
    p: float
    margin: float
    since: str | None = None
    launches: int | None = None
    visible: float | None = None

    @property
    def effect(self) -> Effect:
        """That of all launches."""
        return self.compared.effect

    @property
    def worse(self) -> bool:
        """Whether it is a regression: of `numbers` any change is one."""
        return self.direction == "up" or self.compared.quantity.sort == "numbers"


@dataclass(frozen=True)
class _Test:
    compared: Compared
    watch: Watch | None
    known: Known | None
    margin_log: float
    direction: Direction
    p: float
    fresh_p: float | None
    """That of the launches of this run alone, in the direction of the watch; None without a watch or a launch."""

    @property
    def p_together(self) -> float:
        if self.watch is not None and self.fresh_p is not None and self.fresh_p < FRESH:
            return combined((*self.watch.p_values, self.fresh_p))
        return self.p


def decide(
    compared: Sequence[Compared],
    state: State | None,
    *,
    night: str = "",
    run: str = "",
    margins: Mapping[Sort, float] = MARGINS,
) -> tuple[list[Verdict], State | None]:
    """A verdict for each quantity and the state after the run; without a state the run stands alone.

    A run that the state has seen already says of its findings what it said before.
    """
    watched = {(each.cell, each.quantity): each for each in (state.watches if state else ())}
    known_before = {(each.cell, each.quantity): each for each in (state.known if state else ())}
    tests = []
    for each in compared:
        key = (each.cell, each.quantity.name)
        watch, known = watched.get(key), known_before.get(key)
        if watch or known or not each.identical:
            tests.append(_test(each, watch, known, math.log1p(margins[each.quantity.sort])))
    adjusted = holm([min(1.0, 2 * test.p_together) for test in tests])
    level = (ALONE if state is None else SUSPECTED) / (2 * max(1, len(tests)))
    found = {}
    watches, known_after, cleared = [], [], []
    for test, p in zip(tests, adjusted, strict=True):
        status = _alone(test, p) if state is None else _in_a_row(test, p, run)
        found[id(test.compared)] = _verdict(test, status, p, level, margins)
        if state is None:
            continue
        if test.known and status != "confirmed":
            known_after.append(test.known)
        if status == "confirmed":
            settled = _known(test, night, run)
            known_after += [settled] if settled else []
        elif status == "cleared" and test.watch:
            name = test.compared.quantity.name
            cleared.append(Cleared(cell=test.compared.cell, quantity=name, suspected=test.watch.since, cleared=night))
        elif watch := _watch(test, status, night, run):
            watches.append(watch)
    verdicts = [
        found.get(id(each)) or Verdict(each, "none", "up", 1.0, margins[each.quantity.sort]) for each in compared
    ]
    if state is None:
        return verdicts, None
    tested = {(test.compared.cell, test.compared.quantity.name) for test in tests}
    return verdicts, state.model_copy(
        update={
            "watches": (*(each for each in state.watches if (each.cell, each.quantity) not in tested), *watches),
            "known": (*(each for each in state.known if (each.cell, each.quantity) not in tested), *known_after),
            "cleared": (*state.cleared, *cleared)[-MOST_CLEARED:],
        }
    )


def _test(compared: Compared, watch: Watch | None, known: Known | None, margin_log: float) -> _Test:
    effect, centre = compared.effect, known.log if known else 0.0
    up, down = effect.p_above(centre + margin_log), effect.p_below(centre - margin_log)
    direction: Direction = "up" if up < down or (up == down and effect.log >= centre) else "down"
    fresh_p = None
    if watch is not None and (fresh := compared.fresh_effect(watch.attempts)) is not None and fresh.error is not None:
        one_side = fresh.p_above(centre + margin_log), fresh.p_below(centre - margin_log)
        fresh_p = one_side[0 if watch.direction == "up" else 1]
    return _Test(compared, watch, known, margin_log, direction, min(up, down), fresh_p)


def _alone(test: _Test, p: float) -> Status:
    if test.compared.effect.error is None:
        return "undecided"
    return "found" if p <= ALONE else "undecided" if p <= UNCERTAIN else "none"


def _in_a_row(test: _Test, p: float, run: str) -> Status:
    watch, known = test.watch, test.known
    if known and known.run == run:
        return "confirmed"
    if watch and (watch.run == run or test.fresh_p is None):
        return "suspected" if watch.suspected else _quiet(test)
    if watch and test.fresh_p is not None:
        if test.fresh_p < FRESH and p <= CONFIRMED:
            return "confirmed"
        if watch.suspected:
            return "suspected" if test.fresh_p < FRESH else "cleared"
    if test.compared.effect.error is None:
        return "known" if known else "undecided"
    return "suspected" if p <= SUSPECTED else _quiet(test)


def _quiet(test: _Test) -> Status:
    return "known" if test.known else "none"


def _watch(test: _Test, status: Status, night: str, run: str) -> Watch | None:
    """What the next run has to look at; None where nothing was shown."""
    watch, compared = test.watch, test.compared
    if watch and (watch.run == run or test.fresh_p is None):
        return watch
    if watch and test.fresh_p is not None and test.fresh_p < FRESH:
        p_values, attempts = (*watch.p_values, test.fresh_p), tuple({*watch.attempts, *compared.attempts})
        return watch.model_copy(
            update={
                "p_values": p_values,
                "attempts": tuple(sorted(attempts)),
                "run": run,
                "suspected": status == "suspected",
            }
        )
    if status == "suspected" or test.p < FRESH:
        return Watch(
            cell=compared.cell,
            quantity=compared.quantity.name,
            direction=test.direction,
            suspected=status == "suspected",
            since=night,
            run=run,
            p_values=(test.p,),
            attempts=tuple(sorted(compared.attempts)),
        )
    return None


def _known(test: _Test, night: str, run: str) -> Known | None:
    """What later runs are held against; None where the quantity is back where it was."""
    if test.known and test.known.run == run:
        return test.known
    compared = test.compared
    direction = test.watch.direction if test.watch else test.direction
    if test.known and abs(compared.effect.log) <= test.margin_log:
        return None
    return Known(
        cell=compared.cell,
        quantity=compared.quantity.name,
        log=compared.effect.log,
        worse=direction == "up" or compared.quantity.sort == "numbers",
        since=test.watch.since if test.watch else night,
        run=run,
        text=f"{compared.quantity.title} {apart(compared.effect.ratio, 1.0)[0]} times the baseline",
    )


def _verdict(test: _Test, status: Status, p: float, level: float, margins: Mapping[Sort, float]) -> Verdict:
    compared, effect = test.compared, test.compared.effect
    direction, since = test.direction, None
    if test.known and status in ("known", "confirmed"):
        direction = "up" if test.known.log > 0 else "down"
        since = test.known.since
    if test.watch and status in ("suspected", "confirmed", "cleared"):
        direction, since = test.watch.direction, test.watch.since
    launches = deciding_launches(effect, test.margin_log, level) if status == "undecided" else None
    return Verdict(
        compared,
        status,
        direction,
        p,
        margins[compared.quantity.sort],
        since,
        launches,
        least_visible(effect, test.margin_log, level),
    )
