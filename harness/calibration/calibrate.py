"""Calibrates the power sensors of a chip with a square wave of load."""

import os
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import click

from collectors.base import Sensor
from collectors.calibration.behaviour import measuring_period, power_series
from collectors.calibration.step_response import SquareWave, step_response
from collectors.samples import SampleLog, read_samples
from collectors.sampling.process import SamplerProcess
from harness.calibration import store
from harness.errors import UserError, nearest
from harness.launch.turns import Say, turn
from harness.machine import rehearsal
from harness.machine.availability import cannot_run
from harness.machine.environment import host_digest
from harness.power.preferences import probed
from harness.power.recording import check_writable
from harness.processes import ask_child, scratch_folder, worker_environment
from harness.results.file_names import POWER_LOG
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig
from harness.scenario.limits import FIRST_COMPILE_S
from harness.scenario.schema import FrameworkName

START_S = 120.0


def calibrate(
    chip_name: str,
    framework: str | None,
    preferences: tuple[str, ...],
    period_s: float,
    cycles: int,
    results: Path,
    say: Say = click.echo,
) -> tuple[store.Calibration, Path]:
    """Load the device in a square wave of `period_s`, look at what its sensors say, and keep it.

    `say` is told where another bench has the device, whose launch is waited for.

    Raises UserError where no framework runs, no sensor can be read or the results cannot be written.
    """
    chip = catalogue.chip(chip_name)
    chosen = _framework(chip, framework)
    try:
        (results / store.FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{results}: cannot be written: {error.strerror}") from None
    check_writable(results / store.FOLDER / "file")
    probe = probed(preferences)
    if not probe.works:
        raise UserError(f"{chip_name}: {probe.reason}")
    devices = {entry.device for entry in chip.frameworks.values() if entry.device}
    with turn(devices, chip.title, say), scratch_folder("calibrate") as folder:
        jsonl = folder / POWER_LOG
        sampler = SamplerProcess.start(
            jsonl, preferences, worker_environment(os.environ), measuring_period(probe.sensors)
        )
        try:
            sampler.wait_ready()
            answer = ask_child(
                "harness.calibration.load",
                chosen,
                chip.frameworks[chosen].device,
                period_s / 2,
                cycles,
                timeout_s=(FIRST_COMPILE_S if chip.device_nodes else START_S) + 1.2 * period_s * (cycles + 1),
                python=chip.frameworks[chosen].python,
            )
        finally:
            outcome = sampler.stop()
        log = read_samples(jsonl)
    if "on_ns" not in answer:
        raise UserError(f"the load did not run: {answer.get('reason')}")
    if outcome.collector is None:
        raise UserError(outcome.reason or "no sensor")
    catalogue.check_device(chip_name, chip.device_name, answer["device_name"])
    wave = SquareWave(tuple(answer["on_ns"]), tuple(answer["off_ns"]))
    made = store.Calibration(
        chip=Path(chip_name).stem,
        collector=outcome.collector,
        host=host_digest(),
        device_name=answer["device_name"],
        framework=chosen,
        made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        half_period_s=wave.half_period_s,
        sensors=tuple(_sensor(log, sensor, wave) for sensor in log.sensors),
        purpose=rehearsal.purpose(),
    )
    return made, store.save(made, results)


def _sensor(log: SampleLog, sensor: Sensor, wave: SquareWave) -> store.SensorCalibration:
    found = step_response(power_series(log, sensor), wave)
    told = {"reason": found} if isinstance(found, str) else asdict(found)
    versions = {"tool_version": sensor.tool_version, "driver_version": sensor.driver_version}
    return store.SensorCalibration.model_validate({"sensor": sensor.id, **versions, **told})


def _framework(chip: ChipConfig, name: str | None) -> FrameworkName:
    """The framework asked for, or the first that runs on the chip here."""
    if name is not None and name not in chip.frameworks:
        raise UserError(f"framework {name!r}: unknown to {chip.title}; {nearest(name, chip.frameworks)}")
    reasons = {each: cannot_run(chip, each) for each in chip.frameworks if name in (None, each)}
    for each, reason in reasons.items():
        if reason is None:
            return each
    raise UserError("; ".join(f"{each}: {reason}" for each, reason in reasons.items()))
