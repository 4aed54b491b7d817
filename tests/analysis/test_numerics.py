"""Bits of the matrix product in what is made of records."""

import json

import pytest
from made_records import make_environment, make_measurements, make_numerics, make_record
from reports import read, run

from harness.analysis import decoding
from harness.analysis.cells import load_results
from harness.analysis.comparison.differences import differences
from harness.results import record as records


def measured(framework, launch, numerics):
    return make_record(framework, launch, measurements=make_measurements(launch=launch, numerics=numerics))


def refusal(results, ours, theirs):
    """What forbids a comparison of cells whose launches measured these."""
    results.add(*[measured("mindspore", launch, found) for launch, found in enumerate(ours)])
    results.add(*[measured("pytorch", launch, found) for launch, found in enumerate(theirs)])
    cells = {cell.label: cell for cell in load_results(results.path).cells}
    return differences(cells["mindspore graph"], cells["pytorch eager"])


FULL, TF32, BF16 = make_numerics(), make_numerics(11), make_numerics(8)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ((FULL, FULL), (FULL, FULL), ()),
        ((TF32, TF32), (TF32, TF32), ()),
        (
            (TF32, TF32),
            (FULL, FULL),
            ("bits of the matrix product: 11 here, 24 in the baseline (launches 0, 1)",),
        ),
        (
            (TF32, FULL, BF16),
            (FULL, FULL, TF32),
            (
                "bits of the matrix product: 11 here, 24 in the baseline (launches 0)",
                "bits of the matrix product: 8 here, 11 in the baseline (launches 2)",
            ),
        ),
        ((FULL,), (make_numerics(switches={"a": "b"}, dropped={"NVIDIA_TF32_OVERRIDE": "1"}),), ()),
        ((None, TF32), (FULL, None), ()),
    ],
)
def test_cells_of_different_bits_are_not_compared(results, ours, theirs, expected):
    assert refusal(results, ours, theirs) == expected


def test_no_ratio_stands_in_a_table_of_different_bits(results):
    results.add(*[measured("pytorch", launch, FULL) for launch in range(3)])
    results.add(*[measured("mindspore", launch, TF32) for launch in range(3)])
    results.certify()
    said = " ".join(run(results).split())
    words = "the matrix product kept 11 of the 24 bits that fp32 asks for: this is not fp32 (launches 0, 1, 2)"
    assert f"warning: mindspore graph: {words}" in said
    for name in ("speed", "skill", "energy"):
        assert words in read(results, name)[1]
    assert "bits of the matrix product: 11 here, 24 in the baseline" in read(results, "speed")[1]


def test_old_records_are_compared_with_a_caution(results):
    results.add(*[measured("pytorch", launch, FULL) for launch in range(3)])
    results.add(*[measured("mindspore", launch, None) for launch in range(3)])
    results.certify()
    said = " ".join(run(results).split())
    expected = "mindspore graph: the bits that the matrix product keeps were not measured in launches 0, 1, 2"
    assert f"warning: {expected}" in said
    assert "bits of the matrix product" not in said


def test_other_variables_are_a_caution(results):
    changed = make_environment(variables={"TASK_QUEUE_ENABLE": "2"})
    results.add(*[make_record("pytorch", n, environment=make_environment(variables={})) for n in range(3)])
    results.add(*[make_record("mindspore", n, environment=changed) for n in range(3)])
    said = " ".join(run(results).split())
    assert "mindspore graph: variables: TASK_QUEUE_ENABLE=2 here, not set in the baseline" in said


@pytest.mark.parametrize("load", [records.load, decoding.load])
def test_records_from_before_are_read(results, load):
    path = results.add(make_record())
    content = json.loads(path.read_text())
    del content["measurements"]["numerics"], content["environment"]["variables"]
    path.write_text(json.dumps(content))
    found = load(path)
    assert found.measurements.numerics is None
    assert found.environment.variables is None


@pytest.mark.parametrize("load", [records.load, decoding.load])
def test_numerics_come_back_as_they_were(results, load):
    made = make_numerics(11, switches={"a": "b"}, unread=("c",), dropped={"NVIDIA_TF32_OVERRIDE": "1"})
    assert load(results.add(measured("pytorch", 0, made))).measurements.numerics == made


@pytest.mark.parametrize("bits", [0, -1, 54])
def test_bits_that_no_product_has_are_damage(results, bits):
    results.add(measured("pytorch", 0, make_numerics(bits)))
    (problem,) = load_results(results.path).problems
    assert f"a matrix product that kept {bits} bits" in problem
