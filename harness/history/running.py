"""What did not run as it should: missing cells, failed launches, other nodes, numbers that vanished."""

from collections.abc import Iterable, Mapping, Sequence

from harness.analysis.comparison.differences import differences, two_ways
from harness.analysis.comparison.kinds import Kind
from harness.analysis.content import launches_text
from harness.data.fingerprints import is_of_today
from harness.history.compared import CellComparison
from harness.history.findings import Finding
from harness.history.gated import Gated
from harness.history.sides import Side, SideCell
from harness.history.state import Ran
from harness.scenario.scenario import Scenario

COMMITS = Kind("history", frozenset({"versions", "host"}))
"""Hosts may differ here, because pairs are made on one host each."""

ON_NEITHER = "on neither side"


def refusals(baseline: SideCell, candidate: SideCell) -> tuple[str, ...]:
    """What forbids the comparison of a cell that ran on both sides; empty where nothing does."""
    if not set(baseline.hosts) & set(candidate.hosts):
        ours, theirs = (", ".join(side.hosts) or "no host" for side in (candidate, baseline))
        return (f"it ran on {ours}, the baseline on {theirs}",)
    found = [
        line
        for theirs in baseline.cells
        for ours in candidate.cells
        if {each.environment.host for each in theirs.launches} & {each.environment.host for each in ours.launches}
        for line in differences(ours, theirs, COMMITS)
    ]
    return tuple(dict.fromkeys(found))


def not_run(baseline: Side, candidate: Side) -> list[Finding]:
    """Cells and launches that one side lacks, and files that could not be used."""
    found = [did_not_run(problem.partition(":")[0], problem) for problem in _unusable(baseline, candidate)]
    for side in (baseline, candidate):
        found += [Finding(kind="remark", status="known", cell=side.path.name, text=text) for text in side.remarks]
    apart = _fingerprinted_in_two_ways(baseline, candidate)
    found += [did_not_run(ours, f"not compared: {two_ways(where)}") for ours, where in apart.values()]
    for name, theirs in baseline.cells.items():
        ours = candidate.cells.get(name)
        if name in apart:
            continue
        if theirs.launches and (ours is None or not ours.launches):
            found.append(did_not_run(name, f"no completed launch{_why(ours)}; the baseline has {len(theirs.launches)}"))
            continue
        if ours and (missing := _missing(theirs, ours)):
            found.append(did_not_run(name, f"launches {missing} are missing{_why(ours)}"))
    for name, ours in candidate.cells.items():
        theirs_of = baseline.cells.get(name)
        if name in {ours for ours, _ in apart.values()}:
            continue
        if theirs_of is None:
            what = f"new: {len(ours.launches)} launches here, none in the baseline"
            found.append(Finding(kind="remark", status="known", cell=name, text=what))
        elif ours.launches and not theirs_of.launches:
            found.append(did_not_run(name, f"the baseline has no completed launch{_why(theirs_of)}"))
        elif ours.launches and _lost(theirs_of, ours):
            found.append(did_not_run(name, f"launches of the baseline are missing{_why(theirs_of)}"))
        elif ours.launches and _lost(ours, theirs_of) - {each.place for each in theirs_of.launches}:
            found.append(did_not_run(name, f"launches failed on this side{_why(ours)}"))
    for name, reason in candidate.absent.items():
        if name not in baseline.absent:
            found.append(did_not_run(name, f"it cannot run any more: {reason}"))
    return found


def on_neither_side(baseline: Side, candidate: Side, planned: int | None) -> list[Finding]:
    """Launches of cells of both sides that neither completed: of those `planned`, or of cells that failed altogether.

    What one side has and the other lacks is told by `not_run`; that both lack the same shows in no comparison.
    """
    found = []
    for name in (name for name in baseline.cells if name in candidate.cells):
        sides = [side.cells[name] for side in (baseline, candidate)]
        if not all(side.cells for side in sides):
            continue
        completed = {each.number for side in sides for each in side.launches}
        failed = () if completed else [each.number for side in sides for each in side.failures]
        if lost := sorted({*range(planned or 0), *failed} - completed):
            why = "".join(dict.fromkeys(map(_why, sides)))
            found.append(did_not_run(name, f"{launches_text(lost)} completed {ON_NEITHER}{why}"))
    return found


def _fingerprinted_in_two_ways(baseline: Side, candidate: Side) -> dict[str, tuple[str, str]]:
    """Cells that are the same but for the kind of their archive's fingerprint, which is part of their names.

    By the name in the baseline, that in the candidate and where the older kind is.
    """
    found = {}
    for name, theirs in _alone(baseline, candidate).items():
        for other, ours in _alone(candidate, baseline).items():
            of_today = is_of_today(ours.data_digest)
            if ours.suite != theirs.suite or None in (ours.data_digest, theirs.data_digest):
                continue
            if of_today == is_of_today(theirs.data_digest):
                continue
            if theirs.model_copy(update={"data_digest": ours.data_digest}).cell == ours.cell:
                found[name] = other, "in the baseline" if of_today else "here"
    return found


def _alone(side: Side, other: Side) -> dict[str, Scenario]:
    """Scenarios of the cells that ran on one side alone, by name."""
    return {
        name: cell.cells[0].scenario
        for name, cell in side.cells.items()
        if name not in other.cells and cell.cells and cell.launches
    }


def of_comparison(found: CellComparison, quantities: Mapping[str, Gated]) -> list[Finding]:
    """Numbers that the candidate lacks, those with one reason in one line."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in found.vanished.items():
        by_reason.setdefault(reason, []).append(quantities[name].title)
    return [
        did_not_run(found.cell, f"measured in the baseline alone: {', '.join(titles)} ({reason})")
        for reason, titles in by_reason.items()
    ]


def since_last(ran: Mapping[str, Ran], baseline: Side, candidate: Side) -> list[Finding]:
    """What ran in the last run and now on neither side, and cells that moved to other hosts."""
    found = []
    for name, last in ran.items():
        ours, theirs = candidate.cells.get(name), baseline.cells.get(name)
        if not any(side and side.launches for side in (ours, theirs)):
            found.append(did_not_run(name, f"it ran in {last.night} and now {ON_NEITHER}"))
            continue
        if ours is None or not ours.launches:
            continue
        measured = {*ours.quantities, *(theirs.quantities if theirs else ())}
        if gone := [each for each in last.quantities if each not in measured]:
            why = ours.missing.get("energy") if any(each.startswith("energy") for each in gone) else None
            reason = f" ({why})" if why else ""
            found.append(did_not_run(name, f"measured in {last.night} and now {ON_NEITHER}: {', '.join(gone)}{reason}"))
        if ours.hosts != last.hosts:
            text = f"on {', '.join(ours.hosts)}; in {last.night} on {', '.join(last.hosts)}"
            found.append(Finding(kind="remark", status="known", cell=name, text=f"another node: {text}"))
    return found


def _unusable(baseline: Side, candidate: Side) -> Sequence[str]:
    return [problem for side in (baseline, candidate) for problem in side.problems]


def _lost(side: SideCell, other: SideCell) -> set[tuple[str, int]]:
    """Places of failures that count: no host of the side completed that launch, or the other side did just there."""
    completed, there = {each.number for each in side.launches}, {each.place for each in other.launches}
    return {each.place for each in side.failures if each.number not in completed or each.place in there}


def _missing(theirs: SideCell, ours: SideCell) -> str:
    """The launches that one side has and the other lacks, in words: their numbers, with the host where there are more.

    Nothing where the sides ran on different hosts alone, which forbids the comparison as a whole, and where a side has
    rounds of one process, which are no launches.
    """
    if theirs.are_rounds or ours.are_rounds or not set(theirs.hosts) & set(ours.hosts):
        return ""
    lost: dict[str, list[int]] = {}
    for host, number in sorted({each.place for each in theirs.launches} - {each.place for each in ours.launches}):
        lost.setdefault(host, []).append(number)
    told = {host: ", ".join(map(str, numbers)) for host, numbers in lost.items()}
    if len({*theirs.hosts, *ours.hosts}) == 1:
        return "".join(told.values())
    return " and ".join(f"{numbers} on {host}" for host, numbers in told.items())


def _why(side: SideCell | None) -> str:
    reasons = dict.fromkeys(f"{each.status}: {each.reason}" for each in (side.failures if side else ()))
    return f" ({'; '.join(reasons)})" if reasons else ""


def did_not_run(cell: str, text: str) -> Finding:
    """That something did not run as it should: of a cell, or of what else is named in its place."""
    return Finding(kind="did not run", status="found", cell=cell, text=text, worse=None)


def ran_now(sides: Iterable[Side], night: str) -> dict[str, Ran]:
    """What ran of each cell on either side."""
    found: dict[str, Ran] = {}
    for side in sides:
        for name, cell in side.cells.items():
            if cell.launches:
                before = found.get(name)
                names = dict.fromkeys((*(before.quantities if before else ()), *cell.quantities))
                found[name] = Ran(night=night, hosts=cell.hosts, quantities=tuple(names))
    return found
