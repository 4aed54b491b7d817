"""Comparisons carry what the parity certificates say of the two networks."""

import json
import shlex

import pytest
from made_executions import add_cell
from made_records import SOURCES, WAYS, make_certificate, make_described, make_measurements, make_record, make_scenario
from reports import add_pair, read, run

from harness.analysis.cells import load_results
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.parity import with_parity
from harness.commands.parity import parity
from harness.porting.parity.certificate import Departure, Diagnosis, Level, load
from harness.scenario.execution import (
    EAGER,
    GRAPH,
    Compilation,
    Execution,
    Loading,
    Operators,
    Precision,
    Recompute,
    World,
)
from harness.scenario.labels import label

OTHER = "6" * 64
GRAPH_FP16 = GRAPH.model_copy(update={"precision": Precision(autocast="fp16")})
DIAGNOSIS = Diagnosis(
    level="layers",
    layer="blocks.0.mlp",
    where="after fc1",
    finding=Departure(quantity="value", name="blocks.0.mlp", part="0", deviation=1e-3, tolerance=1e-6),
)


def test_a_certified_comparison_says_so_and_bears_no_mark(results):
    add_pair(results)
    results.certify()
    output = " ".join(run(results, width=300).split())
    table, markdown = read(results, "speed")
    assert "†" not in markdown.split("## Definitions")[0].replace("†: no parity", "")
    assert "mindspore graph is the same network as PyTorch (parity certificate of 2026-01-02, preset tiny)" in output
    assert bool(table.loc["mindspore graph", "parity_certified"]) is True


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (None, "mindspore graph has no parity certificate; make one: crosscast parity fourcastnet --preset tiny"),
        (make_certificate(sources="0" * 64), "the parity certificate of mindspore graph is of other sources"),
        (make_certificate(version="2.8"), "is of version 2.8, not 2.9"),
        (make_certificate("failed", diagnosis=DIAGNOSIS), "says that it departs: blocks.0.mlp (after fc1)"),
        (make_certificate("failed"), "the parity certificate of mindspore graph (preset tiny) says that it departs"),
        (make_certificate("not run"), "is incomplete: a level was not run"),
        (make_certificate(execution="eager"), "mindspore graph has no parity certificate"),
        (
            make_certificate(execution=GRAPH_FP16),
            "mindspore graph has no parity certificate",
        ),
        (make_certificate(port_name="lab.port"), "mindspore graph has no parity certificate"),
        (
            make_certificate(reference=make_described("pytorch", "eager", "0" * 64)),
            "certified against other sources of the PyTorch network than the baseline's",
        ),
    ],
)
def test_a_comparison_without_a_valid_certificate_is_marked_and_warned_of(results, certificate, said):
    add_pair(results)
    if certificate:
        results.certify(certificate)
    output = " ".join(run(results, width=400).split())
    table, markdown = read(results, "speed")
    assert said in output
    assert "slower †" in markdown
    assert not table.loc["mindspore graph", "parity_certified"]
    assert said in table.loc["mindspore graph", "parity"]


def test_a_certificate_holds_for_other_presets_of_the_architecture(results):
    add_pair(results)
    results.certify(make_certificate(preset="small"))
    assert "preset small" in run(results, width=300)
    assert "slower †" not in read(results, "speed")[1]


@pytest.mark.parametrize("presets", [("tiny", "small"), ("small", "tiny")])
def test_a_departing_certificate_is_not_outvoted_by_that_of_another_preset(results, presets):
    departing, passing = presets
    made = [make_certificate(preset=passing), make_certificate("failed", preset=departing, diagnosis=DIAGNOSIS)]
    add_pair(results)
    for certificates in (made, made[::-1]):
        found = note_of_mindspore(results, certificates)
        assert (found.certified, f"(preset {departing}) says that it departs" in found.text) == (False, True)


def test_an_incomplete_certificate_leaves_the_word_to_that_of_another_preset(results):
    add_pair(results)
    assert note_of_mindspore(results, [make_certificate("not run"), make_certificate(preset="small")]).certified


def add_launches(results, sources):
    """Launches of both frameworks; `sources` gives those of PyTorch's and of MindSpore's network in each."""
    for launch, of_launch in enumerate(sources):
        for framework, each in zip(("pytorch", "mindspore"), of_launch, strict=True):
            results.add(make_record(framework, launch, measurements=make_measurements(launch=launch, sources=each)))


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (
            [(SOURCES, OTHER), (SOURCES, OTHER), (SOURCES, SOURCES)],
            "launches 0, 1: the parity certificate of mindspore",
        ),
        ([(SOURCES, None), (SOURCES, SOURCES)], "launch 0: the record of mindspore graph does not say"),
        ([(OTHER, SOURCES), (SOURCES, SOURCES)], "the launches of pytorch eager are of several sources"),
    ],
)
def test_every_launch_needs_a_certificate_not_only_the_last(results, sources, said):
    add_launches(results, sources)
    found = note_of_mindspore(results, [make_certificate()])
    assert (found.certified, found.text.startswith(said)) == (False, True)


def test_launches_of_several_sources_are_certified_by_a_certificate_of_each(results):
    add_launches(results, [(SOURCES, OTHER), (SOURCES, SOURCES)])
    assert note_of_mindspore(results, [make_certificate(), make_certificate(sources=OTHER)]).certified


def certified_on(results, chip, device_name):
    """What the table says where the certificate was made on a chip whose device has this name."""
    add_pair(results)
    port = make_described("mindspore", "graph", device_name=device_name)
    results.certify(make_certificate(chip=chip, port=port))
    return " ".join(run(results, width=400).split())


def test_a_certificate_holds_for_a_chip_and_not_for_all_that_have_its_kind_of_device(results):
    said = certified_on(results, "rtx3090", "NVIDIA GeForce RTX 3090")
    assert "the parity certificate of mindspore graph is of chip rtx3090, not cpu" in said
    assert "slower †" in read(results, "speed")[1]


@pytest.mark.parametrize(("chip", "device_name"), [("our-cpu", "some CPU"), ("cpu", "another CPU")])
def test_a_chip_is_known_by_its_file_or_the_name_of_its_device(results, chip, device_name):
    certified_on(results, chip, device_name)
    assert "slower †" not in read(results, "speed")[1]


def test_records_of_before_there_were_sources_are_not_certified(results):
    for launch in range(3):
        for framework in ("pytorch", "mindspore"):
            measured = make_measurements(launch=launch, sources=None)
            results.add(make_record(framework, launch, measurements=measured))
    results.certify()
    assert "does not say which sources ran" in run(results, width=300)


def test_a_refused_comparison_is_not_marked(results):
    other = make_scenario("mindspore", "graph", seed=7)
    for launch in range(3):
        results.add(make_record("pytorch", launch), make_record("mindspore", launch, scenario=other))
    assert "parity certificate" not in run(results, width=300).replace("no parity certificate (crosscast parity)", "")


def test_a_damaged_certificate_is_named_and_the_rest_is_used(results):
    add_pair(results)
    results.certify().with_name("damaged.json").write_text('{"schema_version": 1}')
    output = " ".join(run(results, width=400).split())
    assert "damaged.json: not a certificate that can be read" in output
    assert "is the same network as PyTorch" in output


def graph(**changes):
    return GRAPH.model_copy(update=changes)


def note(results, execution, base, certificates=()):
    """What is said of a MindSpore cell beside PyTorch's in `base`, both run so."""
    add_cell(results, "base", execution=base)
    add_cell(results, "port", framework="mindspore", execution=execution)
    return note_of_mindspore(results, certificates)


def note_of_mindspore(results, certificates):
    """What is said of the one MindSpore cell beside PyTorch's."""
    cells = load_results(results.path).cells
    port = next(cell for cell in cells if cell.scenario.framework == "mindspore")
    compared = BaselineName("pytorch").compare(port, cells)
    assert compared.refusal == ()
    return with_parity({port: compared}, certificates)[port].parity


def made_by(text):
    """The certificate that the command at the end of a note would make, if its network is the same."""
    words = shlex.split(text.partition("make one: ")[2])
    assert words[:2] == ["crosscast", "parity"]
    given = parity.make_context("parity", words[2:]).params
    precision = Precision(autocast=given["autocast"])
    return make_certificate(
        execution=WAYS[given["execution"]].model_copy(update={"precision": precision}),
        reference=make_described("pytorch", "eager"),
        **{name: given[name] for name in ("model", "preset", "framework", "chip")},
    )


@pytest.mark.parametrize(
    ("execution", "base"),
    [
        (graph(recompute=Recompute(unit="ranges", ranges=32)), EAGER),
        (graph(recompute=Recompute(unit="blocks"), accumulation=4), EAGER),
        (graph(compilation=Compilation(mode="graph", level="O1")), EAGER),
        (graph(loading=Loading(prefetch=4, workers=2)), Execution(recompute=Recompute(unit="blocks"))),
        (graph(world=World(devices=8)), Execution(world=World(devices=8))),
        (Execution(compilation=Compilation(mode="graph", scope="step", options="max-autotune")), EAGER),
    ],
)
def test_what_only_rounds_otherwise_needs_no_certificate_of_its_own(results, execution, base):
    found = note(results, execution, base)
    assert (found.certified, "--autocast" in found.text) == (False, False)
    assert note_of_mindspore(results, [made_by(found.text)]).certified
    assert not note_of_mindspore(results, [make_certificate(execution="eager")]).certified


@pytest.mark.parametrize("autocast", ["bf16", "fp16", "native-bf16", "native-fp16"])
def test_a_lower_format_is_certified_in_that_format(results, autocast):
    execution = Execution(precision=Precision(autocast=autocast), recompute=Recompute(unit="blocks"))
    found = note(results, execution, Execution(precision=Precision(autocast=autocast)))
    port = made_by(found.text)
    assert port.execution.precision.autocast == autocast
    first = note_of_mindspore(results, [port])
    assert "pytorch eager" in first.text
    base = made_by(first.text)
    assert (base.framework, base.execution.precision.autocast) == ("pytorch", autocast)
    both = note_of_mindspore(results, [port, base])
    assert both.certified
    assert f"{label(port.execution)} is the same network" in both.text
    plain = [each.model_copy(update={"execution": EAGER}) for each in (port, base)]
    assert not note_of_mindspore(results, plain).certified


@pytest.mark.parametrize(("stored", "autocast"), [("fp32", "none"), ("bf16", "native-bf16"), ("fp16", "native-fp16")])
@pytest.mark.parametrize(("word", "mode"), [("eager", "eager"), ("compiled", "graph")])
def test_half_precisions_of_old_certificates_are_the_frameworks_own_lists(tmp_path, stored, autocast, word, mode):
    content = make_certificate(execution="eager").model_dump(mode="json")
    path = tmp_path / "old.json"
    path.write_text(json.dumps(content | {"schema_version": 1, "precision": stored, "execution": word}))
    found = load(path).execution
    assert found == Execution(compilation=Compilation(mode=mode), precision=Precision(autocast=autocast))


@pytest.mark.parametrize(
    ("execution", "said"),
    [
        (Execution(precision=Precision(matmul="tf32")), "certificates are not made of eager, TF32"),
        (Execution(operators=Operators(spectral="fft")), "certificates are not made of eager, spectral fft"),
    ],
)
def test_where_no_command_makes_a_certificate_none_is_printed(results, execution, said):
    lowered = [Execution(precision=Precision(autocast=each)) for each in ("none", "bf16", "native-bf16")]
    every = [make_certificate(execution=each) for each in lowered]
    found = note(results, execution, execution, every)
    assert (found.certified, found.text.endswith(said)) == (False, True)
    assert "crosscast parity" not in found.text


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (("passed", "not applicable"), "same network"),
        (("passed", "not run"), "incomplete"),
        (("not run", "failed", "passed"), "departs"),
    ],
)
def test_what_failed_outweighs_what_was_not_run(verdicts, said):
    made = (Level(name="layers", verdict=verdict, compared=1, departed=0) for verdict in verdicts)
    assert make_certificate(levels=tuple(made)).verdict == said
