"""Whether this process rehearses a chip that is not here, on the stage that `crosscast rehearse` has set.

A launch that is made so is no measurement: its record says so, and only a rehearsal's own tables hold it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.results.record import Purpose

VARIABLE = "CROSSCAST_REHEARSAL"
"""Environment variable with the folder of the stage."""

NOTICE = "REHEARSAL with stand-ins for the chip: nothing here is a measurement of it"


def stage(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of the stage; None where nothing is rehearsed."""
    return Path(found) if (found := environ.get(VARIABLE)) else None


def purpose() -> "Purpose":
    """What launches are made for here, and which are counted."""
    return "measurement" if stage() is None else "rehearsal"


def device_root() -> Path:
    """The folder below which device files are looked for: the root of the file system, or that of the stage."""
    found = stage()
    return Path("/") if found is None else found / "root"


def named(name: str) -> str:
    """A name of a file that is made of or beside records, which tells a rehearsal's from those of measurements."""
    return name if stage() is None else f"rehearsal-{name}"


def titled(title: str) -> str:
    """A title of what is made of records, which tells a rehearsal from a measurement."""
    return title if stage() is None else f"{NOTICE}. {title}"
