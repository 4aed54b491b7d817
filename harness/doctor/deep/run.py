"""All checks of a chip on this machine, within a time limit."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from collectors import children
from collectors.calibration.behaviour import measuring_period
from collectors.samples import read_samples
from collectors.sampling.process import SamplerOutcome, SamplerProcess
from harness import __version__
from harness.doctor.deep.child import not_in_time
from harness.doctor.deep.machine import check_machine
from harness.doctor.deep.plan import ERRORS, ChildPlan, said
from harness.doctor.deep.power import Window, check_power
from harness.errors import UserError
from harness.faults import fault_in
from harness.frameworks.support import cannot_execute
from harness.launch.turns import Say, turn
from harness.machine import rehearsal
from harness.machine.availability import cannot_run
from harness.machine.environment import host_digest
from harness.porting.parity.check import scenarios_of
from harness.power.preferences import probed
from harness.privacy import without_folders
from harness.processes import ask_child, scratch_folder, worker_environment
from harness.results.deep_report import Check, DeepReport
from harness.results.file_names import POWER_LOG
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig
from harness.scenario.execution import EAGER, GRAPH, Execution
from harness.scenario.labels import label
from harness.scenario.scenario import Scenario
from harness.scenario.schema import FrameworkName

LIMIT_S = 300.0
LEAST_S = 20.0
"""A child is not started with less time than this."""

END_S, EXIT_S = 10.0, 30.0
"""Time kept for what follows a child, and what a process that is done may take to end."""

REST_S, LOAD_S, LONGEST_S = 3.0, 4.0, 20.0
RESTS, LOADS = 5, 10
"""How many periods of the slowest sensor the device rests and works, at least; not more than LONGEST_S."""

POLL_S = 0.05


@dataclass
class Ended:
    """What a child said and how it ended; `exit_s` from its last word to its end, None where it was not done."""

    checks: list[Check] = field(default_factory=list)
    begun: str = "starting"
    loaded: Window | None = None
    returncode: int | None = None
    exit_s: float | None = None
    killed: bool = False
    last_words: str = ""


def deep(
    chip_name: str,
    preferences: tuple[str, ...],
    limit_s: float,
    say: Say,
    executions: Sequence[Execution] = (EAGER, GRAPH),
) -> DeepReport:
    """Every check of a chip, while nobody else has its devices; `say` is told what goes on.

    Raises UserError for an unknown chip, and where no framework runs on it here.
    """
    chip = catalogue.chip(chip_name)
    reasons = {each: cannot_run(chip, each) for each in chip.frameworks}
    if None not in reasons.values():
        told = "; ".join(f"{each}: {reason}" for each, reason in reasons.items())
        raise UserError(f"nothing can run on {chip_name} here: {told}")
    name = Path(chip_name).stem
    devices = {entry.device for entry in chip.frameworks.values() if entry.device}
    with turn(devices, chip.title, say), scratch_folder("doctor") as folder:
        begun_s = time.monotonic()
        of_frameworks = _frameworks(chip_name, chip, preferences, folder, begun_s + limit_s, executions, say)
        checks = [*check_machine(chip, os.environ), *of_frameworks]
    return DeepReport(
        chip=name,
        host=host_digest(),
        made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        crosscast_version=__version__,
        took_s=round(time.monotonic() - begun_s, 1),
        checks=tuple(map(_published, sorted(checks, key=_order(checks)))),
        purpose=rehearsal.purpose(),
    )


def _order(checks: Sequence[Check]) -> Callable[[Check], int]:
    """Groups together, in the order in which they came first."""
    groups = list(dict.fromkeys(check.group for check in checks))
    return lambda check: groups.index(check.group)


def _published(check: Check) -> Check:
    advice = None if check.advice is None else without_folders(check.advice)
    return check.model_copy(update={"found": without_folders(check.found), "advice": advice})


def _frameworks(
    chip_name: str,
    chip: ChipConfig,
    preferences: tuple[str, ...],
    folder: Path,
    deadline_s: float,
    executions: Sequence[Execution],
    say: Say,
) -> Iterator[Check]:
    scenarios: dict[FrameworkName, Sequence[Scenario]] = {}
    for name, entry in chip.frameworks.items():
        reason = cannot_run(chip, name)
        if reason is None:
            scenarios[name] = scenarios_of(None, None, name, chip_name)
        elif entry.unavailable is None:
            advice = "images of vendors hold one framework: look at the other in its own image or Python"
            yield Check(group=name, name="installed", verdict="warning", found=reason, advice=advice)
    plans = [
        _plan(chip_name, chip, name, execution, scenarios[name], folder, deadline_s)
        for execution in executions
        for name in sorted(scenarios, key=lambda each: (execution.is_graph and each == "pytorch", each != "pytorch"))
        if cannot_execute(name, chip.frameworks[name].device or "", execution) is None
    ]
    if not plans:
        return
    firsts = {plan.framework: number for number, plan in reversed(list(enumerate(plans)))}
    plans = [
        plan.model_copy(update={"products": firsts[plan.framework] == number}) for number, plan in enumerate(plans)
    ]
    say("the networks on the CPU in float64")
    against, reference = _truths(plans[0], folder, deadline_s)
    yield from reference
    sampler = _Sampler(preferences, folder)
    plans[0] = plans[0].model_copy(update={"load_s": sampler.load_s})
    try:
        for plan in plans:
            if deadline_s - time.monotonic() < LEAST_S:
                yield not_in_time(plan.group, "all of it")
                continue
            say(plan.group)
            ended = _ask(plan, folder / plan.group.replace(" ", "-"), against)
            yield from ended.checks
            yield from _ending(plan, ended)
            if plan.load_s:
                yield from sampler.checks(ended.loaded)
    finally:
        sampler.stop()


def _plan(
    chip_name: str,
    chip: ChipConfig,
    framework: FrameworkName,
    execution: Execution,
    scenarios: Sequence[Scenario],
    folder: Path,
    deadline_s: float,
) -> ChildPlan:
    compiled = framework == "pytorch" and execution.is_graph
    return ChildPlan(
        group=f"{framework} {label(execution)}",
        chip=chip_name,
        framework=framework,
        device=chip.frameworks[framework].device or "",
        chip_file=chip,
        execution=execution,
        scenarios=tuple(scenarios),
        truths=str(folder),
        operators=not compiled,
        products=False,
        load_s=0.0,
        deadline_s=deadline_s - END_S,
        optional=compiled,
    )


def _truths(plan: ChildPlan, folder: Path, deadline_s: float) -> tuple[str, list[Check]]:
    """What the networks are compared with, and a check where that is not there for all of them."""
    of_truths = folder / "truth"
    of_truths.mkdir()
    plan.write(of_truths)
    answer = ask_child("harness.doctor.deep.truth", of_truths, timeout_s=max(LEAST_S, deadline_s - time.monotonic()))
    missing = answer.get("missing") or {}
    problem = answer.get("reason") or "; ".join(f"{name}: {reason}" for name, reason in missing.items())
    if not problem:
        return str(answer["against"]), []
    fault = fault_in(problem)
    advice = fault.remedy if fault else "networks are compared with it: install torch for the CPU, or see the message"
    return str(answer.get("against", "")), [
        Check(group="reference on the CPU", name="networks", verdict="failed", found=problem, advice=advice)
    ]


class _Sampler:
    """Samples power from its making on, and until it is asked for its checks; the device rests at first."""

    def __init__(self, preferences: tuple[str, ...], folder: Path) -> None:
        self._jsonl = folder / POWER_LOG
        probe = probed(preferences)
        period_s = measuring_period(list(probe.sensors)) if probe.works else None
        slowest_s = max((sensor.update_period_s or period_s or 0.0 for sensor in probe.sensors), default=0.0)
        self.load_s = min(LONGEST_S, max(LOAD_S, LOADS * slowest_s))
        self._process = SamplerProcess.start(self._jsonl, preferences, worker_environment(os.environ), period_s)
        self._process.wait_ready()
        begun_ns = time.monotonic_ns()
        if probe.works:
            time.sleep(min(LONGEST_S, max(REST_S, RESTS * slowest_s)))
        self._rest = (begun_ns, time.monotonic_ns())

    def stop(self) -> SamplerOutcome:
        """Stop sampling; may be called twice."""
        return self._process.stop()

    def checks(self, loaded: Window | None) -> Iterator[Check]:
        """Stop sampling, and judge."""
        outcome = self.stop()
        yield from check_power(read_samples(self._jsonl), outcome.reason, self._rest, loaded)


def _ask(plan: ChildPlan, folder: Path, against: str) -> Ended:
    """Run a child to its end, or until its time is up."""
    folder.mkdir()
    plan.write(folder)
    ended = Ended()
    limit_s = plan.deadline_s + END_S
    with (folder / ERRORS).open("wb") as errors:
        try:
            child = children.start(
                children.python_module("harness.doctor.deep.child", folder, against),
                env=worker_environment(os.environ),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        except OSError as error:
            ended.last_words = f"cannot be started: {error.strerror}"
            return ended
        done_ns = None
        try:
            while not child.has_ended():
                time.sleep(POLL_S)
                done_ns = done_ns or next((line["done"] for line in said(folder) if "done" in line), None)
                since_s = 0.0 if done_ns is None else (time.monotonic_ns() - done_ns) / 1e9
                if since_s > EXIT_S or (done_ns is None and time.monotonic() > limit_s):
                    ended.killed = True
                    break
        finally:
            now_ns = time.monotonic_ns()
            child.end()
    ended.returncode = child.returncode
    for line in said(folder):
        if "check" in line:
            ended.checks.append(Check.model_validate(line["check"]))
        elif "begun" in line:
            ended.begun = str(line["begun"])
        elif "loaded" in line:
            ended.loaded = (int(line["loaded"][0]), int(line["loaded"][1]))
        elif "done" in line:
            ended.exit_s = (now_ns - int(line["done"])) / 1e9
    words = (folder / ERRORS).read_text(encoding="utf-8", errors="replace").splitlines()
    ended.last_words = next((line.strip() for line in reversed(words) if line.strip()), "")
    return ended


def _ending(plan: ChildPlan, ended: Ended) -> Iterator[Check]:
    """How the process ended: measurements of a launch are kept where it dies after its work, and lost where before."""
    name = "end of the process"
    if ended.exit_s is None and ended.killed:
        found = f"the time was up during: {ended.begun}"
        advice = "run this again, now that kernels are compiled and cached, or with a longer --limit"
        yield Check(group=plan.group, name=name, verdict="warning", found=found, advice=advice)
    elif ended.exit_s is None:
        found = f"status {ended.returncode} during: {ended.begun}: {ended.last_words or 'it said nothing'}"
        fault = fault_in(ended.last_words)
        advice = fault.remedy if fault else "the message is the framework's own: check its build, driver and image"
        verdict = "warning" if plan.optional else "failed"
        yield Check(group=plan.group, name=name, verdict=verdict, found=found, advice=advice)  # type: ignore[arg-type]
    elif ended.killed:
        found = f"did not end within {EXIT_S:g} s of its work and was killed"
        advice = "launches keep what they measured, and take so much longer each"
        yield Check(group=plan.group, name=name, verdict="warning", found=found, advice=advice)
    elif ended.returncode:
        found = f"status {ended.returncode} after its work"
        advice = "launches keep what they measured; tell the vendor"
        yield Check(group=plan.group, name=name, verdict="warning", found=found, advice=advice)
    else:
        found = f"{ended.exit_s:.1f} s after its work"
        yield Check(group=plan.group, name=name, verdict="ok", found=found)
