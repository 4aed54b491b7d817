"""Names of cells that must never change: results are found by them."""

from harness.data.config import OceanConfig, RossbyConfig, Splits
from harness.scenario.execution import (
    EAGER,
    GRAPH,
    Clock,
    Compilation,
    Execution,
    Loading,
    Operators,
    Precision,
    Recompute,
    World,
)
from harness.scenario.scenario import Scenario, StartingWeights
from harness.scenario.schema import InferenceConfig, OptimiserConfig, Stage, TrainingConfig

STAGE = Stage(name="pretrain", epochs=12, learning_rate=2e-3)
PLAIN = Scenario(
    model="fourcastnet",
    preset="tiny",
    framework="pytorch",
    execution=EAGER,
    chip="cpu",
    data_name="rossby",
    suite="smoke",
    architecture="fourcastnet",
    device="cpu",
    data=RossbyConfig(kind="rossby", seed=1),
    data_root=None,
    data_digest=None,
    grid=(32, 64),
    channels=("u", "v", "z", "t"),
    network={"patch_size": 4, "embed_dim": 64, "depth": 2},
    training=TrainingConfig(batch_size=8, stages=(STAGE,)),
    inference=InferenceConfig(lead_steps=(1, 2, 4, 8)),
    seed=2026,
    time_limit_s=600.0,
)
MINDSPORE = PLAIN.model_copy(update={"framework": "mindspore", "device": "CPU"})


def run(execution, of=PLAIN):
    """The scenario in another execution."""
    return of.model_copy(update={"execution": execution})


def with_training(**changes):
    """The scenario with another training."""
    return PLAIN.model_copy(update={"training": PLAIN.training.model_copy(update=changes)})


ADAMW = OptimiserConfig(name="adamw", weight_decay=0.05, clip_norm=1.0)
FINE_TUNING = Stage(name="rollout", epochs=2, learning_rate=1e-4, schedule="constant", rollout_steps=4)
WEIGHTS = StartingWeights(fingerprint="f" * 64, file="backbone.ckpt", names="fourcastnet-nvlabs")
OCEAN = {
    "model": "aigoms",
    "architecture": "aigoms",
    "data_name": "ocean",
    "data": OceanConfig(kind="ocean", splits=Splits(train=0.6, validation=0.2, test=0.2)),
    "channels": ("T0", "T100", "T500", "SSH"),
    "network": {"patch_size": 4, "embed_dim": 64, "depth": 2, "decoder_embed_dim": 32, "decoder_depth": 2},
}

GOLDEN = (
    (PLAIN, "fourcastnet-tiny.pytorch-eager.cpu.rossby.c5f85b94"),
    (MINDSPORE, "fourcastnet-tiny.mindspore-eager.cpu.rossby.ce900952"),
    (run(GRAPH), "fourcastnet-tiny.pytorch-graph.cpu.rossby.103f437a"),
    (run(GRAPH, MINDSPORE), "fourcastnet-tiny.mindspore-graph.cpu.rossby.14a8d42a"),
    (
        run(Execution(compilation=Compilation(mode="graph", level="O1")), MINDSPORE),
        "fourcastnet-tiny.mindspore-graph.cpu.rossby.4a3b2310",
    ),
    (
        run(Execution(compilation=Compilation(mode="graph", scope="step", options="max-autotune"))),
        "fourcastnet-tiny.pytorch-graph.cpu.rossby.3289b13c",
    ),
    (run(Execution(precision=Precision(autocast="bf16"))), "fourcastnet-tiny.pytorch-eager.cpu.rossby.d20713c7"),
    (
        run(Execution(precision=Precision(matmul="tf32", autocast="native-fp16"))),
        "fourcastnet-tiny.pytorch-eager.cpu.rossby.e297ce03",
    ),
    (
        run(Execution(recompute=Recompute(unit="blocks"), accumulation=4)),
        "fourcastnet-tiny.pytorch-eager.cpu.rossby.0117596e",
    ),
    (
        run(Execution(recompute=Recompute(unit="ranges", ranges=32))),
        "fourcastnet-tiny.pytorch-eager.cpu.rossby.d2d30602",
    ),
    (
        run(Execution(operators=Operators(spectral="fft", segment_sum="gathered"))),
        "fourcastnet-tiny.pytorch-eager.cpu.rossby.ec4c4c17",
    ),
    (
        run(Execution(loading=Loading(prefetch=4, workers=2), clock=Clock(window=10))),
        "fourcastnet-tiny.pytorch-eager.cpu.rossby.5bd470d7",
    ),
    (
        run(Execution(world=World(devices=8, nodes=2, parallel="sharded_optimiser"))),
        "fourcastnet-tiny.pytorch-eager.cpu.rossby.d74af976",
    ),
    (with_training(optimiser=ADAMW), "fourcastnet-tiny.pytorch-eager.cpu.rossby.8696aab6"),
    (with_training(stages=(STAGE, FINE_TUNING), batch_size=16), "fourcastnet-tiny.pytorch-eager.cpu.rossby.667553e3"),
    (PLAIN.model_copy(update={"weights": WEIGHTS}), "fourcastnet-tiny.pytorch-eager.cpu.rossby.a3303042"),
    (
        PLAIN.model_copy(update={"network": {"patch_size": 8, "embed_dim": 64, "depth": 2, "mlp_ratio": 2.0}}),
        "fourcastnet-tiny.pytorch-eager.cpu.rossby.2527b5b6",
    ),
    (
        PLAIN.model_copy(update={"data_digest": "d" * 64, "data_root": "/data/storm", "chip": "a100"}),
        "fourcastnet-tiny.pytorch-eager.a100.rossby.77178238",
    ),
    (
        PLAIN.model_copy(update={"inference": InferenceConfig(skill="published")}),
        "fourcastnet-tiny.pytorch-eager.cpu.rossby.95dd6a05",
    ),
    (PLAIN.model_copy(update=OCEAN), "aigoms-tiny.pytorch-eager.cpu.ocean.48a780b5"),
)

OF_VERSION_1 = {
    "512f33f1": "fourcastnet-tiny.pytorch-eager.cpu.rossby.c5f85b94",
    "1ec27b32": "fourcastnet-tiny.mindspore-graph.cpu.rossby.14a8d42a",
    "0db6c7d3": "graphcast-tiny.pytorch-eager.cpu.rossby_forced.69db52c2",
    "6647121b": "graphcast-tiny.mindspore-graph.cpu.rossby_forced.3f829a92",
    "a7c45b37": "aigoms-tiny.pytorch-eager.cpu.ocean.55a21562",
    "ab9e9519": "aigoms-tiny.mindspore-graph.cpu.ocean.d6a282ee",
    "ee184a23": "fourcastnet-paper.pytorch-eager.cpu.rossby.1717e1dc",
    "6153c2cb": "fourcastnet-paper.mindspore-graph.cpu.rossby.ec0939b9",
    "8ccfdb94": "graphcast-paper.pytorch-eager.cpu.rossby_forced.a578c750",
    "a3762fd5": "graphcast-paper.mindspore-graph.cpu.rossby_forced.c4615a4d",
    "84ddc0fd": "aigoms-paper.pytorch-eager.cpu.ocean.142399d2",
    "161a1d7d": "aigoms-paper.mindspore-graph.cpu.ocean.50bf5bf1",
    "25ea0394": "fourcastnet-small.pytorch-eager.cpu.rossby.f8085df0",
}
"""Digests at the end of the names of version 1, in version_1_scenarios.json, and the names of now."""
