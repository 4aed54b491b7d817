"""Options that commands share, types of their values, and what refuses those that no work can be done with."""

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from harness.errors import UserError
from harness.scenario.names import path_problem

MOST_DURATION = 1e8
"""Seconds or milliseconds; three years of the former."""

MOST_SEED = 2**31 - 1
"""Every library takes seeds up to this."""

MOST_DEVICES = 4096

PACKED = (".tar.gz", ".tgz", ".tar", ".zip")
"""How archives end, such as those of crosscast bundle."""

SEED = click.IntRange(0, MOST_SEED)


class Duration(click.FloatRange):
    """A time that ends: neither NaN nor infinite, at most MOST_DURATION."""

    def __init__(self, min: float, *, min_open: bool = False) -> None:
        super().__init__(min=min, max=MOST_DURATION, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of a text."""
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail(f"{value!r} is no number.", param, ctx)
        return found


class Counts(click.ParamType):
    """Numbers from 1 to MOST_DEVICES with commas between them; none where nothing is given."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers of a text."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if not all(word.isdecimal() and word.isascii() and 1 <= int(word[:9]) <= MOST_DEVICES for word in words):
            self.fail(f"{value!r} is no list of numbers from 1 to {MOST_DEVICES}, such as 1,2,4.", param, ctx)
        return tuple(map(int, words))


class PathName(click.Path):
    """A path that is not empty; an empty one would be the current folder."""

    def __init__(
        self, path_type: type[Path] | type[str] = Path, *, file_okay: bool = True, dir_okay: bool = True
    ) -> None:
        super().__init__(file_okay=file_okay, dir_okay=dir_okay, path_type=path_type)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path of a text; with `path_type` str it may be a URL."""
        text = os.fsdecode(value)
        if not text.strip() or "\0" in text:
            self.fail("it must not be empty" if "\0" not in text else "it holds a NUL", param, ctx)
        if wrong := None if "://" in text else path_problem(text):
            self.fail(wrong, param, ctx)
        if not self.file_okay and text.endswith(PACKED) and Path(text).is_file():
            self.fail(f"{text} is an archive: unpack it, and give the folder that was in it", param, ctx)
        return super().convert(value, param, ctx)


devices_option = click.option(
    "--devices",
    type=Counts(),
    default=(),
    help="Devices that train one network, or several such numbers in turn: 1,2,4. Batches are those of each device.",
)


nodes_option = click.option(
    "--nodes",
    type=click.IntRange(1, MOST_DEVICES),
    help="Nodes of a Slurm job among which the devices of each launch are divided evenly; one device is on one node.",
)


results_option = click.option(
    "--results",
    type=PathName(file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder of records, tables and figures.",
)


set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    help="One value in the place of the file's: training.stages[0].epochs=3. May be given again; `crosscast list "
    "--model NAME` shows the paths.",
)


def on_one_thread() -> None:
    """Keep the linear algebra that numpy loads to one thread, if the user's environment says nothing else.

    The matrices of figures are small, and threads that wait for them spin: they took a quarter of the CPU time. Called
    before numpy is imported, of commands that read records alone: a worker would inherit it.
    """
    if "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def refuse_unusable(problems: Sequence[str]) -> None:
    """Raise UserError where records could not be used, after all that the others allow has been written."""
    if problems:
        others = f" and {len(problems) - 1} more, named above" if len(problems) > 1 else ""
        raise UserError(f"a record could not be used{others}: {problems[0]}")


def refuse_unwritable(folder: Path, *, must_exist: bool = False) -> None:
    """Raise UserError where a folder, or that in which it would have to be made, cannot be written; makes nothing.

    Asked before long work whose result goes there.
    """
    place = folder.absolute()
    while not must_exist and not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise UserError(f"{folder}: cannot be written: {place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{folder}: cannot be written: Permission denied")
