"""Collects the files of a bundle, scrubs them and writes them as one compressed archive, whole or not at all."""

import contextlib
import gzip
import io
import json
import os
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import harness
from collectors.regular_files import read_regular
from harness.bundle.cluster import HOSTS
from harness.bundle.environment import described
from harness.bundle.private import Private, private_here
from harness.bundle.scrubbing import Scrubber, What, learned
from harness.files import write_atomically
from harness.launch.requirements import size_text
from harness.launch.submission.ledger import SUBMISSIONS
from harness.results.record import FILE_NAME

TOP = "crosscast-bundle"
LISTING, ENVIRONMENT = "bundle.json", "environment.json"
JSON_ENDINGS, TEXT_ENDINGS = (".json",), (".txt", ".log", ".jsonl", ".yaml", ".yml")
NOT_SENT = frozenset({"tables", "figures"})
"""Folders of what anybody can make again of the records; of submissions only the names are read."""

MOST_BYTES = 2**25
"""Of a file; logs have at most two mebibytes."""

DEEPEST = 8
"""Folders below that of the results."""


@dataclass
class CollectedFiles:
    """Texts by their place in the archive, those that only tell names, and why other files stay out."""

    texts: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """What was written."""

    path: Path
    files: int
    launches: int
    size_bytes: int
    replaced: int
    left_out: int
    stay: tuple[str, ...]
    absent: Path | None = None

    def __str__(self) -> str:
        """In one line."""
        also = f"; a name that is also a word of records stays: {', '.join(self.stay)}" if self.stay else ""
        nothing = f"; there is no folder {self.absent}: name that of the records with --results" if self.absent else ""
        return (
            f"{self.path}: {self.files} files of {self.launches} launches, {size_text(self.size_bytes)}; "
            f"{self.replaced} names, folders and addresses replaced, {self.left_out} files left out: "
            f"{LISTING} in it lists them{also}{nothing}"
        )


def write_bundle(results: Path, target: Path, keep: Collection[What] = (), private: Private | None = None) -> Bundle:
    """Write logs, records, the doctor's report if it is there, and the environment into one archive (.tar.gz).

    `private` are the names to look for, by default those of this machine and user; `keep` says what may stay. The same
    files give the same listing in the same order. Raises UserError where the archive cannot be written; there is
    nothing then, or what was there before.
    """
    found = _collected(results)
    found.texts[ENVIRONMENT] = json.dumps(described(), indent=1) + "\n"
    scrubber = Scrubber(learned(private or private_here(), {**found.told, **found.texts}), keep)
    files: dict[str, str] = {}
    for place, text in sorted(found.texts.items()):
        files[_free(scrubber.text(place), files)] = (
            scrubber.json(text) if place.endswith(JSON_ENDINGS) else scrubber.text(text)
        )
    left_out = {scrubber.text(place): scrubber.text(why) for place, why in sorted(found.left_out.items())}
    listing = {
        "schema_version": 1,
        "crosscast_version": harness.__version__,
        "files": sorted(files),
        "left_out": left_out,
        "replaced": dict(sorted(scrubber.counts.items())),
        "kept_by_the_user": sorted(scrubber.keep),
        "names_that_are_words_of_records": len(scrubber.stay),
    }
    files[LISTING] = json.dumps(listing, indent=1, ensure_ascii=False) + "\n"
    content = _archive(files)
    write_atomically(target, content)
    launches = sum(Path(place).name == FILE_NAME for place in files)
    replaced = sum(scrubber.counts.values())
    absent = None if results.is_dir() else results
    return Bundle(target, len(files), launches, len(content), replaced, len(left_out), scrubber.stay, absent)


def _collected(results: Path) -> CollectedFiles:
    found = CollectedFiles()
    for place, path in _files(results, found):
        _take(path, place, found)
    return found


def _files(results: Path, found: CollectedFiles) -> Iterator[tuple[str, Path]]:
    """Every file below the results, by its place, without following links; folders that cannot be read are noted."""

    def note(error: OSError) -> None:
        found.left_out[os.path.relpath(error.filename, results)] = f"cannot be read: {error.strerror}"

    for folder, below, names in os.walk(results, onerror=note):
        relative = Path(folder).relative_to(results)
        for name in below:
            if Path(folder, name).is_symlink():
                found.left_out[str(relative / name)] = "a link to a folder"
            elif len(relative.parts) >= DEEPEST:
                found.left_out[str(relative / name)] = f"more than {DEEPEST} folders deep"
        below[:] = sorted(name for name in below if name not in NOT_SENT and len(relative.parts) < DEEPEST)
        for name in sorted(names):
            yield str(relative / name), Path(folder, name)


def _take(path: Path, place: str, found: CollectedFiles) -> None:
    if SUBMISSIONS in Path(place).parts:
        if path.name in HOSTS and not path.is_symlink():
            with contextlib.suppress(OSError):
                found.told[place] = read_regular(path, MOST_BYTES).decode(errors="replace")
    elif path.is_symlink():
        found.left_out[place] = "a link"
    elif not place.endswith((*JSON_ENDINGS, *TEXT_ENDINGS)):
        found.left_out[place] = "no text: what is private in it could not be found"
    else:
        try:
            found.texts[place] = read_regular(path, MOST_BYTES).decode(errors="replace")
        except OSError as error:
            found.left_out[place] = f"cannot be read: {error.strerror}"


def _free(place: str, taken: Collection[str]) -> str:
    """The place, numbered where scrubbing has made two of one."""
    path, number = Path(place), 1
    while str(path) in taken:
        number += 1
        path = Path(place).with_name(f"{Path(place).stem}-{number}{Path(place).suffix}")
    return str(path)


def _archive(files: dict[str, str]) -> bytes:
    """The files in the order of their names, of nobody and of no time."""
    content = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for place, text in sorted(files.items()):
            encoded = text.encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"{TOP}/{place}")
            entry.size, entry.mode = len(encoded), 0o644
            archive.addfile(entry, io.BytesIO(encoded))
    return content.getvalue()
