"""Cells on different variants of a chip are not compared as if they had run on the same one."""

import pytest
from made_executions import add_cell, cells_of
from made_records import make_environment, make_record, make_scenario

from harness.analysis.comparison.differences import differences
from harness.analysis.comparison.kinds import CHIP, HISTORY, PORT, SCALING, ablation
from harness.analysis.comparison.variants import variants_of
from harness.results.record import Rank

SXM, PCIE = ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 SXM4 80GB"), ("NVIDIA A100-PCIE-40GB", "NVIDIA A100 PCIe 40GB")
B3, B4 = ("Ascend910B3", "Huawei Ascend 910B3"), ("Ascend910B4", "Huawei Ascend 910B4")


def ran_on(*devices):
    """Launches of which number n ran on the n-th of these devices, over and over: name and variant."""

    def made(launch):
        name, variant = devices[launch % len(devices)]
        return {"ranks": (Rank(rank=0, host="aaaabbbbcccc", device=0, device_name=name, variant=variant),)}

    return made


def two_cells(results, ours, theirs, **changes):
    add_cell(results, "base", chip="a100", made=ran_on(*theirs))
    add_cell(results, "other", chip="a100", framework="mindspore", made=ran_on(*ours), **changes)
    return cells_of(results)


def refusal(ours, theirs):
    return (f"variant of the chip: {ours} here, {theirs} in the baseline",)


@pytest.mark.parametrize("kind", [PORT, SCALING, HISTORY, ablation(["recompute"])], ids=lambda kind: kind.name)
def test_different_variants_are_refused_where_the_chip_must_agree(results, kind):
    cells = two_cells(results, [PCIE], [SXM])
    assert refusal(PCIE[1], SXM[1])[0] in differences(cells["other"], cells["base"], kind)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([B3], [B4], refusal(B3[1], B4[1])),
        ([B3], [B3], ()),
        ([("910B3", B3[1])], [B3], ()),
        ([("A100-SXM-80GB", SXM[1])], [SXM], ()),
        ([("910B3", None)], [("Ascend910B3", None)], ()),
        ([("910B3", None)], [("Ascend910B4", None)], refusal("910B3", "Ascend910B4")),
        ([("Ascend910B3", None)], [B3], ()),
        ([("Ascend910B4", None)], [B3], refusal("Ascend910B4", B3[1])),
        ([(None, None)], [B3], ()),
        ([B3, B4], [B3, B4], refusal(f"{B3[1]} or {B4[1]}", f"{B3[1]} or {B4[1]}")),
    ],
    ids=[
        "two",
        "one",
        "one-two-names",
        "one-unlike-names",
        "no-variant",
        "no-variants",
        "old",
        "old-other",
        "unknown",
        "mixed",
    ],
)
def test_variants_or_else_names_of_devices_decide(results, ours, theirs, expected):
    cells = two_cells(results, ours, theirs)
    assert differences(cells["other"], cells["base"], PORT) == expected


def test_cells_of_different_chips_are_compared_as_different_chips(results):
    add_cell(results, "base", chip="a100", made=ran_on(SXM))
    add_cell(results, "other", chip="h200", made=ran_on(("NVIDIA H200", "NVIDIA H200 SXM 141GB")))
    cells = cells_of(results)
    assert differences(cells["other"], cells["base"], CHIP) == ()
    assert differences(cells["other"], cells["base"], PORT) == ("chip: h200 here, a100 in the baseline",)


def test_a_cpu_has_no_variants(results):
    add_cell(results, "base")
    assert variants_of(cells_of(results)["base"]) == []


def test_the_tables_warn_of_another_variant_on_another_host_and_within_a_cell(results):
    from reports import run

    for launch in range(3):
        for host, (name, variant) in {"aaaabbbbcccc": SXM, "b" * 12: PCIE}.items():
            scenario = make_scenario(chip="a100", device="cuda")
            environment = make_environment(host=host, cpu_name=f"CPU of {host}")
            rank = Rank(rank=0, host=host, device=0, device_name=name, variant=variant)
            results.add(make_record("pytorch", launch, scenario=scenario, environment=environment, ranks=(rank,)))
    told = " ".join(run(results, baseline="aaaabbbbcccc:a100/pytorch", width=300).split())
    assert f"variant of the chip: {PCIE[1]} here, {SXM[1]} in the baseline" in told


def test_a_cell_of_two_variants_says_so(results):
    from reports import run

    add_cell(results, "mixed", chip="a100", made=ran_on(SXM, PCIE))
    told = " ".join(run(results, width=300).split())
    assert f"its launches ran on different variants of the chip: {SXM[1]} or {PCIE[1]}" in told
