"""Comparisons carry what the parity certificates say of the two networks."""

import pytest
from made_records import make_certificate, make_described, make_measurements, make_record, make_scenario
from reports import add_pair, read, run

from harness.porting.parity.certificate import Diagnosis, Finding

DIAGNOSIS = Diagnosis(
    level="layers",
    layer="blocks.0.mlp",
    where="after fc1",
    finding=Finding(quantity="value", name="blocks.0.mlp", part="0", deviation=1e-3, tolerance=1e-6),
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
        (make_certificate("not run"), "is incomplete: a level was not run"),
        (make_certificate(execution="eager"), "mindspore graph has no parity certificate"),
        (make_certificate(precision="fp16"), "mindspore graph has no parity certificate"),
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
