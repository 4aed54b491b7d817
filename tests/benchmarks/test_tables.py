"""Time and memory of the tables of many records, from 100 to 10,000: `make benchmarks`.

The extra info has wall and CPU seconds (two processes read), MiB of both, and the growth exponent from size to size.
"""

import json
import math
import subprocess
import sys
from itertools import pairwise

import pytest

from tests.benchmarks.many_records import write_many
from tests.shared import REPOSITORY

COUNTS = (100, 1_000, 10_000)
CHILD = """
import io, json, resource, sys
from pathlib import Path
from time import perf_counter
from rich.console import Console
from harness.analysis.report import report
begun_s = perf_counter()
report(Path(sys.argv[1]), suite=None, baseline=None, console=Console(file=io.StringIO(), width=110))
wall_s = perf_counter() - begun_s
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu_s = sum(each.ru_utime + each.ru_stime for each in used)
print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "memory_mib": sum(each.ru_maxrss for each in used) / 1024}))
"""


@pytest.mark.parametrize(
    ("launches", "nights"),
    [(5, 20), (100, 1), (5, 1)],
    ids=["100 cells, 5 launches on 20 nights", "100 cells, 100 launches", "2,000 cells, 5 launches"],
)
def test_tables_of_many_records(benchmark, tmp_path, launches, nights):
    """The cells are those of the largest count."""

    def tabulate(count: int) -> dict[str, float]:
        folder = tmp_path / str(count)
        write_many(folder, count, launches, nights)
        command = [sys.executable, "-c", CHILD, str(folder)]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    counts = [count for count in COUNTS if count >= 20 * launches * nights]
    found = benchmark.pedantic(lambda: {count: tabulate(count) for count in counts}, rounds=1)
    benchmark.extra_info.update({f"{count} records": each for count, each in found.items()})
    for few, many in pairwise(counts):
        growth = math.log(found[many]["cpu_s"] / found[few]["cpu_s"]) / math.log(many / few)
        benchmark.extra_info[f"growth exponent {few} to {many}"] = growth
        assert growth < 1.15
    assert found[counts[-1]]["memory_mib"] < 1024
