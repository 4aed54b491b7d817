"""A survey of the operators of a network: traced and run in PyTorch, run in MindSpore, each in its own process."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import write_atomically
from harness.launch.turns import turn
from harness.porting.operators import compare
from harness.porting.operators.calls import ANSWERS, REQUEST, TRACE, Answer, Answers, Call, Phase, Request, Trace
from harness.porting.operators.report import OperatorReport, OperatorRow
from harness.porting.operators.support import Operator, OperatorMap, Platform, operator_map
from harness.processes import ask_child, scratch_folder
from harness.scenario.execution import Execution
from harness.scenario.labels import label
from harness.scenario.scenario import Scenario

LIMIT_S = 1800.0
MOST_SHAPES = 4
NO_PYTHONS: Mapping[str, str] = {}

Progress = Callable[[str], None]


def survey(
    scenario: Scenario,
    *,
    execution: Execution,
    seed: int,
    console_progress: Progress | None = None,
    pythons: Mapping[str, str] = NO_PYTHONS,
) -> OperatorReport:
    """The operators of a training step of a scenario, run on its device in MindSpore.

    `pythons` are those of frameworks that run in another Python than this one.

    Raises UserError where one of the frameworks cannot run.
    """
    request = Request(scenario=scenario, seed=seed, device=scenario.device, execution=execution)
    return run(f"{scenario.model} {scenario.preset}", request, console_progress, pythons)


def run(
    network: str, request: Request, progress: Progress | None = None, pythons: Mapping[str, str] = NO_PYTHONS
) -> OperatorReport:
    """The operators of a network by any name, run in both frameworks when no bench has the devices.

    Raises UserError where one of them cannot run, or the request names no network.
    """
    with (
        turn({request.device, "cpu"}, request.device, lambda line: _tell(progress, line)),
        scratch_folder("operators") as folder,
    ):
        trace = _trace(network, request, folder, progress, pythons)
        execution = label(request.execution)
        _tell(progress, f"{network}: the same operators in MindSpore, {execution}")
        _child("mindspore", folder, pythons)
        ours, theirs = (_answers(folder, framework) for framework in ("mindspore", "pytorch"))
    rows = _rows(
        trace,
        operator_map(),
        {answer.call: answer for answer in ours.answers},
        {answer.call: answer for answer in theirs.answers},
    )
    return OperatorReport(
        network=network,
        target=request.device,
        pytorch_version=trace.version,
        mindspore_version=ours.version,
        execution=execution,
        seed=request.seed,
        rows=tuple(rows),
    )


def documented(network: str, request: Request, platform: Platform, progress: Progress | None = None) -> OperatorReport:
    """The operators of a network with what MindSpore's documentation says of them on a platform; none is run.

    Raises UserError where the request names no network.
    """
    with scratch_folder("operators") as folder:
        trace = _trace(network, request.model_copy(update={"run": False}), folder, progress, NO_PYTHONS)
    known = operator_map()
    return OperatorReport(
        network=network,
        target=platform,
        pytorch_version=trace.version,
        mindspore_version=None,
        execution="documented",
        seed=request.seed,
        rows=tuple(_documented_row(row, known, platform) for row in _rows(trace, known, {}, {})),
    )


def _trace(
    network: str, request: Request, folder: Path, progress: Progress | None, pythons: Mapping[str, str]
) -> Trace:
    write_atomically(folder / REQUEST, request.model_dump_json())
    _tell(progress, f"{network}: operators of a training step in PyTorch")
    _child("pytorch", folder, pythons)
    return Trace.model_validate_json((folder / TRACE).read_bytes())


def _child(framework: str, folder: Path, pythons: Mapping[str, str]) -> None:
    said = ask_child(f"{__package__}.{framework}", folder, timeout_s=LIMIT_S, python=pythons.get(framework))
    if mistake := said.get("mistake"):
        raise UserError(mistake)
    if reason := said.get("reason"):
        raise UserError(f"{framework}: {reason}")


def _answers(folder: Path, framework: str) -> Answers:
    return Answers.model_validate_json((folder / f"{framework}.{ANSWERS}").read_bytes())


def _tell(progress: Progress | None, text: str) -> None:
    if progress is not None:
        progress(text)


def _rows(
    trace: Trace, known: OperatorMap, ours: Mapping[int, Answer], theirs: Mapping[int, Answer]
) -> list[OperatorRow]:
    """One row for each operator in each phase, in the order in which they are first called."""
    groups: dict[tuple[str, Phase], list[int]] = {}
    for number, call in enumerate(trace.calls):
        groups.setdefault((call.operator, call.phase), []).append(number)
    rows = []
    for (operator, phase), numbers in groups.items():
        calls = [trace.calls[number] for number in numbers]
        row = OperatorRow(
            operator=operator,
            phase=phase,
            count=sum(call.count for call in calls),
            shapes=_distinct(tensor.shape for call in calls for tensor in call.tensors[:1])[:MOST_SHAPES],
            dtypes=_distinct(tensor.dtype for call in calls for tensor in call.tensors),
            kind="missing",
            counterpart=None,
            status="not run",
        )
        rows.append(_completed(row, calls[0], known, [(ours.get(n), theirs.get(n)) for n in numbers]))
    return [_through_gradient(row, rows, known) for row in rows]


def _completed(
    row: OperatorRow, call: Call, known: OperatorMap, answers: list[tuple[Answer | None, Answer | None]]
) -> OperatorRow:
    base = call.base
    if base in known.layout:
        return row.model_copy(update={"kind": "layout", "reason": "moves, shapes or converts"})
    if base in known.gradients:
        return row.model_copy(
            update={"kind": "native", "counterpart": f"gradient of {', '.join(known.gradients[base])}"}
        )
    entry = known.operators.get(base)
    if entry is None:
        reason = "no counterpart is listed in operators.yaml: compose it, and run it beside PyTorch's"
        return row.model_copy(update={"reason": reason})
    row = row.model_copy(update={"kind": entry.kind, "counterpart": entry.counterpart, "reason": entry.note})
    ran = [(mine, reference) for mine, reference in answers if mine is not None and reference is not None]
    return row.model_copy(update=_measured(entry, ran) if ran else _why_not(entry, answers))


def _measured(entry: Operator, ran: list[tuple[Answer, Answer]]) -> dict[str, object]:
    if failed := [mine.reason for mine, _ in ran if mine.reason]:
        return {"status": "fails", "reason": failed[0]}
    values = [
        pair for mine, reference in ran for pair in _pairs(mine.values, reference.values, reference.output_dtypes)
    ]
    slopes = [pair for mine, reference in ran for pair in _pairs(mine.gradients, reference.gradients, ())]
    value, gradient = compare.worst(values), compare.worst(slopes)
    differs = any(off is not None and allowed is not None and off > allowed for off, allowed in (value, gradient))
    return {
        "value_deviation": value[0],
        "value_tolerance": value[1],
        "gradient_deviation": gradient[0],
        "gradient_tolerance": gradient[1],
        "pytorch_s": ran[0][1].step_s,
        "mindspore_s": ran[0][0].step_s,
        "status": "differs" if differs else "verified",
    }


def _pairs(
    mine: tuple[float, ...], reference: tuple[float, ...], dtypes: tuple[str, ...]
) -> Iterable[tuple[float, float]]:
    for place, (off, own) in enumerate(zip(mine, reference, strict=False)):
        exact = bool(dtypes) and not dtypes[place].startswith("float")
        yield off, compare.tolerance(own, exact=exact)


def _why_not(entry: Operator, answers: list[tuple[Answer | None, Answer | None]]) -> dict[str, object]:
    if entry.random:
        return {"reason": "its values are drawn: there is nothing to compare"}
    reasons = [reference.reason for _, reference in answers if reference is not None and reference.reason]
    return {"reason": reasons[0]} if reasons else {}


def _through_gradient(row: OperatorRow, rows: list[OperatorRow], known: OperatorMap) -> OperatorRow:
    """An operator that is only the gradient of others stands as these do, whose gradients were compared."""
    base = row.operator.split(".")[1]
    forward = [
        each
        for each in rows
        if each.phase == "forward" and each.operator.split(".")[1].removesuffix("_") in known.gradients.get(base, ())
    ]
    if row.kind != "native" or not forward or base not in known.gradients:
        return row
    worst = max(forward, key=lambda each: ("verified", "not run", "fails", "differs").index(each.status))
    update = {"status": worst.status, "reason": "compared as the gradient of the operator"}
    return row.model_copy(
        update={
            **update,
            "gradient_deviation": worst.gradient_deviation,
            "gradient_tolerance": worst.gradient_tolerance,
        }
    )


def _documented_row(row: OperatorRow, known: OperatorMap, platform: Platform) -> OperatorRow:
    base = row.operator.split(".")[1].removesuffix("_")
    names = [base] if base in known.operators else list(known.gradients.get(base, ()))
    entries = [known.operators[name] for name in names if name in known.operators]
    if not entries or row.kind in ("layout", "missing"):
        return row
    lacking = sorted({api for entry in entries for api in known.lacking(entry, platform)})
    if not lacking:
        return row.model_copy(update={"status": "documented"})
    hint = known.hints.get(platform, "")
    pages = ", ".join(f"{api} ({known.page(api)})" for api in lacking)
    reason = f"not documented for {platform}: {pages}; {hint}"
    return row.model_copy(update={"kind": "missing", "status": "documented", "reason": reason})


def _distinct(values: Iterable[object]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))
