"""The comparison of a port with the reference, from the command to certificates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from harness import __version__
from harness.errors import UserError
from harness.frameworks.support import cannot_execute
from harness.launch.survey import matrix_of
from harness.launch.turns import turn
from harness.machine import environment, rehearsal
from harness.porting.parity.certificate import Certificate, Level
from harness.porting.parity.exchange import Answer, ParityPlan, Reference, Trial, answer_path
from harness.porting.parity.judging import FACTOR, FACTOR_LOWERED, diagnose, judge, levels
from harness.processes import ask_child, scratch_folder
from harness.scenario.execution import Execution
from harness.scenario.labels import label
from harness.scenario.scenario import Scenario, Selection

LIMIT_S = 3600.0
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How a port is compared."""

    seed: int = 2026
    batch_size: int = 3
    steps: int = 12
    port: str | None = None
    operators: bool = True
    pythons: Mapping[str, str] = field(default_factory=dict)
    """The Pythons that the chip's file names for frameworks."""


def scenarios_of(model: str | None, preset: str | None, framework: str, chip: str) -> Sequence[Scenario]:
    """The scenarios of a model of the smoke suite, or of all of them, in a framework on a chip.

    Raises UserError where one of them does not exist or cannot run here.
    """
    matrix = matrix_of(Selection(chip=chip, model=model, framework=framework, preset=preset))
    if not matrix.cells:
        raise UserError(f"{framework} on {chip}: {matrix.absent[0].reason}")
    return tuple({scenario.model: scenario for scenario in matrix.cells}.values())


def certify(
    scenario: Scenario,
    executions: Sequence[Execution],
    settings: Settings,
    progress: Progress,
    refused: list[str],
) -> list[Certificate]:
    """A certificate for every execution, all in one autocast, made when no bench has the devices.

    An execution in which the port does not run adds its reason to `refused` and costs no other one. Raises UserError
    where the reference cannot run.
    """
    possible = []
    for execution in executions:
        why = cannot_execute(scenario.framework, scenario.device, execution, scenario.architecture)
        if why is None:
            possible.append(execution)
        else:
            refused.append(f"{_how(scenario, execution)}: {why}")
    if not possible:
        return []
    plan = ParityPlan(
        scenario=scenario,
        trials=(Trial(seed=settings.seed, port=settings.port),),
        batch_size=settings.batch_size,
        steps=settings.steps,
        autocast=executions[0].precision.autocast,
    )
    with turn({scenario.device, "cpu"}, scenario.chip, progress), scratch_folder("parity") as folder:
        plan.write(folder)
        progress(f"{scenario.model} {scenario.preset}: the truth and the yardstick, PyTorch on the CPU")
        run_child("reference", folder, python=settings.pythons.get("pytorch"))
        reference = Reference.read(folder, settings.seed)
        certificates = []
        for execution in possible:
            progress(f"{scenario.model} {scenario.preset}: {scenario.framework} {label(execution)}")
            try:
                certificates.append(_certified(scenario, execution, settings, reference, folder, progress))
            except UserError as error:
                refused.append(f"{_how(scenario, execution)}: {error}")
    return certificates


def _how(scenario: Scenario, execution: Execution) -> str:
    return f"{scenario.model} in {scenario.framework} {label(execution)} on {scenario.chip}"


def _certified(
    scenario: Scenario,
    execution: Execution,
    settings: Settings,
    reference: Reference,
    folder: Path,
    progress: Progress,
) -> Certificate:
    run_child("candidate", folder, execution.model_dump_json(), python=settings.pythons.get(scenario.framework))
    answer = Answer.model_validate_json(answer_path(folder, execution, 0).read_bytes())
    operators = _operators(scenario, execution, settings, progress)
    return _certificate(scenario, execution, settings, reference, answer, operators)


def run_child(role: str, folder: Path, *arguments: str, python: str | None = None) -> None:
    """Run the reference or the candidate in its own process; raises UserError with what it says."""
    said = ask_child(f"{__package__}.{role}", folder, *arguments, timeout_s=LIMIT_S, python=python)
    if reason := said.get("reason"):
        raise UserError(f"{role}: {reason}")


def _certificate(
    scenario: Scenario,
    execution: Execution,
    settings: Settings,
    reference: Reference,
    answer: Answer,
    operators: Level,
) -> Certificate:
    if answer.described is None:
        raise UserError(f"{settings.port or scenario.framework} {label(execution)} does not run: {answer.reason}")
    factor = FACTOR if execution.precision.autocast == "none" else FACTOR_LOWERED
    judged = judge(answer, reference, factor)
    return Certificate(
        model=scenario.model,
        preset=scenario.preset,
        architecture=scenario.architecture,
        architecture_fingerprint=reference.architecture_fingerprint,
        framework=scenario.framework,
        execution=execution,
        chip=scenario.chip,
        port_name=settings.port,
        port=answer.described,
        reference=reference.described,
        seed=settings.seed,
        batch_size=settings.batch_size,
        steps=settings.steps,
        factor=factor,
        levels=(operators, *levels(judged)),
        diagnosis=diagnose(judged, reference.calls),
        only_in_port=answer.only_here,
        only_in_reference=answer.only_in_reference,
        made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        crosscast_version=__version__,
        host=environment.host_digest(),
        purpose=rehearsal.purpose(),
    )


def _operators(scenario: Scenario, execution: Execution, settings: Settings, progress: Progress) -> Level:
    """Every operator that the PyTorch network runs, beside its counterpart in the framework."""
    if scenario.framework != "mindspore":
        return _no_operators("not applicable", "operators are mapped from PyTorch to MindSpore")
    if execution.precision.autocast != "none":
        return _no_operators("not applicable", "operators are compared in float32")
    if not settings.operators:
        return _no_operators("not run", "left out")
    from harness.porting.operators.survey import survey

    rows = survey(
        scenario, execution=execution, seed=settings.seed, console_progress=progress, pythons=settings.pythons
    ).rows
    ran = [row for row in rows if row.status in ("verified", "differs", "fails")]
    departed = [row for row in ran if row.status != "verified"]
    return Level(
        name="operators",
        verdict="failed" if departed else "passed" if ran else "not run",
        compared=len(ran),
        departed=len(departed),
        first=(),
        reason="; ".join(f"{row.operator}: {row.reason or row.status}" for row in departed) or None,
    )


def _no_operators(verdict: Literal["not run", "not applicable"], reason: str) -> Level:
    return Level(name="operators", verdict=verdict, compared=0, departed=0, reason=reason)
