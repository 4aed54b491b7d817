"""What `crosscast doctor --deep` found of a chip on a host, as a file that a bench looks for among its results."""

import contextlib
from pathlib import Path
from typing import Literal

from pydantic import Field

from collectors.regular_files import read_regular
from harness.errors import UserError
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.results.record import Purpose
from harness.suggesting import command

FOLDER, FILE_NAME = "doctor", "doctor.json"
MOST_BYTES = 10_000_000

Verdict = Literal["ok", "warning", "failed"]


class BoundedValue(Frozen):
    """A number of a check, beside what it may be at most; `value` None where it is not finite."""

    what: str
    value: float | None
    at_most: float


class Check(Frozen):
    """One thing that was looked at: what was found, and what to do about it where it is not as it must be."""

    group: str = Field(description="what it is a check of: the machine, or a framework and how it is run")
    name: str
    verdict: Verdict
    found: str
    advice: str | None = Field(default=None, description="one line; None where nothing is to be done")
    measured: tuple[BoundedValue, ...] = ()


class DeepReport(Frozen):
    """All checks of a chip on a host."""

    schema_version: Literal[1] = 1
    chip: str
    host: str = Field(description="what records call the machine")
    made_at: str = Field(description="UTC, ISO 8601")
    crosscast_version: str
    took_s: float
    checks: tuple[Check, ...]
    purpose: Purpose = Field(default="measurement", description="a rehearsal's report counts in rehearsals alone")

    def of(self, verdict: Verdict) -> tuple[Check, ...]:
        """The checks with a verdict."""
        return tuple(check for check in self.checks if check.verdict == verdict)


def path_of(results: Path, chip: str, host: str) -> Path:
    """Where the report of a chip, by the name of its file, on a host lies."""
    return results / FOLDER / f"{chip}-{host}" / FILE_NAME


def save(report: DeepReport, results: Path) -> Path:
    """Write a report among the results; raises UserError where that cannot be."""
    path = path_of(results, report.chip, report.host)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, report.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}; choose another RESULTS=") from None
    return path


def remark(
    results: Path, chip: str, host: str, chip_file: str | None = None, purpose: Purpose = "measurement"
) -> str | None:
    """What a bench has to say of the last report: that there is none, or that checks failed; None where all is well.

    `chip_file` is the chip's file where it stands beside scenarios/; a report that was not made for `purpose` is none.
    """
    asked = command("doctor", "--deep", "--chip", chip_file or chip, results=results)
    with contextlib.suppress(OSError, ValueError):
        report = DeepReport.model_validate_json(read_regular(path_of(results, chip, host), MOST_BYTES))
        if report.purpose == purpose:
            failed = ", ".join(f"{check.name} ({check.group})" for check in report.of("failed"))
            when = report.made_at[:10]
            return f"`{asked}` of {when} found what must be mended before a number counts: {failed}" if failed else None
    return f"`{asked}` was never run on this host: it proves in five minutes that what is measured here can count"
