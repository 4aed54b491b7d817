"""Time and memory of the tables of many records, from 100 to 10,000, and of the page and figures: `make benchmarks`.

The extra info has wall and CPU seconds, MiB, the growth exponent from size to size, and CPU seconds over those of
`json.loads` of the same files, read before in the same process.
"""

import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.benchmarks.many_records import write_many
from tests.shared import REPOSITORY

COUNTS = (100, 1_000, 10_000)
TABLES = "from harness.analysis.tables.writing import write_tables as work; options = {}"
PAGE = "from harness.analysis.html_report.page import write_report as work; options = {'output': None}"
FIGURES = (
    "from harness.analysis.figures import write_figures; options = {}; "
    "work = lambda results, *, suite, baseline, console: write_figures(results, suite=suite, console=console)"
)
START = "from harness.commands.options import on_one_thread; on_one_thread()"
"""As the commands do."""

CHILD = """
import io, json, resource, sys
from pathlib import Path
from time import perf_counter, process_time
from rich.console import Console
files = sorted(Path(sys.argv[1]).rglob("record.json"))
before_s = process_time()
for path in files:
    json.loads(path.read_bytes())
plain_s = process_time() - before_s
begun_s = perf_counter()
console = Console(file=io.StringIO(), width=110)
work(Path(sys.argv[1]), suite=None, baseline=None, console=console, **options)
wall_s = perf_counter() - begun_s
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu_s = sum(each.ru_utime + each.ru_stime for each in used) - plain_s
found = {"wall_s": wall_s, "cpu_s": cpu_s, "over_json": cpu_s / plain_s}
print(json.dumps({**found, "memory_mib": sum(each.ru_maxrss for each in used) / 1024}))
"""


@pytest.mark.parametrize(
    ("launches", "nights", "most"),
    [(5, 20, 2.5), (100, 1, 2.5), (5, 1, 6)],
    ids=["100 cells, 5 launches on 20 nights", "100 cells, 100 launches", "2,000 cells, 5 launches"],
)
def test_tables_of_many_records(benchmark, tmp_path, launches, nights, most):
    """The cells are those of the largest count; `most` is how often JSON could be read in that time."""
    counts = [count for count in COUNTS if count >= 20 * launches * nights]

    def tabulate() -> dict[int, dict[str, float]]:
        return {count: measured(TABLES, tmp_path / str(count), count, launches, nights) for count in counts}

    found = benchmark.pedantic(tabulate, rounds=1)
    note(benchmark, found)
    assert found[counts[-1]]["memory_mib"] < 1024
    assert found[counts[-1]]["over_json"] < most


def test_page_of_ten_thousand_records(benchmark, tmp_path):
    """Of 100 cells with 100 launches each."""
    found = benchmark.pedantic(lambda: measured(PAGE, tmp_path, COUNTS[-1], 100, 1), rounds=1)
    size = (tmp_path / "report.html").stat().st_size
    benchmark.extra_info.update(found, megabytes=size / 1e6)
    assert size < 5e6
    assert found["memory_mib"] < 1024
    assert found["over_json"] < 5


def test_figures_of_a_hundred_cells(benchmark, tmp_path):
    """Five launches each, as PDF, PNG and CSV."""
    found = benchmark.pedantic(lambda: measured(FIGURES, tmp_path, 500, 5, 1), rounds=1)
    benchmark.extra_info.update(found)
    assert len([*tmp_path.rglob("*.pdf")]) >= 20
    assert found["memory_mib"] < 2048


def test_page_of_many_records(benchmark, tmp_path):
    """Figures and all; cells grow with the records."""
    found = benchmark.pedantic(
        lambda: {count: measured(PAGE, tmp_path / str(count), count, 5, 1) for count in COUNTS[:2]}, rounds=1
    )
    note(benchmark, found)


def measured(work: str, folder: Path, count: int, launches: int, nights: int) -> dict[str, float]:
    """Write the records and do the work on them in a process of its own."""
    write_many(folder, count, launches, nights)
    command = [sys.executable, "-c", f"{START}\n{work}{CHILD}", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def note(benchmark, found: dict[int, dict[str, float]]) -> None:
    """Keep what was found and the growth from size to size, which may not be more than about linear."""
    benchmark.extra_info.update({f"{count} records": each for count, each in found.items()})
    for few, many in pairwise(found):
        growth = math.log(found[many]["cpu_s"] / found[few]["cpu_s"]) / math.log(many / few)
        benchmark.extra_info[f"growth exponent {few} to {many}"] = growth
        assert growth < 1.15
