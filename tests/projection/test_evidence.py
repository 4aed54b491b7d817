"""What records tell: which of them cannot be used and why, and that work is that of the steps that were measured."""

from dataclasses import replace

import pytest

from harness.analysis.cells import load_results
from harness.models.memory import step_memory
from harness.projection.ceilings import Ceilings
from harness.projection.domains import domain_of
from harness.projection.evidence import INFERENCE, TRAINING, MeasuredChip, Place, evidence_of
from harness.projection.power import in_use
from harness.projection.work import step_work
from harness.results import steps
from harness.results.record import Energy, Idle, Memory, Phase, PhaseEnergy
from harness.scenario.execution import Execution, Loading, Precision, World
from harness.scenario.scenario import OwnPort
from harness.scenario.schema import Stage, TrainingConfig
from tests.analysis.made_records import (
    make_epoch,
    make_measurements,
    make_record,
    make_scenario,
    make_stage,
    make_window,
)
from tests.projection.cases import CASES
from tests.projection.planted import CEILINGS, HOST, planted_record

WITH_CAP = Ceilings(CEILINGS.peak, CEILINGS.bandwidth, cap_w=200.0)
FULL = Ceilings(CEILINGS.peak | {"bf16": 1e12}, CEILINGS.bandwidth, link=1e9)
CURRICULUM = {
    "patch_size": 4,
    "embed_dim": 64,
    "depth": 2,
    "decoder_embed_dim": 32,
    "decoder_depth": 1,
    "masking": [{"last_epoch": 1, "ratio": 0.0}, {"last_epoch": 3, "ratio": 0.75}],
}
"""Four epochs of AI-GOMS, of which the second and third hide three of four tokens."""


def evidence(results, ceilings=WITH_CAP):
    return evidence_of(load_results(results.path), "pytorch", "eager", lambda *_: MeasuredChip(None, ceilings))


def masked_record(epochs=4, masking=None, **changes):
    """Unmasked steps take 4 s and masked ones 1 s, but for the first of a kind."""
    network = CURRICULUM | ({} if masking is None else {"masking": masking})
    scenario = make_scenario(
        model="aigoms",
        architecture="aigoms",
        grid=(16, 32),
        channels=("u", "v", "z", "t"),
        network=network,
        training=TrainingConfig(batch_size=2, stages=(Stage(name="train", epochs=epochs, learning_rate=1e-3),)),
    )
    times = [(9.0, 4.0, 4.0), (8.0, 1.0, 1.0), (1.0, 1.0, 1.0), (4.0, 4.0, 4.0)][:epochs]
    made = [make_epoch(step_s=step_s, data_s=(0.0,) * 3, loss=(0.1,) * 3) for step_s in times]
    measured = make_measurements(training=(make_stage(*made, name="train", steady_from_step=1),), **changes)
    return make_record(scenario=scenario, measurements=measured), measured


def add_with_steps(results, record, measured):
    folder = results.add(record).parent
    kept = steps.save([measured], folder)
    (folder / "record.json").unlink()
    folder.rename(folder.with_name("aside"))
    path = results.add(record.model_copy(update={"steps": kept}))
    (folder.with_name("aside") / steps.FILE_NAME).rename(path.parent / steps.FILE_NAME)
    folder.with_name("aside").rmdir()


@pytest.mark.parametrize("parallel", ["data", "sharded"])
def test_records_of_several_devices_are_not_used_and_say_why(results, parallel):
    results.add(
        planted_record(0),
        planted_record(1, ceilings=FULL, execution=Execution(world=World(devices=2, parallel=parallel))),
    )
    found = evidence(results)
    assert {sample.name for sample in found.steps} == {"fourcastnet size0"}
    assert {sample.name for sample in found.memory} == {"fourcastnet size0"}
    (line,) = found.unused
    assert "ran on 2 devices" in line
    assert "projections rest on records of one device" in line


def test_a_format_whose_peak_nobody_knows_is_said(results):
    results.add(
        planted_record(0), planted_record(1, ceilings=FULL, execution=Execution(precision=Precision(autocast="bf16")))
    )
    known = Ceilings(CEILINGS.peak | {"bf16": 1e12}, CEILINGS.bandwidth)
    assert evidence(results, known).unused == ()
    found = evidence(results)
    assert {sample.name for sample in found.steps} == {"fourcastnet size0"}
    assert all(line.endswith("step: the file of cpu gives no peak_tflops.bf16") for line in found.unused)
    assert len(found.unused) == 2


def test_a_network_of_another_version_is_said(results):
    results.add(planted_record(0))
    path = results.add(planted_record(1))
    path.write_text(
        path.read_text().replace('"embed_dim":128', '"embedding":128').replace('"embed_dim": 128', '"embedding":128')
    )
    found = evidence(results)
    assert {sample.name for sample in found.steps} == {"fourcastnet size0"}
    assert any("its network is none that fourcastnet knows" in line for line in found.unused)


def test_steps_are_told_apart_by_what_their_epochs_hide(results):
    """Of each kind the first step, which may prepare something, is left out, and the work is that of the kind."""
    add_with_steps(results, *masked_record())
    found = [sample for sample in evidence(results).steps if sample.activity == TRAINING]
    assert [sample.seconds for sample in found] == [4.0, 1.0]
    package, _, _ = CASES["aigoms"]
    network = package.Network.model_validate(CURRICULUM)
    record, _ = masked_record()
    domain = domain_of(record.scenario.data, record.scenario.grid)
    works = [
        step_work(package, network, domain, record.scenario.training, record.scenario.execution, epoch=epoch)
        for epoch in (1, 2)
    ]
    assert [sample.work for sample in found] == works
    assert works[1].total.flops < 0.6 * works[0].total.flops


def test_mixed_steps_without_a_file_that_tells_them_apart_are_left_out(results):
    record, _ = masked_record()
    results.add(record)
    found = evidence(results)
    assert {sample.activity for sample in found.steps} == {INFERENCE}
    (line,) = found.unused
    assert "epochs of stage train hide more or less of the tokens, and no file tells their steps apart" in line


def test_epochs_that_are_all_alike_need_no_file(results):
    record, _ = masked_record(epochs=1)
    results.add(record)
    found = evidence(results)
    assert [sample.seconds for sample in found.steps if sample.activity == TRAINING] == [4.0]
    assert found.unused == ()


def test_the_peak_of_epochs_that_all_hide_tokens_is_no_evidence_of_whole_steps(results):
    record, _ = masked_record(epochs=1, masking=[{"last_epoch": 9, "ratio": 0.75}])
    results.add(record)
    found = evidence(results)
    assert found.memory == ()
    assert [line for line in found.unused if "memory: every epoch hides some of the tokens" in line]


WATTS = {"pretrain": 100.0, "finetune": 150.0, "training": 999.0, "inference": 60.0}


def record_with_power():
    """Two stages, of which the second unrolls two steps, and a power of each and of inference."""
    stages = (
        Stage(name="pretrain", epochs=2, learning_rate=1e-3),
        Stage(name="finetune", epochs=2, learning_rate=1e-4, rollout_steps=2),
    )
    scenario = make_scenario(
        training=TrainingConfig(batch_size=2, stages=stages), network={"patch_size": 4, "embed_dim": 32, "depth": 1}
    )
    epochs = {
        name: [make_epoch(step_s=(time,) * 3, data_s=(0.0,) * 3, loss=(0.1,) * 3)] * 2
        for name, time in (("pretrain", 1.0), ("finetune", 2.5))
    }
    names = [f"train {stage} {epoch}" for stage in epochs for epoch in (0, 1)] + ["training", "inference"]
    phases = tuple(Phase(name=name, t0_ns=0, t1_ns=10**10, steps=3, samples=6) for name in names)
    energy = Energy(
        collector="nvml",
        reason=None,
        idle=Idle(before_w=50.0, after_w=50.0, power_w=50.0, reasons=()),
        phases=tuple(
            PhaseEnergy(phase=name, window=make_window(10 * WATTS[name.split()[1] if " " in name else name]))
            for name in names
        ),
    )
    measured = make_measurements(
        training=tuple(make_stage(*made, name=name, steady_from_step=1) for name, made in epochs.items()), phases=phases
    )
    return make_record(scenario=scenario, measurements=measured, energy=energy)


def test_power_that_nothing_bounds_from_above_is_said(results):
    results.add(record_with_power())
    for ceilings in (CEILINGS, replace(CEILINGS, cap_w=50.0)):
        found = evidence(results, ceilings)
        assert found.power == ()
        (line,) = found.unused
        assert line.endswith("power: the file of cpu gives no power_cap_w above what was measured at rest")


def test_every_stage_is_a_step_of_its_own(results):
    """Each has work and power of its own, and the rates of the ten seconds for three steps that this is the mean of."""
    results.add(record_with_power())
    found = evidence(results)
    by_stage = {sample.stage: sample for sample in found.steps}
    assert {stage: sample.seconds for stage, sample in by_stage.items() if stage} == {"pretrain": 1.0, "finetune": 2.5}
    dense = ("matrix product", "fp32")
    flops = {stage: sample.work.by_class()[dense].flops for stage, sample in by_stage.items()}
    assert 2 * flops["pretrain"] < flops["finetune"] < 2.5 * flops["pretrain"]
    assert sorted(sample.power_w for sample in found.power) == [60.0, 100.0, 150.0]
    of_power = {sample.power_w: (sample.computing, sample.moving) for sample in found.power}
    for stage, sample in by_stage.items():
        assert of_power[WATTS[stage or "inference"]] == pytest.approx(in_use(sample.work, sample.ceilings, 10 / 3))


def test_steps_of_other_networks_and_steps_that_hold_their_data_tell_nothing(results):
    """A port's operators are its own; a sink's steps wait for what they are given."""
    sink = Execution(loading=Loading(sink=True))
    results.add(
        planted_record(0, port=OwnPort(name="lab.ours", source="0" * 64), preset="ported"),
        planted_record(1, execution=sink, preset="sunk"),
        planted_record(2),
    )
    found = evidence(results)
    assert {(each.name, each.activity) for each in found.steps} == {
        ("fourcastnet sunk", INFERENCE),
        ("fourcastnet size2", TRAINING),
        ("fourcastnet size2", INFERENCE),
    }
    assert {each.name for each in found.memory} == {"fourcastnet sunk", "fourcastnet size2"}
    ported, sunk = sorted(found.unused)
    assert ported.endswith("ran the port lab.ours: what its operators do is not counted")
    assert sunk.endswith("training step: with loading.sink its time holds that of the data")


def test_a_place_is_a_chip_a_variant_and_a_host(results):
    results.add(planted_record(0))
    assert evidence(results).places == (Place("cpu", None, HOST),)
    assert Place("a100", "NVIDIA A100 SXM4 80GB", "h").name == "NVIDIA A100 SXM4 80GB h"


def test_memory_of_a_device_is_told_from_that_of_a_process(results):
    record = planted_record(0)
    memory = Memory(process_rss_bytes=900, device_bytes=500)
    results.add(record.model_copy(update={"measurements": record.measurements.model_copy(update={"memory": memory})}))
    (found,) = evidence(results).memory
    assert (found.process, found.measured) == (False, 500)


@pytest.mark.parametrize(
    ("device", "precision", "tiled"), [("cpu", {}, True), ("cuda", {}, False), ("cpu", {"autocast": "bf16"}, False)]
)
def test_memory_of_rows_in_tiles_is_counted_as_they_run(results, device, precision, tiled):
    """PyTorch on a CPU runs rows of GraphCast in tiles, but not where it rounds."""
    package, network, _ = CASES["graphcast"]
    network = network.model_copy(update={"latent_size": 2048})
    scenario = make_scenario(
        model="graphcast",
        architecture="graphcast",
        grid=(8, 16),
        device=device,
        network=network.model_dump(),
        training=TrainingConfig(batch_size=2, stages=(Stage(name="pretrain", epochs=1, learning_rate=1e-3),)),
        execution=Execution(precision=Precision(**precision)),
    )
    measured = make_measurements(memory=Memory(process_rss_bytes=900, device_bytes=None))
    results.add(make_record(scenario=scenario, measurements=measured))
    (found,) = evidence(results, FULL).memory
    given = package, network, domain_of(scenario.data, scenario.grid), scenario.training, scenario.execution
    in_tiles, whole = (step_memory(*given, tiled=each).total for each in (True, False))
    assert in_tiles < whole
    assert found.counted == (in_tiles if tiled else whole)
