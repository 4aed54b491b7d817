"""Whatever is damaged in a record, it is read alike by both decoders, and tables of the others come out."""

import copy
import io
import json

import pandas as pd
import pytest
from made_records import make_measurements, make_record, make_scenario, make_window
from rich.console import Console

from harness.analysis import decoding
from harness.analysis.cells import load_results
from harness.analysis.summaries import summarise_record
from harness.analysis.tables.writing import write_tables
from harness.errors import UserError
from harness.results import record as records
from harness.results.record import Definitions, Energy, Phase, PhaseEnergy

DELETED = object()
WRONG_EVERYWHERE = (DELETED, None, "text")
OF_OTHER_KINDS = ("3", 1.5, -1, 0, [], {}, True, [1], 10**400, 1e308, {"x": 1})
"""Three of them are tried at each place, in turn."""
WRONG_NUMBERS = (-1, 0, 1e308, 1e-320)
NO_INPUTS = {"history": 1, "forcing_offsets": [], "statics": False, "residual": False}


def powered(framework="pytorch", launch=0, model="fourcastnet"):
    """The content of a record in which no part is missing."""
    names = [*(f"train pretrain {number}" for number in range(3)), "inference"]
    window = make_window(100.0, 10.0, peak_power_w=20.0)
    record = make_record(
        framework,
        launch,
        scenario=make_scenario(framework, model=model),
        measurements=make_measurements(
            launch=launch,
            phases=tuple(Phase(name=name, t0_ns=0, t1_ns=10**10, steps=2, samples=16) for name in names),
            definitions=Definitions(loss=None, normalisation="n", inputs=NO_INPUTS, forcings=(), statics=()),
        ),
        energy=Energy(
            collector="nvml",
            reason=None,
            phases=tuple(PhaseEnergy(phase=name, window=window, net_energy_j=60.0) for name in names),
        ),
    )
    return record.model_dump(mode="json")


def places(content, above=()):
    """The way to everything in a content, to the first of a list."""
    is_list = isinstance(content, list)
    if not is_list and not isinstance(content, dict):
        return
    for name, value in list(enumerate(content))[:1] if is_list else content.items():
        yield (*above, name)
        yield from places(value, (*above, name))


def at(content, place):
    """What stands at a place."""
    for name in place:
        content = content[name]
    return content


def damaged(content, place, value):
    """The content with another value at a place."""
    changed = copy.deepcopy(content)
    *above, name = place
    if value is DELETED:
        del at(changed, above)[name]
    else:
        at(changed, above)[name] = value
    return changed


def numbers(content):
    """The places of numbers that were measured."""
    found = (place for place in places(content) if place[0] in ("measurements", "energy"))
    return [place for place in found if type(at(content, place)) in (int, float)]


def outcome(load, path):
    """What comes of a file: the fields that tables keep and the summary, or the error."""
    try:
        record = load(path)
        return {name: getattr(record, name) for name in decoding.KEPT}, summarise_record(record)
    except (UserError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        return type(error), str(error)


def test_both_decoders_agree_on_every_damage(tmp_path):
    content, path = powered(), tmp_path / "record.json"
    tried = 0
    for number, place in enumerate(places(content)):
        turn = [OF_OTHER_KINDS[(3 * number + each) % len(OF_OTHER_KINDS)] for each in range(3)]
        wrong = [damaged(content, place, value) for value in (*WRONG_EVERYWHERE, *turn)]
        if isinstance(at(content, place), dict):
            wrong.append(damaged(content, (*place, "unknown"), 1))
        for changed in wrong:
            path.write_text(json.dumps(changed))
            assert outcome(decoding.load, path) == outcome(records.load, path), (place, at(changed, place[:-1]))
            tried += 1
    assert tried > 900


@pytest.mark.parametrize(
    "content", [b"", b"{", b'\xff{"launch": 1}', b"NaN", b'{"a": 1} x', b'"\\ud800"', b"[" * 200_000]
)
def test_both_decoders_agree_on_what_is_not_json(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_bytes(content)
    assert outcome(decoding.load, path) == outcome(records.load, path)
    assert outcome(decoding.load, path)[0] is UserError


def test_what_the_fast_decoder_refuses_and_pydantic_reads_counts(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(damaged(powered(), ("measurements", "parameters"), "1000")))
    assert decoding.load(path).measurements.parameters == 1000


def test_equal_scenarios_are_one_object(results):
    paths = [results.add(make_record("pytorch", launch)) for launch in range(2)]
    first, second = map(decoding.load, paths)
    assert first.scenario is second.scenario
    assert first.environment is second.environment


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (("measurements", "training", 0, "epochs"), [], "ZeroDivisionError"),
        (("measurements", "training", 0, "epochs", 0, "steps"), 0, "0 steps in an epoch"),
        (("energy", "phases", 1, "window", "energy_j"), None, "TypeError"),
        (("energy", "phases", 1, "window", "energy_j"), -5.0, "energy of training pretrain of -5 J"),
        (("measurements", "startup", "import_s"), -1.0, "start: import of -1 s"),
        (("measurements", "skill", "scores", 0, "rmse"), 1e99, "RMSE of model of 1e+99 m/s"),
    ],
)
def test_numbers_that_no_launch_has_are_named_and_the_other_records_count(results, place, value, why):
    results.add(make_record("pytorch", 0))
    path = results.add(make_record("pytorch", 1))
    path.write_text(json.dumps(damaged(powered(launch=1), place, value)))
    found = load_results(results.path)
    (problem,) = found.problems
    assert problem.startswith(f"{path}: damaged: no numbers that a launch can have")
    assert why in problem
    assert [record.launch for record in found.cells[0].launches] == [0]


@pytest.mark.parametrize(("wrong_launches", "first"), [((2,), 0), ((0, 1, 2), 1)], ids=["one launch", "all launches"])
def test_tables_come_out_whatever_number_is_wrong(tmp_path, wrong_launches, first):
    """Every number is made each of WRONG_NUMBERS, two of them in one launch of a framework and two in all launches."""
    models = set()
    for number, place in enumerate(numbers(powered()), first):
        for wrong in ("pytorch", "mindspore"):
            value = WRONG_NUMBERS[(number + 2 * (wrong == "mindspore")) % len(WRONG_NUMBERS)]
            models.add(model := f"model{len(models)}")
            for framework in ("pytorch", "mindspore"):
                for launch in range(3):
                    content = powered(framework, launch, model)
                    if framework == wrong and launch in wrong_launches:
                        content = damaged(content, place, value)
                    folder = tmp_path / "smoke" / f"{model}-{framework}-{launch}"
                    folder.mkdir(parents=True)
                    (folder / "record.json").write_text(json.dumps(content))
    assert len(models) > 60
    problems = write_tables(tmp_path, suite=None, baseline=None, console=Console(file=io.StringIO(), width=110))
    assert all(": damaged: " in problem for problem in problems)
    for table in ("speed", "skill", "energy"):
        assert set(pd.read_csv(tmp_path / "smoke" / "tables" / f"{table}.csv")["model"]) == models
