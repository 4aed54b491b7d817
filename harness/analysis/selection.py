"""The records that a command is about."""

from pathlib import Path

from harness.analysis.cells import Results, load_results
from harness.errors import UserError, nearest


def load_chosen(results: Path, suite: str | None) -> Results:
    """Read a folder of results; `suite` is checked, and the records of other suites stay.

    Raises UserError where there is no record and where no record is of the suite.
    """
    found = load_results(results)
    if not found.cells and not found.absent:
        damaged = f"; {len(found.problems)} cannot be used, the first: {found.problems[0]}" if found.problems else ""
        raise UserError(f"{results}: no records to report{damaged}; run crosscast bench first")
    if suite is not None and suite not in found.suites:
        raise UserError(f"{results}: no records of suite {suite!r}; {nearest(suite, found.suites)}")
    return found


def chosen_suites(found: Results, suite: str | None) -> tuple[Results, ...]:
    """The records of the suite, or of each suite apart where it is None."""
    return tuple(found.of_suite(name) for name in found.suites if suite in (None, name))
