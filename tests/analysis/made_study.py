"""A made study: one model on several chips in two frameworks, with skill, energy, power samples and forecasts."""

import json

import numpy as np
from made_records import (
    make_environment,
    make_epoch,
    make_measurements,
    make_record,
    make_scenario,
    make_stage,
)

from collectors.accounting.energy import EnergyAccount
from collectors.accounting.idle import idle_power
from collectors.base import Reading, Sensor
from collectors.samples import Header, SampleLog, reading_record, to_parquet
from harness.frameworks.base import FrameworkDescription
from harness.results.error_maps import ErrorMaps
from harness.results.forecast import Forecast
from harness.results.record import Accelerator, Device, Energy, Idle, Latency, Phase, PhaseEnergy, Skill, SkillScore
from harness.results.spectra import Spectra
from harness.scenario.schema import InferenceConfig, Stage, TrainingConfig

ORIGIN_NS = 7_000_000_000_000_000
IDLE_W = 50.0
SENSOR = Sensor("GPU-1", "card", "instant", devices=(0,), update_period_s=0.1)
CHANNELS, UNITS = ("u500", "t850", "z500"), ("m/s", "K", "m")
LEADS_H = (6.0, 12.0, 24.0, 48.0)
KEPT_LEADS_H = np.array([6.0, 24.0])
HOSTS = {"a100": "aaaa11112222", "ascend910b": "bbbb33334444", "cpu": "cccc55556666"}
STEP_S = {"a100": 0.5, "ascend910b": 0.8, "cpu": 6.0}
POWER_W = {"a100": 280.0, "ascend910b": 310.0}
EPOCHS, BATCH_SIZE = 4, 8


def add_study(results, *, chips=("a100", "ascend910b", "cpu"), launches=5):
    """Both frameworks on every chip; MindSpore on the A100 is absent, the CPU has no sensor and one failed launch."""
    for chip in chips:
        for framework, factor in (("pytorch", 1.0), ("mindspore", 1.3)):
            if (chip, framework) == ("a100", "mindspore"):
                continue
            for launch in range(launches):
                add_launch(results, chip, framework, launch, factor * STEP_S[chip] * (1 + 0.01 * launch))
    if "a100" in chips:
        results.add_absent(
            chip="a100", reason="MindSpore has no CUDA back end for the operators of this network on PyPI"
        )


def add_launch(results, chip, framework, launch, step_s, *, batch_size=BATCH_SIZE):
    """A launch with everything in it; returns its folder."""
    scenario = make_scenario(
        framework,
        "eager" if framework == "pytorch" else "graph",
        chip=chip,
        channels=CHANNELS,
        training=TrainingConfig(
            batch_size=batch_size, stages=(Stage(name="pretrain", epochs=EPOCHS, learning_rate=1e-3),)
        ),
        inference=InferenceConfig(lead_steps=(1, 2, 4, 8), min_steps=5),
    )
    phases = make_phases(step_s)
    energy, log = make_energy(chip, phases)
    record = make_record(
        framework,
        launch,
        scenario=scenario,
        attempt=f"{chip}-{framework}-{batch_size}-{launch}",
        environment=make_environment(
            host=HOSTS[chip],
            accelerator=Accelerator(vendor="nvidia", devices=(Device(index=0, name=chip),) if log else ()),
        ),
        measurements=make_measurements(
            launch=launch,
            framework=FrameworkDescription(
                name=framework,
                version="2.9" if framework == "pytorch" else "2.10",
                build=chip,
                device=chip,
                device_name=f"a {chip}",
                driver=None,
                execution=scenario.execution.compilation.mode,
                threads=2,
                packages={},
            ),
            training=(make_training(framework, step_s, launch, batch_size),),
            inference=Latency(batch_size=1, first_step_s=0.7, warmup_steps=3, steady=True, step_s=(step_s / 10,) * 5),
            skill=make_scores(framework, launch),
            phases=phases,
        ),
        energy=energy,
    )
    folder = results.add(record).parent
    if log:
        write_log(log, folder)
    if framework == "pytorch" and batch_size == BATCH_SIZE:
        make_forecast(launch).save(folder / "forecast.npz")
    return folder


def make_training(framework, step_s, launch, batch_size=BATCH_SIZE):
    """Losses that fall, MindSpore's one percent above PyTorch's."""
    shift = 1.0 if framework == "pytorch" else 1.01
    epochs = []
    for epoch in range(EPOCHS):
        loss = shift * (1 + 0.05 * launch) * 0.8**epoch
        first_s = 20 * step_s if epoch == 0 else step_s
        epochs.append(
            make_epoch((first_s, *(step_s,) * 9), (0.02 * step_s,) * 10, (loss,) * 10, validation_loss=1.1 * loss)
        )
    return make_stage(*epochs).model_copy(update={"samples_per_epoch": 10 * batch_size})


def make_scores(framework, launch):
    """Scores of three variables whose errors grow with the lead time."""
    scores = []
    for variable, units, scale in zip(CHANNELS, UNITS, (2.0, 0.5, 30.0), strict=True):
        for lead_h in LEADS_H:
            error = scale * (lead_h / 24) ** 0.7
            ours = error * (1 + 0.02 * launch) * (1.0 if framework == "pytorch" else 1.01)
            entries = (("model", ours, np.exp(-lead_h / 200)), ("persistence", 1.9 * error, np.exp(-lead_h / 40)))
            for forecaster, rmse, acc in (*entries, ("climatology", 1.6 * scale, None)):
                scores.append(
                    SkillScore(
                        forecaster=forecaster,
                        variable=variable,
                        units=units,
                        lead_h=lead_h,
                        samples=9,
                        rmse=rmse,
                        acc=acc,
                    )
                )
    words = {"rmse_order": "pooled", "acc": "uncentred", "climatology": "training period, by time mean"}
    return Skill(weights="area", scores=tuple(scores), **words)


def make_phases(step_s):
    """Idle 10 s, training of four epochs, warm-up, inference of 12 s, idle 10 s."""
    phases, now_s = [], 0.0

    def phase(name, duration_s, steps):
        nonlocal now_s
        t0_ns, now_s = ORIGIN_NS + round(now_s * 1e9), now_s + duration_s
        phases.append(
            Phase(name=name, t0_ns=t0_ns, t1_ns=ORIGIN_NS + round(now_s * 1e9), steps=steps, samples=8 * steps)
        )

    phase("idle before", 10.0, 0)
    for epoch in range(EPOCHS):
        phase(f"train pretrain {epoch}", 10 * 1.02 * step_s + (20 * step_s if epoch == 0 else 0), 10)
        now_s += 0.5 * step_s
    phases.append(
        Phase(name="training", t0_ns=phases[1].t0_ns, t1_ns=ORIGIN_NS + round(now_s * 1e9), steps=40, samples=320)
    )
    phase("warm-up", 2.0, 10)
    phase("inference", 12.0, round(120 / step_s))
    now_s += 3.0
    phase("idle after", 10.0, 0)
    return tuple(phases)


def make_log(phases, busy_w):
    """Ten readings a second, busy in training and inference; three failed reads, and a gap of two seconds later on."""
    last_s = (phases[-1].t1_ns - ORIGIN_NS) / 1e9
    readings = []
    for tick in range(-10, round(10 * last_s) + 10):
        t_s = tick / 10
        at_ns = ORIGIN_NS + round(t_s * 1e9)
        busy = any(
            phase.t0_ns <= at_ns < phase.t1_ns for phase in phases if phase.name in ("training", "warm-up", "inference")
        )
        power_w = (busy_w if busy else IDLE_W) + 3 * np.sin(t_s)
        if last_s - 12.8 < t_s < last_s - 10.8:
            continue
        failed = tick in (3, 4, 5)
        reading = Reading(at_ns - 40_000, at_ns + 40_000, SENSOR.id, None if failed else power_w, "ok", None)
        readings.append(reading)
    header = Header("nvml", (SENSOR,), {}, 0.1, ORIGIN_NS, 1_700_000_000_000_000_000)
    return SampleLog(header, tuple(readings), (), {"type": "end", "reason": "SIGTERM"})


def make_energy(chip, phases):
    """The energy of the phases from a made log, or none where the chip has no sensor."""
    if chip not in POWER_W:
        return Energy(collector=None, reason="no sensor: rapl: no powercap tree"), None
    log = make_log(phases, POWER_W[chip])
    account = EnergyAccount(log, device_count=1)
    windows = {phase.name: account.window(phase.t0_ns, phase.t1_ns) for phase in phases}
    idle = idle_power(windows["idle before"], windows["idle after"])
    entries = tuple(PhaseEnergy(phase=name, window=w, net_energy_j=idle.net_energy_j(w)) for name, w in windows.items())
    return Energy(collector="nvml", reason=None, idle=Idle.model_validate(idle.to_dict()), phases=entries), log


def write_log(log, folder):
    """Write power.parquet as a launch does."""
    lines = [log.header.to_dict(), *map(reading_record, log.readings), log.end]
    (folder / "power.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    to_parquet(folder / "power.jsonl", folder / "power.parquet")


def make_forecast(launch=0):
    """A wave on 16 x 32 points, forecast a little late, with an island that has no truth."""
    latitude, longitude = np.linspace(84.375, -84.375, 16), np.arange(32) * 11.25
    wave = [np.cos(np.radians(latitude))[:, None] * np.cos(np.radians(4 * longitude - lag))[None] for lag in (0, 15)]
    scale = np.array([20.0, 15.0, 400.0])[:, None, None]
    truth, forecast = (np.array([0.0, 260.0, 5500.0])[:, None, None] + scale * field for field in wave)
    truth[:, 5:8, 10:14] = np.nan
    forecast[:, 5:8, 10:14] = np.nan
    return Forecast(
        channels=CHANNELS,
        units=UNITS,
        latitude=latitude,
        longitude=longitude,
        lead_h=48.0,
        valid_at="2001-02-03T06:00:00",
        stride=1,
        forecast=forecast.astype(np.float32),
        truth=truth.astype(np.float32),
    )


def made_spectra(ratio, **changes):
    """Truth of a power law up to wavenumber 8 and nothing beyond; the forecast is `ratio` times it at 24 h."""
    truth = np.zeros((2, 1, 17), np.float32)
    truth[:, 0, :9] = 6 * np.arange(1.0, 10.0) ** -3
    forecast = truth.copy()
    forecast[1, :, :9] *= ratio
    forecast[:, :, 9:] = 1e-9
    content = {
        "channels": ("z",),
        "units": ("m",),
        "rows": np.array([32]),
        "lead_h": KEPT_LEADS_H,
        "samples": np.array([6, 6]),
        "forecast": forecast,
        "truth": truth,
    }
    return Spectra(**content | changes)


def made_errors(error, **changes):
    """Errors of `error` at every point but the first, which is masked."""
    squared = np.full((2, 1, 3, 4), 4 * error**2, np.float32)
    squared[:, 0, 0, 0] = np.nan
    content = {
        "channels": ("z",),
        "units": ("m",),
        "latitude": np.array([60.0, 0.0, -60.0]),
        "longitude": np.array([0.0, 90.0, 180.0, 270.0]),
        "lead_h": KEPT_LEADS_H,
        "samples": np.array([4, 4]),
        "stride": 1,
        "squared_error": squared,
    }
    return ErrorMaps(**content | changes)
