"""Every operator of the table of choices on the device: value and gradients against float64."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from harness.errors import one_line
from harness.frameworks.base import Framework
from harness.models.operators.cases import Array, adam_cases, cases
from harness.models.operators.choices import Operator, serving
from harness.results.deep_report import BoundedValue, Check

TOLERANCE = 1e-5
"""L2 norm of the difference over that of the truth. Right operators in float32 on a CPU are off 3e-8 to 3e-7."""


def check_operators(framework: Framework, group: str) -> Iterator[Check]:
    """One check of all operators that are right, and one of each that is not."""
    described = framework.describe()
    probes = import_module(f"harness.frameworks.{described.name}.probes")
    right: list[BoundedValue] = []
    names = []
    for operator, name, measure in _measurements(framework, probes):
        by = (
            framework.adam_kernel()
            if operator == "adam"
            else serving(operator, "auto", described.name, described.device)
        )
        try:
            off = {f"{name} ({by}), {what}": value for what, value in measure().items()}
        except Exception as error:
            yield Check(
                group=group,
                name=name,
                verdict="failed",
                found=f"{by}: does not run: {one_line(error)}",
                advice=_advice(operator, described.name, described.device),
            )
            continue
        measured = [BoundedValue(what=what, value=_finite(value), at_most=TOLERANCE) for what, value in off.items()]
        wrong = {what: value for what, value in off.items() if not value <= TOLERANCE}
        if wrong:
            yield Check(
                group=group,
                name=name,
                verdict="failed",
                found=f"{by}: off by {max(wrong.values()):.1e} of its size, allowed {TOLERANCE:.0e} "
                f"({', '.join(what.partition('), ')[2] for what in wrong)})",
                advice=_advice(operator, described.name, described.device),
                measured=tuple(measured),
            )
            continue
        right += measured
        names.append(f"{name} {by}")
    if names:
        worst = max(right, key=lambda each: each.value or 0.0)
        yield Check(
            group=group,
            name="operators",
            verdict="ok",
            found=f"{', '.join(names)}: values and gradients within {worst.value:.0e} of float64 "
            f"(allowed {TOLERANCE:.0e})",
            measured=tuple(right),
        )


def _measurements(framework: Framework, probes: Any) -> Iterator[tuple[Operator, str, Any]]:
    """Operator, name and what measures how far its value and gradients are off."""
    for case in cases():

        def measure(case: Any = case) -> Mapping[str, float]:
            value, slopes = probes.run(framework, case)
            truth, true_slopes = case.truth
            by_input = {f"gradient by {name}": _off(slopes[name], true) for name, true in true_slopes.items()}
            return {"value": _off(value, truth), **by_input}

        yield case.operator, case.name, measure
    for update in adam_cases():

        def moved(update: Any = update) -> Mapping[str, float]:
            before = update.weights.astype(np.float64)
            found = probes.adam(framework, update)
            return {f"{len(update.rates)} updates": _off(found - before, update.truth - before)}

        yield "adam", {"adam": "Adam", "adamw": "AdamW"}[update.config.name], moved


def _off(found: Array, truth: Array) -> float:
    """L2 norm of the difference over that of the truth; infinite where they cannot be compared."""
    if found.shape != truth.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.linalg.norm(found.astype(np.float64) - truth) / np.linalg.norm(truth))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _advice(operator: Operator, framework: str, device: str) -> str:
    return (
        f"choose what else serves {operator} for ({framework}, {device}) in harness/models/operators/choices.py and "
        "run this again; until then no number of a network that uses it counts"
    )
