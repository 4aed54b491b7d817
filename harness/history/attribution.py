"""What else differs between the two sides of a finding: commits, packages, drivers, hosts, clocks, other work."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean

from harness.analysis.cautions import SAME_ENVIRONMENT, words
from harness.analysis.reading import StoredRecord
from harness.git import ask
from harness.history.sides import Side, SideCell
from harness.results.record import DeviceState
from harness.text import one_line

MOST_COMMITS = 20
NOTABLE_CLOCK, NOTABLE_KELVIN = 0.02, 3.0
SEPARATELY = ("git_commit",)


def commits_between(baseline: Side, candidate: Side, repository: Path | None) -> tuple[str, ...]:
    """The commits that the candidate has and the baseline has not, newest first, and the other way round.

    Without a repository that knows both, or where a side has none or several, one line says so.
    """
    sides = [side.commits for side in (baseline, candidate)]
    if any(len(commits) != 1 for commits in sides):
        told = [" and ".join(commits) or "no commit" for commits in sides]
        return () if not any(sides) else (f"the baseline is of {told[0]}, the candidate of {told[1]}",)
    before, after = (commits[0].split()[0] for commits in sides)
    if before == after:
        return (f"both sides are of commit {before[:12]}",)
    plain = f"commits {before[:12]} to {after[:12]}"
    if not all(set(commit) <= set("0123456789abcdef") for commit in (before, after)):
        return (plain,)
    folder = repository or Path()
    lines = [*_log(folder, before, after), *(f"taken back: {line}" for line in _log(folder, after, before))]
    if not lines:
        return (f"{plain}; what is between them is not known: no repository in {folder.resolve().name} has both",)
    left = len(lines) - MOST_COMMITS
    return (*lines[:MOST_COMMITS], f"and {left} more") if left > 0 else tuple(lines)


def causes(baseline: SideCell, candidate: SideCell) -> tuple[str, ...]:
    """What of machine and software differs between the launches of a cell, one line each."""
    theirs, ours = ([each.record for each in side.launches if each.record] for side in (baseline, candidate))
    if not theirs or not ours:
        return ()
    lines = [*_environment(theirs, ours), *_framework(theirs, ours), *_load(theirs, ours)]
    lines += _means("clock of the CPU", "MHz", theirs, ours, lambda each: [each.environment.cpu_mhz], NOTABLE_CLOCK)
    for name, title, unit, least in (
        ("clock_mhz", "clock of the device", "MHz", NOTABLE_CLOCK),
        ("memory_clock_mhz", "clock of the device's memory", "MHz", NOTABLE_CLOCK),
        ("temperature_c", "temperature of the device", "°C", None),
    ):
        lines += _means(title, unit, theirs, ours, _state(name), least)
    return tuple(lines)


def _log(folder: Path, before: str, after: str) -> list[str]:
    told = ask(folder, "log", "--format=%h %an, %as: %s", f"{before}..{after}", "--")
    return [one_line(line) for line in (told or "").splitlines()]


def _environment(theirs: Sequence[StoredRecord], ours: Sequence[StoredRecord]) -> Iterable[str]:
    for name in ("host", "interpreter", *SAME_ENVIRONMENT):
        if name not in SEPARATELY:
            before, after = (_distinct(getattr(each.environment, name) for each in side) for side in (theirs, ours))
            yield from _differs(name.replace("_", " "), before, after)


def _framework(theirs: Sequence[StoredRecord], ours: Sequence[StoredRecord]) -> Iterable[str]:
    before, after = ([each.summary.framework for each in side if each.summary.framework] for side in (theirs, ours))
    for name in ("version", "build", "device_name", "driver", "threads"):
        told = (_distinct(getattr(each, name) for each in side) for side in (before, after))
        yield from _differs(f"framework's {name.replace('_', ' ')}", *told)
    for package in sorted({package for each in (*before, *after) for package in each.packages}):
        told = (_distinct(each.packages.get(package, "not installed") for each in side) for side in (before, after))
        yield from _differs(f"package {package}", *told)


def _load(theirs: Sequence[StoredRecord], ours: Sequence[StoredRecord]) -> Iterable[str]:
    for title, is_so in (
        ("other work on the machine", lambda each: each.load.foreign),
        ("other processes on the device", lambda each: bool(each.load.devices and each.load.devices.others)),
        ("clocks held down", lambda each: any(state.throttle_reasons for state in each.load.device_states)),
    ):
        before, after = (sum(map(is_so, side)) for side in (theirs, ours))
        if before or after:
            yield f"{title}: in {after} of {len(ours)} launches, {before} of {len(theirs)} of the baseline"


def _state(name: str) -> Callable[[StoredRecord], list[float | None]]:
    def values(record: StoredRecord) -> list[float | None]:
        states: Sequence[DeviceState] = record.load.device_states
        return [getattr(state, name) for state in states]

    return values


def _means(
    title: str,
    unit: str,
    theirs: Sequence[StoredRecord],
    ours: Sequence[StoredRecord],
    values: Callable[[StoredRecord], list[float | None]],
    least: float | None,
) -> Iterable[str]:
    """A line where the means differ by the fraction `least`, or without one by NOTABLE_KELVIN."""
    known = [[value for each in side for value in values(each) if value is not None] for side in (theirs, ours)]
    if not all(known):
        return
    before, after = map(fmean, known)
    allowed = NOTABLE_KELVIN if least is None else least * abs(before)
    if abs(after - before) > allowed:
        yield f"{title}: {after:.4g} {unit}, {before:.4g} {unit} in the baseline"


def _differs(title: str, before: Sequence[object], after: Sequence[object]) -> Iterable[str]:
    if any(value not in after for value in before) or any(value not in before for value in after):
        told = [" or ".join(side) or "unknown" for side in (map(words, before), map(words, after))]
        yield f"{title}: {told[1]}, {told[0]} in the baseline"


def _distinct(values: Iterable[object]) -> list[object]:
    found: list[object] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
