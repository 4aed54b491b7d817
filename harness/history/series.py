"""The index as series: of each cell on each node the launches of all nights, and the median of each night."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from harness.history.baseline import Baseline
from harness.history.gated import Gated
from harness.history.store import BASELINE


@dataclass(frozen=True, eq=False)
class Group:
    """The completed launches of a cell on a node, ordered by night and launch number.

    `night` and `commit` hold the place of each launch in `nights` and `commits`; `values` is launches x quantities, NaN
    where a launch lacks a quantity, in the unit of the quantity.
    """

    cell: str
    node: str
    nights: tuple[str, ...]
    commits: tuple[str, ...]
    quantities: tuple[Gated, ...]
    night: np.ndarray
    commit: np.ndarray
    launch: np.ndarray
    attempt: tuple[str, ...]
    foreign: np.ndarray
    values: np.ndarray

    @cached_property
    def medians(self) -> np.ndarray:
        """Nights x quantities; NaN where no launch of the night has one."""
        begins = np.searchsorted(self.night, np.arange(len(self.nights)))
        place = np.arange(len(self.night)) - begins[self.night]
        padded = np.full((len(self.nights), int(place.max()) + 1, len(self.quantities)), np.nan)
        padded[self.night, place] = self.values
        padded.sort(axis=1)
        count = np.isfinite(padded).sum(axis=1)
        low, high = (np.maximum(count - 1, 0) // 2, count // 2)
        both = [
            np.take_along_axis(padded, at[:, None, :], axis=1)[:, 0]
            for at in (low, np.minimum(high, padded.shape[1] - 1))
        ]
        found: np.ndarray = np.where(count > 0, (both[0] + np.where(count % 2 == 1, both[0], both[1])) / 2, np.nan)
        return found

    @cached_property
    def commits_of_nights(self) -> tuple[tuple[str, ...], ...]:
        """The commits that ran in each night."""
        found: list[dict[str, None]] = [{} for _ in self.nights]
        for night, commit in zip(self.night.tolist(), self.commit.tolist(), strict=True):
            found[night][self.commits[commit]] = None
        return tuple(map(tuple, found))

    def starts(self, baseline: Baseline) -> tuple[int, ...]:
        """Places of the nights with which segments begin: the first of each accepted commit, else of the move."""
        found = {0}
        for move in baseline.moves:
            of_commit = [number for number, commits in enumerate(self.commits_of_nights) if move.commit in commits]
            later = [number for number, night in enumerate(self.nights) if night >= move.night]
            if of_commit or later:
                found.add((of_commit or later)[0])
        return tuple(sorted(found))


def groups_of(index: pd.DataFrame) -> list[Group]:
    """The series of an index, those of the baseline's launches left out; by cell and node."""
    chosen = index[(index["status"] == "completed") & (index["side"] != BASELINE) & (index["quantity"] != "")]
    if chosen.empty:
        return []
    quantities = _quantities(chosen)
    ranks = {name: _codes(chosen[name]) for name in ("cell", "node", "night", "record")}
    key = ranks["cell"][0].astype(np.int64) * len(ranks["node"][1]) + ranks["node"][0]
    order = np.argsort(key, kind="stable")
    bounds = np.flatnonzero(np.diff(key[order])) + 1
    return [_group(chosen, rows, ranks, quantities) for rows in np.split(order, bounds)]


def failures_of(index: pd.DataFrame) -> pd.DataFrame:
    """A row for each launch that did not complete: night, cell, node, launch and status, the newest night first."""
    failed = index[(index["status"] != "completed") & (index["side"] != BASELINE)]
    found = failed[["night", "cell", "node", "launch", "status"]].astype(str)
    return found.sort_values(["night", "cell"], ascending=[False, True])


def why_nothing(index: pd.DataFrame) -> str:
    """Why an index holds no series, and what to do, in a line."""
    ours = index[index["side"] != BASELINE]
    if ours.empty:
        return "all launches are of a baseline, whose series are not drawn; run crosscast bench or nightly for others"
    failed = failures_of(index)
    completed = ours.loc[ours["status"] == "completed", "record"].nunique()
    if not len(failed):
        return f"{completed} completed launch{'es' if completed != 1 else ''} without a value that nights watch"
    night, cell, node, launch, status = failed.iloc[0]
    told = f"launch {launch} of {cell} on {node} in the night of {night}: {status.replace('_', ' ')}"
    others = f"{completed} completed without a value that nights watch, " if completed else ""
    few = len(failed) == 1
    return (
        f"no launch to draw: {others}{len(failed)} did not complete, {'namely' if few else 'the newest'} {told}; "
        "its record says why"
    )


def _codes(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Places of the values among their sorted names, and the names."""
    names = np.asarray(column.cat.categories, dtype=object)
    order = np.argsort(names)
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return rank[column.cat.codes.to_numpy()], names[order]


def _quantities(chosen: pd.DataFrame) -> dict[str, Gated]:
    firsts = chosen.loc[~chosen["quantity"].duplicated(), ["quantity", "title", "unit", "sort"]]
    return {
        name: Gated.model_validate({"name": name, "title": title, "unit": unit, "sort": sort})
        for name, title, unit, sort in firsts.itertuples(index=False)
    }


def _group(
    chosen: pd.DataFrame,
    rows: np.ndarray,
    ranks: dict[str, tuple[np.ndarray, np.ndarray]],
    quantities: dict[str, Gated],
) -> Group:
    codes = {name: found[rows] for name, (found, _) in ranks.items()}
    records, firsts, place = np.unique(codes["record"], return_index=True, return_inverse=True)
    launch = chosen["launch"].to_numpy()[rows]
    order = np.lexsort((records, launch[firsts], codes["night"][firsts]))
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    names = chosen["quantity"].cat.categories
    of_row = chosen["quantity"].cat.codes.to_numpy()[rows]
    present = list(dict.fromkeys(of_row.tolist()))
    column = np.full(len(names), -1)
    column[present] = np.arange(len(present))
    values = np.full((len(records), len(present)), np.nan)
    values[position[place], column[of_row]] = chosen["value"].to_numpy()[rows]
    firsts = firsts[order]
    nights, night = np.unique(codes["night"][firsts], return_inverse=True)
    commit_names, commit = np.unique(chosen["commit"].astype(object).to_numpy()[rows[firsts]], return_inverse=True)
    first = rows[firsts[0]]
    return Group(
        cell=str(ranks["cell"][1][ranks["cell"][0][first]]),
        node=str(ranks["node"][1][ranks["node"][0][first]]),
        nights=tuple(map(str, ranks["night"][1][nights])),
        commits=tuple(map(str, commit_names)),
        quantities=tuple(quantities[names[code]] for code in present),
        night=night,
        commit=commit,
        launch=launch[firsts],
        attempt=tuple(map(str, chosen["attempt"].astype(object).to_numpy()[rows[firsts]])),
        foreign=chosen["foreign"].to_numpy()[rows[firsts]],
        values=values,
    )


def find(groups: Sequence[Group], words: str) -> list[Group]:
    """The groups whose cell holds the words, or that of the exact name alone."""
    exact = [group for group in groups if words in (group.cell, group.cell.partition("/")[2])]
    return exact or [group for group in groups if words.casefold() in group.cell.casefold()]
