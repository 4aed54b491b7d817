"""Records made by hand, with chosen numbers."""

import json
from pathlib import Path

from collectors.accounting.device_energy import DeviceEnergy
from collectors.accounting.energy import WindowEnergy
from harness.data.config import RossbyConfig
from harness.frameworks.base import FrameworkDescription, Numerics
from harness.porting.parity.certificate import Certificate, Level
from harness.porting.parity.certificate import save as save_certificate
from harness.porting.parity.exchange import Described
from harness.results.record import (
    Energy,
    Environment,
    Epoch,
    Fingerprints,
    Latency,
    Load,
    Memory,
    Rank,
    Record,
    Skill,
    SkillScore,
    Startup,
    TrainingStage,
    WorkerMeasurements,
    save,
)
from harness.scenario.execution import EAGER, GRAPH
from harness.scenario.scenario import Absent, Scenario
from harness.scenario.schema import InferenceConfig, Stage, TrainingConfig

SOURCES = "5" * 64
WAYS = {"eager": EAGER, "graph": GRAPH}
"""Executions by the words that tests use for them."""


def make_scenario(framework="pytorch", execution="eager", **changes):
    """A scenario of two epochs at most; `changes` replace its fields."""
    content = {
        "suite": "smoke",
        "model": "fourcastnet",
        "architecture": "fourcastnet",
        "preset": "tiny",
        "framework": framework,
        "execution": WAYS.get(execution, execution),
        "chip": "cpu",
        "device": "cpu",
        "data_name": "rossby",
        "data": RossbyConfig(kind="rossby"),
        "data_root": None,
        "data_digest": None,
        "grid": (32, 64),
        "channels": ("u", "z"),
        "network": {"patch_size": 4, "depth": 2},
        "training": TrainingConfig(batch_size=8, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-3),)),
        "inference": InferenceConfig(),
        "seed": 100,
        "time_limit_s": 60.0,
    }
    return Scenario(**content | changes)


def make_epoch(step_s=(0.5, 0.5), data_s=(0.1, 0.1), loss=(0.4, 0.2), validation_loss=0.25):
    """An epoch; by default 1.2 s long, with a mean loss of 0.3."""
    return Epoch(data_s=data_s, step_s=step_s, loss=loss, validation_loss=validation_loss, validation_s=0.05)


def make_stage(*epochs, name="pretrain", steady_from_step=2):
    """A training stage with 8 samples a step."""
    return TrainingStage(
        name=name,
        rollout_steps=1,
        dropped_samples=0,
        samples_per_epoch=8 * len(epochs[0].step_s),
        epochs=epochs,
        steady_from_step=steady_from_step,
    )


def make_skill(rmse, *, acc=0.9, persistence=2.0, climatology=3.0, lead_h=6.0, variable="u"):
    """Scores of one variable at one lead time."""
    values = {"model": (rmse, acc), "persistence": (persistence, 0.7), "climatology": (climatology, None)}
    return Skill(
        weights="area",
        rmse_order="pooled",
        acc="uncentred",
        climatology="training period, by time mean",
        scores=tuple(
            SkillScore(
                forecaster=name, variable=variable, units="m/s", lead_h=lead_h, samples=9, rmse=value, acc=correlation
            )
            for name, (value, correlation) in values.items()
        ),
    )


def make_numerics(bits=24, **changes):
    """What a launch measured of its matrix product."""
    content = {"policy": "ieee", "policy_bits": 24, "matmul_bits": bits, "switches": {}, "unread": (), "dropped": {}}
    return Numerics(**content | changes)


def make_measurements(*, step_s=0.5, launch=0, rmse=1.0, **changes):
    """All parts of a launch whose steady training step takes `step_s` and whose inference step takes a tenth of it."""
    first = make_epoch(step_s=(9.0, step_s))
    content = {
        "framework": FrameworkDescription(
            name="pytorch",
            version="2.9",
            build="cpu",
            device="cpu",
            device_name="some CPU",
            driver=None,
            execution="eager",
            threads=2,
            packages={},
        ),
        "numerics": make_numerics(),
        "sources": SOURCES,
        "fingerprints": Fingerprints(data="d" * 64, initial_weights=f"{launch:064x}", architecture="a" * 64),
        "parameters": 1000,
        "startup": Startup(import_s=1.0, data_ready_s=0.2, model_built_s=0.3),
        "training": (make_stage(first, *[make_epoch(step_s=(step_s, step_s))] * 2),),
        "inference": Latency(batch_size=1, first_step_s=0.7, warmup_steps=3, steady=True, step_s=(step_s / 10,) * 5),
        "skill": make_skill(rmse),
        "memory": Memory(process_rss_bytes=512 * 2**20, device_bytes=None),
    }
    return WorkerMeasurements(**content | changes)


def make_window(energy_j=100.0, duration_s=10.0, *, peak_power_w=None, reasons=(), scopes=("card",), **changes):
    """Energy of a window, valid unless there are reasons, by one sensor of each scope that share it."""
    evidence = {
        "source": None if energy_j is None else "integral",
        "energy_j": energy_j,
        "mean_power_w": energy_j and energy_j / duration_s,
        "peak_power_w": peak_power_w if peak_power_w is not None else energy_j and 3 * energy_j / duration_s,
        "counter_j": None,
        "integral_j": energy_j,
        "n_samples": 100,
        "n_unique": 90,
        "max_gap_s": 0.1,
        "coverage": 1.0,
        "bracketed": True,
        "missing_fraction": 0.0,
        "counter_vs_integral": None,
        "over_cap": None,
        "low_power_at_high_use": None,
        "second_opinion": None,
        "shared_device": False,
        "reasons": tuple(reasons),
    }
    devices = [
        DeviceEnergy(**evidence, sensor=f"sensor{number}", scope=scope, kind="instant")
        for number, scope in enumerate(scopes)
    ]
    content = {
        **evidence,
        "t0_ns": 0,
        "t1_ns": int(duration_s * 1e9),
        "duration_s": duration_s,
        "collector": "nvml",
        "scope_partial": False,
        "sampler_died": False,
        "valid": not reasons,
        "devices": tuple(devices),
    }
    return WindowEnergy(**content | changes)


def make_environment(**changes):
    """The environment of a launch."""
    content = {
        "crosscast_version": "0.1.0",
        "git_commit": "c" * 40,
        "git_dirty": False,
        "python": "3.11.9",
        "platform": "Linux",
        "host": "aaaabbbbcccc",
        "container": None,
        "cpu_name": "some CPU",
        "cpu_count": 2,
        "cpu_mhz": 2000.0,
        "cpu_mhz_max": 3000.0,
        "memory_bytes": 8 * 2**30,
        "packages": "p" * 64,
        "visible_devices": None,
        "threads": {},
        "accelerator": {},
    }
    return Environment(**content | changes)


def make_record(framework="pytorch", launch=0, *, scenario=None, host="aaaabbbbcccc", foreign=False, **changes):
    """A completed record of a launch, of a cell that `framework` or `scenario` names."""
    scenario = scenario or make_scenario(framework, "eager" if framework == "pytorch" else "graph")
    measured = changes.pop("measurements", None) or make_measurements(launch=launch)
    content = {
        "scenario": scenario,
        "cell": scenario.cell,
        "launch": launch,
        "attempt": f"{framework}{launch}",
        "bench": "b1",
        "order": launch,
        "started_at": f"2026-01-01T00:{launch:02d}:00+00:00",
        "duration_s": 10.0,
        "status": "completed",
        "reason": None,
        "environment": make_environment(host=host),
        "load": Load(load_average_1min=0.1, cpu_count=2, foreign_cores=0.5 if foreign else 0.0, foreign=foreign),
        "ranks": (Rank(rank=0, host=host, device=None, device_name="some CPU"),),
        "measurements": measured.summary() if isinstance(measured, WorkerMeasurements) else measured,
        "energy": Energy(collector=None, reason="no sensor: rapl: no powercap tree"),
    }
    return Record(**content | changes)


def make_failure(framework="mindspore", launch=0, *, reason="killed: out of memory", **changes):
    """A record of a launch that did not complete."""
    content = {"status": "out_of_memory", "reason": reason, "attempt": f"{framework}{launch}-failed"}
    return make_record(framework, launch, measurements=WorkerMeasurements(), **content | changes)


def make_certificate(verdict="passed", *, sources=SOURCES, version="2.9", **changes):
    """A parity certificate that holds for the made records in MindSpore, as a graph."""
    content = {
        "model": "fourcastnet",
        "preset": "tiny",
        "architecture": "fourcastnet",
        "architecture_fingerprint": "a" * 64,
        "framework": "mindspore",
        "execution": GRAPH,
        "chip": "cpu",
        "port_name": None,
        "port": make_described("mindspore", "graph", sources, version),
        "reference": make_described("pytorch", "eager", SOURCES, "2.9"),
        "seed": 1,
        "batch_size": 3,
        "steps": 12,
        "factor": 32.0,
        "levels": tuple(
            Level(name=name, verdict=verdict, compared=9, departed=0)
            for name in ("operators", "layers", "gradients", "trajectory")
        ),
        "diagnosis": None,
        "only_in_port": (),
        "only_in_reference": (),
        "made_at": "2026-01-02T00:00:00+00:00",
        "crosscast_version": "0.1.0",
        "host": "aaaabbbbcccc",
    }
    content |= changes
    content["execution"] = WAYS.get(content["execution"], content["execution"])
    return Certificate(**content)


def make_described(framework, execution, sources=SOURCES, version="2.9", device_name="some CPU"):
    """What ran, as a certificate says it."""
    return Described(
        framework=framework,
        version=version,
        device="cpu",
        device_name=device_name,
        execution=execution,
        sources=sources,
    )


class ResultsFolder:
    """Writes records where a bench would."""

    def __init__(self, path: Path):
        self.path = path
        path.mkdir()

    def add(self, *records):
        """Save records; returns the path of the last."""
        for record in records:
            folder = (
                self.path
                / record.scenario.suite
                / record.cell
                / f"{record.launch:02d}-{record.attempt}-{record.environment.host}"
            )
            folder.mkdir(parents=True)
            path = save(record, folder)
        return path

    def certify(self, certificate=None):
        """Save a parity certificate, by default one that holds."""
        return save_certificate(certificate or make_certificate(), self.path)

    def add_absent(self, *, suite="smoke", reason="mindspore not installed", **changes):
        """Save a list of one absent cell."""
        content = {
            "model": "fourcastnet",
            "preset": "tiny",
            "framework": "mindspore",
            "execution": "graph",
            "chip": "cpu",
            "data_name": "rossby",
        }
        content |= changes
        content["execution"] = WAYS.get(content["execution"], content["execution"])
        entry = Absent(**content, reason=reason)
        (self.path / suite).mkdir(exist_ok=True)
        (self.path / suite / "absent.json").write_text(json.dumps([entry.model_dump(mode="json")]))
