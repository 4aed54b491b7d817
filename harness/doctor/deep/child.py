"""One framework in one execution on the device, in a child process: `python -m harness.doctor.deep.child FOLDER`."""

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from harness.doctor.deep import operators, products
from harness.doctor.deep.networks import answers, judge, sample_of, truth_path
from harness.doctor.deep.plan import ChildPlan, Voice
from harness.errors import UserError, one_line
from harness.frameworks import open_framework
from harness.frameworks.base import Framework
from harness.results.deep_report import Check
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig
from harness.scenario.scenario import Scenario
from harness.scenario.variants import as_variant

GIB = 2**30
LEAST_FREE = 0.9
"""Share of a device's memory that is free where nobody else is on it."""


def main(folder: Path, against: str) -> None:
    """Make the checks of the plan, each written as it is made."""
    plan, voice = ChildPlan.read(folder), Voice(folder)
    voice.begin("opening the device")
    try:
        framework = open_framework(plan.framework, plan.device, plan.execution)
        described = framework.describe()
        catalogue.check_device(plan.chip, plan.chip_file.device_name, described.device_name)
    except UserError as error:
        voice.check(_does_not_open(plan, str(error)))
        voice.done()
        return
    packages = ", ".join(f"{name} {version}" for name, version in described.packages.items())
    voice.check(Check(group=plan.group, name="device", verdict="ok", found=f"{described.device_name}, {packages}"))
    peak_tflops = peak_of(plan.chip_file, described.device_name)
    parts: list[tuple[str, Callable[[], Iterator[Check]]]] = []
    if plan.products:
        parts += [
            ("free memory", partial(_free_memory, framework, plan.group)),
            ("precision of products", partial(products.check_precision, framework, plan.group)),
            ("synchronise", partial(products.check_clock, framework, plan.group, peak_tflops)),
        ]
    if plan.operators:
        parts.append(("operators", partial(operators.check_operators, framework, plan.group)))
    if plan.load_s:
        parts.append(("load for the power sensor", partial(_load, framework, plan.load_s, voice)))
    for scenario in plan.scenarios:
        parts.append((scenario.model, partial(_network, framework, scenario, plan, against, voice)))
    for name, make in parts:
        if time.monotonic() > plan.deadline_s:
            voice.check(not_in_time(plan.group, name))
            continue
        voice.begin(name)
        try:
            for check in make():
                voice.check(check)
        except Exception as error:
            traceback.print_exc()
            voice.check(_does_not_run(plan, name, one_line(error)))
    voice.done()


def not_in_time(group: str, name: str) -> Check:
    """A part for which no time was left."""
    return Check(
        group=group,
        name=name,
        verdict="warning",
        found="not looked at: the time for all checks was up",
        advice="run this again, now that kernels are compiled and cached, or with a longer --limit",
    )


def _does_not_open(plan: ChildPlan, found: str) -> Check:
    advice = "see the rest of this page; nothing can be measured before that is mended"
    return _problem(plan, "device", found, advice)


def _does_not_run(plan: ChildPlan, name: str, found: str) -> Check:
    advice = "the message is the framework's own; nothing that needs this part can be measured here"
    return _problem(plan, name, found, advice)


def _problem(plan: ChildPlan, name: str, found: str, advice: str) -> Check:
    if plan.optional:
        advice = f"leave {plan.group} out of the suites here: no suite runs it unasked"
        return Check(group=plan.group, name=name, verdict="warning", found=found, advice=advice)
    return Check(group=plan.group, name=name, verdict="failed", found=found, advice=advice)


def peak_of(chip: ChipConfig, device_name: str) -> float | None:
    """The peak in float32 of the variant that a device is, in TFLOP/s; None where the chip's file does not know it."""
    peak = as_variant(chip, device_name).peak_tflops.fp32
    return peak.value if peak else None


def _free_memory(framework: Framework, group: str) -> Iterator[Check]:
    described = framework.describe()
    told = import_module(f"harness.frameworks.{described.name}.probes").free_memory(framework)
    if told is None:
        return
    free, total = told
    found = f"{free / GIB:.1f} of {total / GIB:.1f} GiB"
    if free >= LEAST_FREE * total:
        yield Check(group=group, name="free memory", verdict="ok", found=found)
    else:
        advice = "find who holds the rest (the vendor's tool lists processes) or choose another device"
        yield Check(group=group, name="free memory", verdict="warning", found=found, advice=advice)


def _load(framework: Framework, seconds: float, voice: Voice) -> Iterator[Check]:
    voice.loaded(*products.keep_busy(framework, seconds))
    yield from ()


def _network(framework: Framework, scenario: Scenario, plan: ChildPlan, against: str, voice: Voice) -> Iterator[Check]:
    path = truth_path(Path(plan.truths), scenario)
    if not path.exists():
        yield Check(
            group=plan.group,
            name=scenario.model,
            verdict="warning",
            found="the CPU gave nothing to compare it with",
            advice="see the check of the reference",
        )
        return
    found = answers(framework, sample_of(scenario), lambda part: voice.begin(f"{scenario.model}, {part}"))
    with np.load(path) as truth:
        yield judge(found, dict(truth), plan.group, scenario.model, against, plan.chip)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
