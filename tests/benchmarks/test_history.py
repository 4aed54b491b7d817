"""Years of nights are read and drawn in seconds: 10 cells, 20 quantities, 5 launches, 1,000 nights."""

import time
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.history import store
from harness.history.baseline import Baseline
from harness.history.page import write_page
from harness.history.series import failures_of, groups_of

CELLS, QUANTITIES, LAUNCHES, NIGHTS = 10, 20, 5, 1000
MOST_S = 5.0


def texts(codes, values):
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype("int32")), pa.array(values))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """The file, with a change of level of one quantity in seven."""
    rows = np.arange(CELLS * QUANTITIES * LAUNCHES * NIGHTS)
    night, cell, launch, quantity = np.unravel_index(rows, (NIGHTS, CELLS, LAUNCHES, QUANTITIES))
    none, attempt = np.zeros(len(rows), int), (night * CELLS + cell) * LAUNCHES + launch
    attempts = range(NIGHTS * CELLS * LAUNCHES)
    random = np.random.default_rng(0)
    values = np.exp(random.normal(0, 0.02, len(rows)) + 0.05 * ((night > 600) & (quantity % 7 == 3)))
    columns = {
        "record": texts(attempt, [f"nights/{number}/candidate/record.json" for number in attempts]),
        "modified_ns": pa.array(none),
        "size": pa.array(none),
        "cell": texts(cell, [f"suite/cell{number}" for number in range(CELLS)]),
        "node": texts(none, ["node"]),
        "night": texts(night, [str(date(2024, 1, 1) + timedelta(days=number)) for number in range(NIGHTS)]),
        "side": texts(none, ["candidate"]),
        "commit": texts(night, [f"{number:040x}" for number in range(NIGHTS)]),
        "execution": texts(none, ["pytorch eager"]),
        "framework": texts(none, ["2.9"]),
        "driver": texts(none, ["none"]),
        "packages": texts(none, ["p"]),
        "launch": pa.array(launch.astype("int32")),
        "attempt": texts(attempt, [f"{number:08x}" for number in attempts]),
        "status": texts(none, ["completed"]),
        "foreign": pa.array(none.astype(bool)),
        "quantity": texts(quantity, [f"q{number}_s" for number in range(QUANTITIES)]),
        "title": texts(quantity, [f"quantity {number}" for number in range(QUANTITIES)]),
        "unit": texts(none, ["s"]),
        "sort": texts(none, ["speed"]),
        "value": pa.array(values),
    }
    path = tmp_path_factory.mktemp("history") / store.FILE_NAME
    pq.write_table(pa.table(columns).cast(store.SCHEMA), path)
    return path


def test_a_million_values_are_read_and_drawn_in_seconds(index, tmp_path):
    begin = time.process_time()
    frame = store.read_index(index).to_pandas()
    groups = groups_of(frame)
    page = write_page(groups, failures_of(frame), Baseline(), None, tmp_path / "history.html")
    taken_s = time.process_time() - begin
    print(f"{taken_s:.1f} s of CPU, a page of {page.stat().st_size / 1e6:.1f} MB")
    assert len(frame) == CELLS * QUANTITIES * LAUNCHES * NIGHTS
    drawn = page.read_text().count('class="change"')
    changed = CELLS * len(range(3, QUANTITIES, 7))
    assert changed <= drawn <= 1.1 * changed
    assert taken_s < MOST_S
