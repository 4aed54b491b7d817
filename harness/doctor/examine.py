"""Looks at this machine for one chip."""

import fnmatch
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from collectors import children
from collectors.base import Sensor
from collectors.calibration.behaviour import measuring_period, noise, power_series, update_period
from collectors.registry import Registry
from collectors.samples import read_samples
from collectors.sampling.jitter import jitter
from collectors.sampling.process import SamplerProcess
from harness.doctor.facts import CollectorFacts, FrameworkFacts, LoadFacts, ProcessFacts, Report, SensorFacts
from harness.errors import UserError
from harness.machine import identity as machine
from harness.machine.availability import cannot_run
from harness.power.preferences import PROBE_LIMIT_S, chips_here
from harness.processes import ask_child, scratch_folder, worker_environment
from harness.results.file_names import POWER_LOG
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig
from harness.scenario.limits import FIRST_COMPILE_S
from harness.scenario.schema import FrameworkName
from harness.scenario.variants import variant_remark

FRAMEWORK_LIMIT_S = 120.0
LOOK_S = 1.0
BUSIEST = 3


def examine(chip_name: str, preferences: tuple[str, ...], seconds: float) -> Report:
    """All facts; sensors are sampled for `seconds` before a framework runs. Raises UserError for an unknown chip."""
    chip = catalogue.chip(chip_name)
    collectors = _collectors(Registry.installed().names)
    load = _load(chip)
    chosen, reason, sensors = _sensors(preferences, collectors, seconds)
    known_by = machine.identity()
    frameworks = tuple(_framework(chip_name, chip, name) for name in chip.frameworks)
    return Report(
        chip=chip_name,
        host=known_by.digest,
        host_identity=known_by.kind,
        chips_with_device_files=tuple(n for n in chips_here() if catalogue.chip(n).device_nodes),
        frameworks=frameworks,
        remark=variant_remark(chip, [each.device_name for each in frameworks if each.device_name]),
        collectors=collectors,
        chosen_collector=chosen,
        no_power_reason=reason,
        sensors=sensors,
        load=load,
    )


def _framework(chip_name: str, chip: ChipConfig, name: FrameworkName) -> FrameworkFacts:
    entry, reason = chip.frameworks[name], cannot_run(chip, name)
    answer: dict[str, Any] = {"reason": reason}
    if reason is None:
        limit_s = FIRST_COMPILE_S if chip.device_nodes else FRAMEWORK_LIMIT_S
        answer = ask_child("harness.doctor.product", name, entry.device, timeout_s=limit_s, python=entry.python)
    packages, device_name = answer.get("packages") or {}, answer.get("device_name")
    reason = answer.get("reason")
    if reason is None and device_name is not None and chip.device_name is not None:
        try:
            catalogue.check_device(chip_name, chip.device_name, device_name)
        except UserError as error:
            reason = str(error)
    return FrameworkFacts(
        name=name,
        device=entry.device,
        packages=packages,
        device_name=device_name,
        numerics=answer.get("numerics"),
        reason=reason,
    )


def _collectors(names: tuple[str, ...]) -> tuple[CollectorFacts, ...]:
    pool = ThreadPoolExecutor()
    try:
        return tuple(pool.map(_collector, names))
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        children.end_all()
        raise
    finally:
        pool.shutdown()


def _collector(name: str) -> CollectorFacts:
    answer = ask_child("collectors.sampling.probe", name, timeout_s=PROBE_LIMIT_S)
    return CollectorFacts(name=name, sensors=answer.get("sensors", ()), reason=answer.get("reason"))


def _sensors(
    preferences: tuple[str, ...], collectors: tuple[CollectorFacts, ...], seconds: float
) -> tuple[str | None, str | None, tuple[SensorFacts, ...]]:
    """The collector that a bench would choose, why there is none, and how its sensors behave."""
    found = {facts.name: facts for facts in collectors if facts.sensors}
    first = next((found[name] for name in preferences if name in found), None)
    period_s = measuring_period([Sensor.from_dict(fields) for fields in first.sensors]) if first else None
    with scratch_folder("doctor") as folder:
        jsonl = folder / POWER_LOG
        sampler = SamplerProcess.start(jsonl, preferences, worker_environment(os.environ), period_s)
        try:
            sampler.wait_ready()
            if first:
                time.sleep(seconds)
        finally:
            outcome = sampler.stop()
        log = read_samples(jsonl)
    reads = {found.sensor: found for found in jitter(log)}
    facts = []
    for sensor in log.sensors:
        series, read = power_series(log, sensor), reads.get(sensor.id)
        update, scatter = update_period(series), noise(series)
        facts.append(
            SensorFacts(
                sensor=sensor.id,
                update_period_s=update.period_s,
                update_reason=update.reason,
                n_samples=scatter.n_samples,
                n_unique=scatter.n_unique,
                mean_w=scatter.mean_w,
                deviation_w=scatter.deviation_w,
                read_interval_s=read.mean_s if read else None,
                read_deviation_s=read.deviation_s if read else None,
                read_longest_s=read.max_s if read else None,
            )
        )
    return outcome.collector, outcome.reason, tuple(facts)


def _load(chip: ChipConfig) -> LoadFacts:
    others = [process for process in psutil.process_iter(["name"]) if process.pid != os.getpid()]
    before = {process.pid: _cpu_s(process) for process in others}
    time.sleep(LOOK_S)
    rates = [(process, (_cpu_s(process) - before[process.pid]) / LOOK_S) for process in others]
    ranked = sorted(rates, key=lambda pair: pair[1], reverse=True)[:BUSIEST]
    on_device, hidden = [], 0
    for process, cores in rates if chip.device_nodes else []:
        holds = _holds(process.pid, chip.device_nodes or "")
        hidden += holds is None
        on_device += [_facts(process, cores)] if holds else []
    return LoadFacts(
        load_average_1min=os.getloadavg()[0],
        cpu_count=os.cpu_count() or 1,
        busiest=tuple(_facts(process, cores) for process, cores in ranked if cores >= 0.01),
        on_device=tuple(on_device),
        hidden=hidden,
    )


def _facts(process: psutil.Process, cores: float) -> ProcessFacts:
    return ProcessFacts(pid=process.pid, name=process.info["name"] or "?", cores=max(0.0, round(cores, 3)))


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
        return float(times.user + times.system)
    except psutil.Error:
        return 0.0


def _holds(pid: int, pattern: str) -> bool | None:
    """Whether a process has a file of this pattern open, None where that may not be seen."""
    try:
        return any(fnmatch.fnmatch(str(link.readlink()), pattern) for link in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False
    except OSError:
        return None
