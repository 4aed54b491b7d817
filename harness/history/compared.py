"""The values of one quantity of one cell on both sides, paired where they belong together."""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.analysis.content import launches_text
from harness.history.effects import MOST_LOG, Effect, of_pairs, of_sides
from harness.history.gated import TIMED, Gated, not_finite
from harness.history.sides import SideCell, SideLaunch

Place = tuple[str, int]
"""Host and number of a launch."""


@dataclass(frozen=True)
class Compared:
    """The candidate's values by attempt, and the baseline's; paired ones stand in the same order."""

    cell: str
    quantity: Gated
    ours: tuple[tuple[str, float], ...]
    theirs: tuple[float, ...]
    paired: bool

    @cached_property
    def identical(self) -> bool:
        """Whether both sides have the same values to the last bit, so that there is nothing to test."""
        ours = tuple(value for _, value in self.ours)
        return ours == self.theirs if self.paired else len({*ours, *self.theirs}) == 1

    @cached_property
    def effect(self) -> Effect:
        """Of all launches."""
        return self._effect(self.ours, self.theirs)

    def fresh_effect(self, seen: Collection[str]) -> Effect | None:
        """Of the launches whose attempts have not been `seen`; None where there is none."""
        known = set(seen)
        new = [number for number, (attempt, _) in enumerate(self.ours) if attempt not in known]
        if len(new) == len(self.ours):
            return self.effect
        if not new:
            return None
        theirs = tuple(self.theirs[number] for number in new) if self.paired else self.theirs
        return self._effect(tuple(self.ours[number] for number in new), theirs)

    @property
    def attempts(self) -> tuple[str, ...]:
        """Of the candidate's launches."""
        return tuple(attempt for attempt, _ in self.ours)

    def _effect(self, ours: tuple[tuple[str, float], ...], theirs: tuple[float, ...]) -> Effect:
        return (of_pairs if self.paired else of_sides)([value for _, value in ours], theirs)


@dataclass(frozen=True)
class CellComparison:
    """What can be compared of a cell, and what stands in the way.

    `broken` names quantities that are no measure, infinite, NaN or not above 0, in launches of the candidate where they
    are one in the baseline, and `vanished` those that the candidate lacks, each with the reason. `remarks` weaken what
    is compared.
    """

    cell: str
    compared: tuple[Compared, ...]
    broken: Mapping[str, str]
    vanished: Mapping[str, str]
    remarks: tuple[str, ...]


NOT_IN_TURN = (
    "the two sides did not run in turn (A B B A), so that a drift of the machine between them counts as a change"
)
ALWAYS_FIRST = "the same side always ran first, so that what comes of the order counts as a change"
ENERGY = "energy"


def compare_cell(baseline: SideCell, candidate: SideCell, quantities: Mapping[str, Gated]) -> CellComparison:
    """Put the values of a cell side by side.

    Times and energies are paired by launch where the launches ran in turn; what depends on the seed alone is always
    paired. A pair has the same host and launch number. Launches in which the baseline's own value is no measure are
    left out on both sides: one of them must not keep the others from being compared.
    """
    theirs, ours = ({launch.place: launch for launch in side.launches} for side in (baseline, candidate))
    common = [place for place in ours if place in theirs]
    in_turn, remarks = _order([theirs[place] for place in common], [ours[place] for place in common])
    compared, broken, vanished = [], {}, {}
    left_out: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys((*baseline.quantities, *candidate.quantities)):
        quantity = quantities[name]
        if name not in candidate.quantities:
            energy = quantity.sort == "energy"
            vanished[name] = candidate.missing.get(ENERGY if energy else name, "no launch has it")
            continue
        if name not in baseline.quantities:
            continue
        spoilt = _spoilt(baseline, name)
        if why := _why_left_out(baseline, candidate, name, spoilt):
            left_out[why].append(quantity.title)
        if reason := _broken(baseline, candidate, name, spoilt):
            broken[name] = reason
            continue
        found = _compared(baseline, candidate, quantity, spoilt, in_turn=in_turn or quantity.sort not in TIMED)
        if found is not None:
            compared.append(found)
    timed = any(not each.paired for each in compared)
    remarks = remarks if timed or ALWAYS_FIRST in remarks else ()
    if any(each.quantity.sort in TIMED for each in compared):
        remarks += _disturbed(baseline, candidate)
    remarks += tuple(f"{', '.join(titles)}: {why}" for why, titles in left_out.items())
    return CellComparison(baseline.name, tuple(compared), broken, vanished, remarks)


def _disturbed(baseline: SideCell, candidate: SideCell) -> tuple[str, ...]:
    """A line where launches of either side ran beside other work."""
    theirs, ours = ([each.record for each in side.launches if each.record] for side in (baseline, candidate))
    before, after = (sum(record.load.foreign for record in side) for side in (theirs, ours))
    if not before and not after:
        return ()
    told = f"{after} of {len(ours)} launches, and {before} of {len(theirs)} of the baseline"
    return (f"{told}, ran beside other work on the machine: times vary more, and only large changes show",)


def _spoilt(baseline: SideCell, name: str) -> frozenset[Place]:
    """The launches in which the baseline's own value is infinite, NaN or not above 0, of which no ratio can be made."""
    return frozenset(_where(baseline, name, lambda value: not_finite([value]) or value <= 0))


def _why_left_out(baseline: SideCell, candidate: SideCell, name: str, spoilt: Collection[Place]) -> str:
    """What is wrong in the launches that are left out; empty where both sides are 0 throughout, as compiling may be."""
    if not spoilt or not any(launch.values.get(name) for side in (baseline, candidate) for launch in side.launches):
        return ""
    not_numbers = _where(baseline, name, lambda value: not_finite([value]))
    kinds = {"infinite or NaN": not_numbers, "not above 0": [each for each in spoilt if each not in not_numbers]}
    told = " and ".join(f"{kind} in {_told(baseline, places)}" for kind, places in kinds.items() if places)
    return f"{told} of the baseline; left out on both sides"


def _broken(baseline: SideCell, candidate: SideCell, name: str, spoilt: Collection[Place]) -> str | None:
    """What is wrong in which launches of the candidate, those aside in which the baseline is wrong itself."""
    theirs = [each.values[name] for each in baseline.launches if name in each.values and each.place not in spoilt]
    if not theirs:
        return None
    bounds = math.log(max(theirs)) - MOST_LOG, math.log(min(theirs)) + MOST_LOG
    kinds: Mapping[str, Callable[[float], bool]] = {
        "is infinite or NaN in {}; it is finite in the baseline": lambda value: not_finite([value]),
        "is not above 0 in {}; it is in the baseline": lambda value: value <= 0,
        "is out of all proportion to the baseline in {}": lambda value: not bounds[0] <= math.log(value) <= bounds[1],
    }
    for words, is_wrong in kinds.items():
        if wrong := _where(candidate, name, is_wrong, spoilt):
            return words.format(_told(candidate, wrong))
    return None


def _where(
    side: SideCell, name: str, is_wrong: Callable[[float], bool], but: Collection[Place] = frozenset()
) -> list[Place]:
    found = [each for each in side.launches if name in each.values and each.place not in but]
    return [each.place for each in found if is_wrong(each.values[name])]


def _told(side: SideCell, places: Iterable[Place]) -> str:
    """Launches in words, with their hosts where the side has several."""
    by_host: dict[str, list[int]] = defaultdict(list)
    for host, number in sorted(places):
        by_host[host].append(number)
    several = len(side.hosts) > 1
    return " and ".join(f"{launches_text(of)}{f' on {host}' if several else ''}" for host, of in by_host.items())


def _compared(
    baseline: SideCell, candidate: SideCell, quantity: Gated, spoilt: Collection[Place], *, in_turn: bool
) -> Compared | None:
    """None where no launch of one host has it on both sides and is none of those that are `spoilt`."""
    name = quantity.name
    theirs, ours = (
        {each.place: each for each in side.launches if name in each.values and each.place not in spoilt}
        for side in (baseline, candidate)
    )
    if in_turn:
        places = [place for place in ours if place in theirs]
        our_values = tuple((ours[place].attempt, ours[place].values[name]) for place in places)
        their_values = tuple(theirs[place].values[name] for place in places)
    else:
        hosts = {host for host, _ in ours} & {host for host, _ in theirs}
        our_values = tuple((each.attempt, each.values[name]) for (host, _), each in ours.items() if host in hosts)
        their_values = tuple(each.values[name] for (host, _), each in theirs.items() if host in hosts)
    if not our_values or not their_values:
        return None
    return Compared(baseline.name, quantity, our_values, their_values, in_turn)


def _order(theirs: list[SideLaunch], ours: list[SideLaunch]) -> tuple[bool, tuple[str, ...]]:
    """Whether the launches of each pair ran one right after the other, and what is wrong with the order."""
    by_host: dict[str, list[tuple[float, bool, int]]] = {}
    for candidate, launches in ((False, theirs), (True, ours)):
        for launch in launches:
            if launch.started is None:
                return False, (NOT_IN_TURN,)
            by_host.setdefault(launch.host, []).append((launch.started, candidate, launch.number))
    firsts = set()
    for launches_of in by_host.values():
        launches_of.sort()
        for first, second in zip(launches_of[::2], launches_of[1::2], strict=True):
            if first[1] == second[1] or first[2] != second[2]:
                return False, (NOT_IN_TURN,)
            firsts.add(first[1])
    if len(firsts) == 1 and len(ours) > 1:
        return True, (ALWAYS_FIRST,)
    return True, ()
