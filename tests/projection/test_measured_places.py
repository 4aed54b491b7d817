"""Which records are those of the chip that is projected onto: its file, its variant, its host."""

import io

import pytest
from rich.console import Console

from harness.errors import UserError
from harness.projection.ceilings import GIGA, TERA, Ceilings
from harness.projection.projected import Projected
from harness.projection.running import Wanted, made
from harness.scenario.execution import Execution, World
from harness.scenario.folders import ROOT
from tests.analysis.made_records import make_environment
from tests.projection.planted import CEILINGS, HOST, SIZES, plant, planted_record
from tests.projection.test_projecting import OWN_CHIP

SXM, PCIE = "NVIDIA A100 SXM4 80GB", "NVIDIA A100 PCIe 40GB"
A100 = Ceilings({"fp32": 19.5 * TERA}, 2039 * GIGA, 3e-6)
OF_SXM = {"ceilings": A100, "device_name": "NVIDIA A100-SXM4-80GB", "chip": "a100", "device": "cuda"}


def projected(results, chip, **wanted):
    """The projector, the time of a training step, and what was printed."""
    output = io.StringIO()
    asked = Wanted(str(chip), models=("fourcastnet",), preset="tiny", **wanted)
    found = made(results.path, asked, Console(file=output, width=400))
    (step,) = [row for row in found.projections[0].rows if row.what == "training step"]
    assert isinstance(step, Projected)
    return found.projector, step.point, output.getvalue()


def plant_a100(results):
    results.add(*(planted_record(number, **OF_SXM) for number in range(len(SIZES))))


def test_records_of_several_devices_are_left_out_and_said(results):
    plant(results)
    full = Ceilings(CEILINGS.peak, CEILINGS.bandwidth, link=1e9)
    world = Execution(world=World(devices=2))
    results.add(planted_record(0, ceilings=full, preset="two", execution=world))
    projector, _, output = projected(results, "cpu")
    assert "ran on 2 devices" in output
    assert "fourcastnet two" not in {trial.name for trial in projector.validation.trials}


def test_a_format_that_was_not_measured_is_refused_with_the_figure_to_fill_in(results):
    plant(results)
    with pytest.raises(UserError) as caught:
        projected(results, "cpu", settings=("precision.autocast=bf16",))
    assert str(caught.value) == (
        f"cpu of host {HOST} cannot be projected: scenarios/chips/cpu.yaml gives no peak_tflops.bf16: "
        "fill that in there, with its source"
    )


def test_a_figure_that_is_filled_in_for_a_measured_cpu_is_used(results, tmp_path, monkeypatch):
    """In a lab's own folder of chips, a CPU whose file gives bf16 and a cap; the rest is measured on its host."""
    folder = tmp_path / "lab" / "chips"
    folder.mkdir(parents=True)
    text = (ROOT / "chips" / "cpu.yaml").read_text()
    text = text.replace("peak_tflops: {}", "peak_tflops: {bf16: {value: 0.8, source: ours}}")
    text = text.replace("power_cap_w: {value: null", "power_cap_w: {value: 180")
    (folder / "ourcpu.yaml").write_text(text)
    monkeypatch.setenv("CROSSCAST_SCENARIOS", str(folder.parent))
    plant(results, chip="ourcpu")
    projector, _, _ = projected(results, "ourcpu", settings=("precision.autocast=bf16",))
    ceilings = projector.evidence.steps[0].ceilings
    assert ceilings == Ceilings(CEILINGS.peak | {"bf16": 0.8 * TERA}, CEILINGS.bandwidth, cap_w=180.0)


def test_a_file_of_ones_own_is_not_the_measured_chip_of_the_same_name(results, tmp_path):
    """Ten times as slow a card that is called a100.yaml, too: its own figures count, not those that were measured."""
    plant_a100(results)
    _, measured_s, _ = projected(results, "a100")
    own = tmp_path / "a100.yaml"
    own.write_text(
        OWN_CHIP.replace("value: 2000", "value: 200")
        .replace("{value: 20,", "{value: 2,")
        .replace("value: 5,", "value: 100,")
    )
    projector, own_s, _ = projected(results, own)
    assert projector.target.chip.title == "Our card"
    assert projector.target.place is None
    assert own_s > 5 * measured_s
    of_catalogue, again_s, _ = projected(results, ROOT / "chips" / "a100.yaml")
    assert of_catalogue.target.place == f"{SXM} {HOST}"
    assert again_s == measured_s


@pytest.mark.parametrize("name", [None, SXM, "NVIDIA A100-SXM4-80GB", PCIE])
def test_the_measured_variant_alone_is_the_measured_chip(results, name):
    plant_a100(results)
    projector, _, _ = projected(results, "a100", variant=name)
    is_measured = name != PCIE
    assert projector.target.chip.title == (SXM if is_measured else PCIE)
    assert projector.target.place == (f"{SXM} {HOST}" if is_measured else None)
    assert (f"cost of a kernel: as fitted to records of {SXM} {HOST}" in projector.remarks) == is_measured


def test_records_of_two_variants_need_one_to_be_named(results):
    plant_a100(results)
    results.add(planted_record(0, **OF_SXM | {"device_name": "NVIDIA A100-PCIE-40GB"}, preset="other"))
    with pytest.raises(UserError) as caught:
        projected(results, "a100")
    assert str(caught.value) == f"a100 has records of several variants ({PCIE}, {SXM}): name one with --variant"
    assert projected(results, "a100", variant=PCIE)[0].target.place == f"{PCIE} {HOST}"


def test_of_several_hosts_it_is_this_one(results, monkeypatch):
    plant_a100(results)
    record = planted_record(0, **OF_SXM, preset="there")
    results.add(record.model_copy(update={"environment": make_environment(host="ddddeeeeffff", cpu_name="another")}))
    assert projected(results, "a100")[0].target.place == f"{SXM} {HOST}"
    here = [type("Here", (), {"digest": "ddddeeeeffff"})]
    monkeypatch.setattr("harness.projection.running.identity.identities", lambda: here)
    assert projected(results, "a100")[0].target.place == f"{SXM} ddddeeeeffff"


def test_the_cpu_of_another_host_has_its_memory_and_is_called_so(results, monkeypatch):
    """What this machine may use is that of the CPU of this machine alone."""
    plant(results)
    monkeypatch.setattr("harness.machine.memory.limit_bytes", lambda: 3 * 2**30)
    there = projected(results, "cpu")[0]
    assert there.target.chip.title == f"cpu of host {HOST}"
    assert there.target.chip.memory_gib.value == make_environment().memory_bytes / 2**30 == 8
    here = [type("Here", (), {"digest": HOST})]
    monkeypatch.setattr("harness.projection.running.identity.identities", lambda: here)
    found = projected(results, "cpu")[0].target.chip
    assert (found.title, found.memory_gib.value) == ("CPU of this machine", 3)


def test_records_of_a_chip_whose_file_is_not_here_are_said(results):
    plant(results)
    results.add(planted_record(0, chip="stranger"))
    _, _, output = projected(results, "cpu")
    assert "chip 'stranger': no such file in scenarios/chips" in output
