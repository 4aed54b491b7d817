"""Results that are written on the node's own disk and copied, launch by launch, to the folder that all nodes see."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from uuid import uuid4

from harness.errors import UserError
from harness.files import write_atomically
from harness.machine import rehearsal
from harness.results.file_names import ABSENT
from harness.results.record import FILE_NAME

KEPT_BESIDE = ("parity", "calibration", "doctor")
"""Folders of results that a bench reads."""


@contextlib.contextmanager
def node_folder(scratch: str, job: str) -> Iterator[Path]:
    """A folder of the node for the results of a job, removed at the end.

    Raises UserError where the place does not exist, a variable in it is not set, or nothing can be written there.
    """
    place = Path(os.path.expandvars(scratch))
    if "$" in str(place):
        raise UserError(f"scratch {scratch!r} of the site: a variable in it is not set on this node")
    folder = place / f"crosscast-{job}-{uuid4().hex[:8]}"
    try:
        folder.mkdir()
    except OSError as error:
        raise UserError(f"scratch {place} of the site cannot be written: {error.strerror}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Carrier:
    """Carries between the folder of results and that of the node; what has arrived is never copied again.

    A launch is put together in `staging`, a folder of this job alone on the disk of the results, then moved to its
    place and given its record last, as tables read what has one.
    """

    def __init__(self, results: Path, here: Path, suite: str, staging: Path) -> None:
        self._results, self._here, self._suite, self._staging = results, here, suite, staging
        self._known: set[Path] = set()

    @property
    def _absent(self) -> Path:
        """The file that says which cells cannot run, within either folder."""
        return Path(self._suite) / rehearsal.named(ABSENT)

    def fetch(self) -> None:
        """Copy what a bench must know: the records of the suite, certificates and calibrations."""
        shutil.rmtree(self._staging, ignore_errors=True)
        with _told(self._here):
            for path in self._results.glob(f"{escape(self._suite)}/*/*/{FILE_NAME}"):
                target = self._here / path.relative_to(self._results)
                target.parent.mkdir(parents=True)
                shutil.copyfile(path, target)
                self._known.add(target.parent)
            if (self._results / self._absent).exists():
                (self._here / self._suite).mkdir(exist_ok=True)
                shutil.copyfile(self._results / self._absent, self._here / self._absent)
            for name in KEPT_BESIDE:
                if (self._results / name).is_dir():
                    shutil.copytree(self._results / name, self._here / name)

    def bring(self) -> None:
        """Copy the launches that have left a record since, each whole or not at all.

        Raises UserError where the folder of results cannot be written.
        """
        with _told(self._results):
            for path in sorted(self._here.glob(f"{escape(self._suite)}/*/*/{FILE_NAME}")):
                folder = path.parent
                if folder in self._known:
                    continue
                target = self._results / folder.relative_to(self._here)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(self._staging, ignore_errors=True)
                try:
                    shutil.copytree(folder, self._staging, ignore=shutil.ignore_patterns(FILE_NAME))
                    self._staging.rename(target)
                finally:
                    shutil.rmtree(self._staging, ignore_errors=True)
                write_atomically(target / FILE_NAME, path.read_bytes())
                self._known.add(folder)

    def bring_absent(self) -> None:
        """Copy what a bench here has noted of cells that cannot run; nobody else may note that in these results.

        Raises UserError where the folder of results cannot be written.
        """
        if (self._here / self._absent).exists():
            with _told(self._results):
                (self._results / self._suite).mkdir(parents=True, exist_ok=True)
                write_atomically(self._results / self._absent, (self._here / self._absent).read_bytes())


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except shutil.Error as error:
        reason = error.args[0][0][2] if error.args and error.args[0] else error
        raise UserError(f"{folder}: cannot be written: {reason}; free space or choose other RESULTS=") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; free space or choose other RESULTS=") from None
