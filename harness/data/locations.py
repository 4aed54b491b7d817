"""Where an archive lies: a folder or file here, or a URL of an object store that fsspec opens (s3://, gs://, ...).

Zarr stores are read where they lie, chunk by chunk. Files are copied once into the user's cache folder, under a name
that changes with the object, because HDF5 and GRIB are read in many small pieces. Credentials and other options of a
store are those of fsspec's configuration, such as the variable FSSPEC_S3_ANON=true.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import total_ordering
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import known_implementations

from harness.cache import cache_folder
from harness.errors import UserError

_IDENTITY = ("ETag", "etag", "generation", "md5Hash", "content_md5", "contentMd5", "checksum", "VersionId")
_MODIFIED = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "az": "adlfs",
    "http": "aiohttp requests",
    "https": "aiohttp requests",
    "hf": "huggingface_hub",
    "oss": "ossfs",
    "ssh": "paramiko",
    "sftp": "paramiko",
}


@dataclass(frozen=True)
class Status:
    """Size of an object, what tells it from another of its name, and when it changed; -1 where the store is silent."""

    size: int
    identity: str
    changed_ns: int


@total_ordering
@dataclass(frozen=True)
class Remote:
    """A folder or object of a store, with the part of Path's interface that archives are found and read by.

    Every method raises UserError where the store cannot be asked.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __lt__(self, other: "Remote") -> bool:
        return self.url < other.url

    def __truediv__(self, name: str) -> "Remote":
        return Remote(f"{self.url.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rstrip("/").rpartition("/")[2]

    def resolve(self) -> "Remote":
        """Itself."""
        return self

    def exists(self) -> bool:
        """Whether there is an object or folder."""
        return bool(self._ask("exists"))

    def is_file(self) -> bool:
        """Whether it is an object."""
        return bool(self._ask("isfile"))

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return bool(self._ask("isdir"))

    def glob(self, pattern: str) -> Iterator["Remote"]:
        """What a glob inside the folder matches."""
        root = self._opened()[1].rstrip("/")
        for match in self._ask("glob", f"{root}/{pattern}"):
            yield self / str(match).removeprefix(root).lstrip("/")

    def iterdir(self) -> Iterator["Remote"]:
        """What lies in the folder."""
        for entry in self._ask("ls", detail=False):
            yield self / str(entry).rstrip("/").rpartition("/")[2]

    def below(self) -> Iterator["Remote"]:
        """All objects below the folder, in order."""
        root = self._opened()[1].rstrip("/")
        for entry in sorted(self._ask("find")):
            yield self / str(entry).removeprefix(root).lstrip("/")

    def read_bytes(self, last: int | None = None) -> bytes:
        """The content, or its `last` bytes."""
        return bytes(self._ask("cat_file", start=None if last is None else -last))

    def head(self, count: int) -> bytes:
        """The first `count` bytes."""
        return bytes(self._ask("cat_file", start=0, end=count))

    def status(self) -> Status:
        """What the store says of the object now."""
        store, path = self._opened()
        try:
            store.invalidate_cache()
            said: dict[str, Any] = store.info(path)
        except Exception as error:
            raise _unreachable(self.url, error) from error
        identity = "\0".join(f"{name}={said[name]}" for name in _IDENTITY if said.get(name))
        changed = next((_nanoseconds(said[name]) for name in _MODIFIED if said.get(name)), -1)
        return Status(int(said.get("size") or 0), identity, changed)

    def local_copy(self) -> Path:
        """A copy of the object in the cache folder, made where there is none of it as it is now."""
        status = self.status()
        state = f"{self.url}\0{status.size}\0{status.identity}\0{status.changed_ns}"
        target = cache_folder() / "remote" / hashlib.sha256(state.encode()).hexdigest()[:32] / self.name
        if target.is_file() and target.stat().st_size == status.size:
            return target
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        store, path = self._opened()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            store.get_file(path, str(part))
            part.replace(target)
        except Exception as error:
            raise UserError(f"{self.url}: cannot be copied to {target.parent}: {_reason(error)}") from error
        finally:
            part.unlink(missing_ok=True)
        return target

    def _opened(self) -> tuple[Any, str]:
        return _filesystem(self.url)

    def _ask(self, method: str, path: str | None = None, **options: Any) -> Any:
        store, own = self._opened()
        try:
            return getattr(store, method)(own if path is None else path, **options)
        except Exception as error:
            raise _unreachable(self.url, error) from error


Location = Path | Remote


def location(given: str | Path) -> Location:
    """The folder, file or URL that a user names; one of file:// is the path.

    Raises UserError where no installed package opens such URLs, or the user of a ~ is not known.
    """
    text = str(given)
    if isinstance(given, Path) or "://" not in text:
        try:
            return Path(given).expanduser()
        except RuntimeError as error:
            raise UserError(f"{text}: no such file or folder: {error}") from None
    store, path = _filesystem(text)
    return Path(path) if isinstance(store, LocalFileSystem) else Remote(text.rstrip("/"))


def below(folder: Location) -> Iterator[Location]:
    """All files below a folder, in order; none where it does not exist."""
    if isinstance(folder, Remote):
        yield from folder.below()
        return
    for root, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(root, file) for file in sorted(files))


def head(file: Location, count: int) -> bytes:
    """The first `count` bytes of a file; raises OSError or UserError where it cannot be read."""
    if isinstance(file, Remote):
        return file.head(count)
    with file.open("rb") as stream:
        return stream.read(count)


def status(file: Location) -> Status:
    """Size and state of a file; raises OSError or UserError where it cannot be asked."""
    if isinstance(file, Remote):
        return file.status()
    found = file.stat()
    return Status(found.st_size, "", found.st_mtime_ns)


def _filesystem(url: str) -> tuple[Any, str]:
    protocol = url.rpartition("::")[2].partition("://")[0]
    try:
        store, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        said = f"pip install {package}" if package else known_implementations.get(protocol, {}).get("err") or error
        raise UserError(f"{url}: no package here opens {protocol}:// ({said})") from None
    except Exception as error:
        known = "s3://, gs://, abfs://, https://, file:// and others of fsspec"
        raise UserError(f"{url}: cannot be opened: {_reason(error)}; URLs that can: {known}") from error
    return store, str(path)


def _unreachable(url: str, error: Exception) -> UserError:
    protocol = url.rpartition("::")[2].partition("://")[0].upper()
    hint = f"; without credentials set FSSPEC_{protocol}_ANON=true" if "redential" in str(error) else ""
    return UserError(f"{url}: cannot be reached: {_reason(error)}{hint}")


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _nanoseconds(moment: Any) -> int:
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return int(aware.timestamp() * 1e9)
    if isinstance(moment, str):
        try:
            return _nanoseconds(datetime.fromisoformat(moment.replace("Z", "+00:00")))
        except ValueError:
            return -1
    return int(float(moment) * 1e9)
