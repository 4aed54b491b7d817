"""What bears the name of a record and is none: named, never waited for, and no reason to lose the others."""

import json
import os

import pytest
from made_records import make_certificate, make_record

from harness.analysis.cells import load_results
from harness.launch.bench import _read_absent
from harness.porting.parity import certificate


def sparse(path):
    with path.open("wb") as file:
        file.truncate(50 * 2**30)


MAKERS = {
    "a FIFO, not a regular file": os.mkfifo,
    "a device, not a regular file": lambda path: path.symlink_to("/dev/zero"),
    "50 GiB, but at most": sparse,
    "symbolic links": lambda path: path.symlink_to(path.name),
    "recursion": lambda path: path.write_text("[" * 100_000),
    "Recursion": lambda path: path.write_text('{"status":' * 100_000),
}


@pytest.mark.parametrize("why", MAKERS)
def test_they_are_named_and_the_others_count(results, why):
    good = results.add(make_record("pytorch", 0))
    suite = good.parents[2]
    certified = results.certify(make_certificate())
    paths = [good.parents[1] / "01-x" / "record.json", suite / "absent.json", certified.with_name("other.json")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        MAKERS[why](path)
    found = load_results(results.path)
    assert [record.launch for record in found.cells[0].launches] == [0]
    assert len(found.certificates) == 1
    assert len(found.problems) == len(paths)
    for path in paths:
        (problem,) = [each for each in found.problems if each.startswith(f"{path}: ")]
        assert why.lower() in problem.lower()
    assert list(_read_absent(paths[1])) == []
    assert certificate.load(certified).verdict == "same network"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("launch",), 10**59),
        (("order",), -1),
        (("duration_s",), 1e300),
        (("started_at",), "0001-01-01T00:00:00+00:00"),
        (("environment", "memory_bytes"), 10**400),
        (("environment", "cpu_mhz"), 1e308),
        (("scenario", "seed"), 10**59),
        (("load", "foreign_cores"), float("inf")),
        (("measurements", "parameters"), 10**400),
        (("measurements", "skill", "scores", 0, "lead_h"), 1e59),
        (("measurements", "skill", "scores", 0, "lead_h"), -6.0),
        (("measurements", "training", 0, "epochs", 0, "validation_loss"), 1e308),
    ],
)
def test_numbers_that_no_launch_has_are_named(results, place, value):
    results.add(make_record("pytorch", 0))
    path = results.add(make_record("pytorch", 1))
    content = json.loads(path.read_text())
    holder = content
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    path.write_text(json.dumps(content))
    found = load_results(results.path)
    (problem,) = found.problems
    assert problem.startswith(f"{path}: damaged: no numbers that a launch can have")
    assert [record.launch for record in found.cells[0].launches] == [0]
