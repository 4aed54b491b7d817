"""What `crosscast doctor` shows of a device whose products fall short."""

import io

from rich.console import Console

from harness.doctor.facts import FrameworkFacts, LoadFacts, Report
from harness.doctor.rendering import tables
from harness.frameworks.base import Numerics
from harness.scenario import catalogue
from harness.scenario.variants import variant_remark


def shown(numerics, remark=None):
    framework = FrameworkFacts(
        name="pytorch", device="cuda", packages={}, device_name="NVIDIA A100", numerics=numerics, reason=None
    )
    report = Report(
        chip="a100",
        chips_with_device_files=(),
        frameworks=(framework,),
        remark=remark,
        collectors=(),
        chosen_collector=None,
        no_power_reason=None,
        sensors=(),
        host="0123456789ab",
        host_identity="host name",
        load=LoadFacts(load_average_1min=0.0, cpu_count=1, busiest=(), on_device=(), hidden=0),
    )
    console = Console(file=io.StringIO(), width=140)
    for table in tables(report):
        console.print(table)
    return console.file.getvalue()


def test_a_shortfall_the_switches_and_what_was_dropped():
    text = shown(
        Numerics(
            policy="ieee",
            policy_bits=24,
            matmul_bits=11,
            switches={"backends.cuda.matmul.allow_tf32": "True"},
            unread=("backends.cudnn.allow_tf32: RuntimeError: a mix",),
            dropped={"NVIDIA_TF32_OVERRIDE": "1"},
        )
    )
    assert "11 of 24" in text
    assert "the matrix product kept 11 of the 24 bits that fp32 asks for: do not call it fp32" in text
    assert "backends.cuda.matmul.allow_tf32=True" in text
    assert "backends.cudnn.allow_tf32: RuntimeError: a mix" in text
    assert "NVIDIA_TF32_OVERRIDE=1 is set, no launch inherits it" in text


def test_no_product_was_made():
    assert "Matrix products" not in shown(None)


def test_an_unknown_variant_is_said():
    remark = variant_remark(catalogue.chip("a100"), ["NVIDIA A100-XYZ"])
    assert "which is none of the variants that the chip's file knows" in remark
    assert f"Note: {remark}" in " ".join(shown(None, remark).split())
    assert "Note:" not in shown(None)
