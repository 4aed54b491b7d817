"""Which launches a median is of, said wherever medians of different launches stand side by side."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import pandas as pd

MOST_NAMED = 4
"""Cells whose launches a caption names; the figure has those of all."""

COLUMN = "launch_numbers"
"""Of the data of a figure: the numbers of the launches that a row is made of, a space apart."""


def column_text(launches: Iterable[int]) -> str:
    """The content of COLUMN."""
    return " ".join(map(str, sorted(launches)))


def mark(launches: str) -> str:
    """The content of COLUMN in words, runs of numbers by their ends: launches 0-2, 4."""
    numbers = [int(number) for number in launches.split()]
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    parts = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return f"launch{'es' if len(numbers) > 1 else ''} {', '.join(parts)}"


def differ(rows: pd.DataFrame) -> bool:
    """Whether rows that are drawn together are made of different launches."""
    return len({launches for launches in rows[COLUMN] if launches}) > 1


def marks_of_cells(data: pd.DataFrame, cells: Sequence[str], of: Sequence[str] = ()) -> dict[str, str]:
    """For each cell the launches of its rows, in brackets after its label; nothing where those of all cells agree.

    `of` are the columns that tell apart what does not stand side by side.
    """
    drawn = _unlike(data[data["cell"].isin(list(cells)) & (data[COLUMN] != "")], of)
    texts = {
        cell: dict.fromkeys(mark(launches) for rows in drawn for launches in rows.loc[rows["cell"] == cell, COLUMN])
        for cell in cells
    }
    return {cell: f" ({' or '.join(found)})" if found else "" for cell, found in texts.items()}


def _unlike(rows: pd.DataFrame, of: Sequence[str]) -> list[pd.DataFrame]:
    """Rows that stand side by side, where they are made of different launches."""
    parts = [part for _, part in rows.groupby(list(of), sort=False)] if of else [rows]
    return [part for part in parts if differ(part)]


def note(data: pd.DataFrame, of: Sequence[str]) -> str:
    """A sentence for the caption, empty where all that is drawn side by side is made of the same launches.

    `of` are the columns that tell apart what does not stand side by side.
    """
    found = {
        f"{cell} {mark(launches)}": None
        for rows in _unlike(data[data[COLUMN] != ""], of)
        for cell, launches in rows[["cell", COLUMN]].itertuples(index=False)
    }
    if len(found) > MOST_NAMED:
        return " Medians of different launches, which are written in the figure."
    return f" Medians of different launches: {'; '.join(found)}." if found else ""
