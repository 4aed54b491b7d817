"""The records that a command is about."""

from collections.abc import Sequence
from pathlib import Path

from harness.analysis.cells import Results, load_results
from harness.analysis.comparison.baseline import BaselineName
from harness.errors import UserError, nearest
from harness.suggesting import command

DEFAULT_BASELINE = BaselineName("pytorch")


def load_chosen(results: Path, suite: str | None) -> Results:
    """Read a folder of results; `suite` is checked, and the records of other suites stay.

    Raises UserError where there is no record and where no record is of the suite.
    """
    found = load_results(results)
    damaged = f"; {len(found.problems)} cannot be used, the first: {found.problems[0]}" if found.problems else ""
    if not found.cells and not found.absent:
        raise UserError(f"{results}: no records to report{damaged}; run {command('bench', results=results)} first")
    if suite is not None and suite not in found.suites:
        raise UserError(f"{results}: no records of suite {suite!r}; {nearest(suite, found.suites)}{damaged}")
    return found


def chosen_suites(found: Results, suite: str | None) -> tuple[Results, ...]:
    """The records of the suite, or of each suite apart where it is None."""
    return tuple(found.of_suite(name) for name in found.suites if suite in (None, name))


def baselines_of(suites: Sequence[Results], baseline: str | None) -> tuple[BaselineName, ...]:
    """The baseline in each suite; by default the PyTorch cell of the same chip and host.

    Raises UserError, which names the suite, where no cell of a suite bears the name.
    """
    if baseline is None:
        return (DEFAULT_BASELINE,) * len(suites)
    found = []
    for chosen in suites:
        try:
            found.append(BaselineName.parse(baseline, chosen.cells))
        except UserError as error:
            raise UserError(f"suite {chosen.suites[0]}: {error}") from None
    return tuple(found)
