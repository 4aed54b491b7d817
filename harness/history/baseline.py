"""The file that says which commit is the baseline, and every time that it moved, with the reason.

It is kept under version control. Nothing but a command moves the baseline, so that it neither follows a slow drift nor
lags behind an accepted change. From an accepted commit on, a series is a new segment.
"""

from datetime import date, datetime, timezone
from pathlib import Path

import yaml
from pydantic import Field, field_validator

from harness.errors import UserError
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.git import ask
from harness.scenario.loading import load

HEAD = "# Moved by `crosscast baseline COMMIT --reason TEXT`; keep this file under version control.\n"
HEXADECIMAL = frozenset("0123456789abcdef")


class Move(Frozen):
    """The baseline became `commit` for the nights from `night` on: a date, as nights are called."""

    commit: str = Field(min_length=1)
    night: str
    reason: str = Field(min_length=1)

    @field_validator("night", mode="before")
    @classmethod
    def _date(cls, value: object) -> object:
        """YAML reads a date without quotation marks as one."""
        text = value.isoformat() if isinstance(value, date) else str(value)
        if not _is_date(text):
            raise ValueError(f"{text!r} is no date such as 2026-03-01")
        return text


class Baseline(Frozen):
    """All moves, the newest last."""

    moves: tuple[Move, ...] = ()

    @property
    def commit(self) -> str | None:
        """That of the last move; None before the first."""
        return self.moves[-1].commit if self.moves else None


def load_baseline(path: Path) -> Baseline:
    """The file; no move where there is none. Raises UserError where it is damaged."""
    return load(path, Baseline) if path.exists() else Baseline()


def move(path: Path, commit: str, reason: str, *, night: str | None = None, repository: Path | None = None) -> Move:
    """Add a move to the file and return it, by default from tonight on.

    Raises UserError without a reason, where the commit is not known, is the baseline already, and where the file cannot
    be written.
    """
    if not reason.strip():
        raise UserError("the baseline moves for a reason: say it with --reason")
    found = load_baseline(path)
    if night is not None and not _is_date(night):
        raise UserError(f"night {night!r}: nights are called by dates, such as 2026-03-01")
    whole = _resolved(commit, repository or Path())
    if whole == found.commit:
        raise UserError(f"{path}: the baseline is {whole[:12]} already")
    made = Move(commit=whole, night=night or tonight(), reason=" ".join(reason.split()))
    content = {"moves": [each.model_dump() for each in (*found.moves, made)]}
    write_atomically(path, HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100))
    return made


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def tonight() -> str:
    """The night that it is now, or that begins today."""
    from harness.history.gate import night_of

    return night_of(datetime.now(timezone.utc).timestamp())


def _resolved(commit: str, repository: Path) -> str:
    """The whole name of a commit; one of 40 digits is taken as it is where no repository knows it."""
    told = ask(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
    if told and told.strip():
        return told.strip()
    if len(commit) == 40 and set(commit) <= HEXADECIMAL:
        return commit
    raise UserError(f"{commit!r} is no commit of the repository here; name one of 40 digits, or use --repository")
