"""Whatever is in a record, it is named or used, and everything else in the folder is made of the other records."""

import copy
import io
import json
import random
import sys
from pathlib import Path

import pytest
from effort import TIMES, effort
from hypothesis import given
from mutations import mutations
from rich.console import Console

from harness.analysis.benchmark_export import export_pytest_benchmark
from harness.analysis.cells import load_results
from harness.analysis.claims.writing import write_claims
from harness.analysis.figures import batch_size as scaling
from harness.analysis.figures import energy, illustrations, loss, power, rendered, skill, speed
from harness.analysis.figures.subject import Illustration, NotDrawn
from harness.analysis.figures.writing import CANNOT
from harness.analysis.tables.writing import write_tables
from harness.errors import UserError
from harness.launch.bench import _read_absent
from harness.porting.parity import certificate
from tests.analysis.made_records import ResultsFolder, make_certificate, make_record

sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))
from made_study import add_launch

FIGURES_OF = 10
"""One in so many contents is drawn and compared with claims too, which takes seconds."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two launches in each framework, with energy, samples and a forecast."""
    folder = ResultsFolder(tmp_path_factory.mktemp("fuzz") / "results")
    for framework in ("pytorch", "mindspore"):
        for launch in range(2):
            add_launch(folder, "a100", framework, launch, 0.5 + 0.01 * launch)
    folder.add_absent(chip="a100")
    folder.certify()
    return folder


def short(content):
    """The content with at most two entries in a list, so that few places are like others."""
    if isinstance(content, dict):
        return {name: short(value) for name, value in content.items()}
    return [short(value) for value in content[:2]] if isinstance(content, list) else content


def use(results, *, draw):
    """Make everything that is made of records."""
    console = Console(file=io.StringIO(), width=110)
    problems = write_tables(results.path, suite=None, baseline=None, console=console)
    assert all(str(results.path) in problem and "\n" not in problem for problem in problems)
    export_pytest_benchmark(results.path, results.path / "times.json", suite=None, console=console)
    if draw:
        write_claims(results.path, "2510.17852", console)
        drawn = [module.illustrate for module in (speed, loss, skill, energy, scaling, power)]
        for item in illustrations(load_results(results.path).groups(), drawn):
            if isinstance(item, NotDrawn):
                assert CANNOT not in item.reason
            elif isinstance(item, Illustration):
                rendered(item.figure, "svg")
                item.data.to_csv(index=False)
    return problems


def test_the_records_themselves_are_used(results):
    assert use(results, draw=True) == ()


def test_records_with_values_that_do_not_belong(results):
    path = sorted(results.path.rglob("record.json"))[-1]
    kept = path.read_text()
    drawn = random.Random(0)
    content = short(json.loads(kept))

    @effort(6)
    @given(mutations(content))
    def search(changed):
        path.write_text(json.dumps(changed))
        use(results, draw=drawn.randrange(FIGURES_OF) == 0)

    try:
        search()
    finally:
        path.write_text(kept)


@pytest.mark.parametrize("value", [1e59, 10**400, float("inf"), float("nan"), 1e-320])
def test_a_number_at_every_place(results, value):
    """One launch for each place, all in one folder: what the tables do with a number is done with all at once."""
    path = sorted(results.path.rglob("record.json"))[-1]
    content = short(json.loads(path.read_text()))
    added = []
    for number, place in enumerate(numbers(content)):
        changed = copy.deepcopy(content)
        holder = changed
        for step in place[:-1]:
            holder = holder[step]
        holder[place[-1]] = value
        changed["attempt"] = f"fuzz{number}"
        changed["scenario"]["model"] = f"model{number % 7}"
        folder = path.parents[1] / f"09-fuzz{number}"
        folder.mkdir()
        (folder / "record.json").write_text(json.dumps(changed))
        added.append(folder)
    try:
        assert len(added) > 100
        use(results, draw=TIMES > 1)
    finally:
        for folder in added:
            (folder / "record.json").unlink()
            folder.rmdir()


def numbers(content, above=()):
    """The way to every number."""
    entries = content.items() if isinstance(content, dict) else enumerate(content)
    for name, value in entries:
        if isinstance(value, dict | list):
            yield from numbers(value, (*above, name))
        elif type(value) in (int, float):
            yield (*above, name)


@effort(20)
@given(changed=mutations(json.loads(make_certificate().model_dump_json())))
def test_certificates(tmp_path_factory, changed):
    path = tmp_path_factory.getbasetemp() / "certificate.json"
    path.write_text(json.dumps(changed))
    try:
        found = certificate.load(path)
    except UserError as error:
        said = str(error)
    else:
        said = f"{path}: {found.verdict} {found.name} {found.diagnosis}"
    assert str(path) in said


@effort(15)
@given(changed=mutations([{**make_record().scenario.model_dump(mode="json"), "reason": "not here"}]))
def test_absent_cells(tmp_path_factory, changed):
    path = tmp_path_factory.getbasetemp() / "absent.json"
    path.write_text(json.dumps(changed))
    assert all(isinstance(entry, dict) for entry in _read_absent(path))
