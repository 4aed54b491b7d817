"""Whether the networks of two compared cells are certified to be the same one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from harness.analysis.cells import Cell
from harness.analysis.comparison.pair import Comparison, ParityNote
from harness.analysis.content import launches_text
from harness.porting.parity.certificate import Certificate, Verdict
from harness.scenario.execution import EAGER, Compilation, Execution, Precision
from harness.scenario.labels import label
from harness.suggesting import command

REFERENCE = ("pytorch", EAGER, "cpu")
"""What every certificate is made against, which needs none itself."""

DECIDING_FIRST: Sequence[Verdict] = ("departs", "same network", "incomplete")
"""Which of several certificates counts: a network that departs at one size is not the same one at another."""


def with_parity(comparisons: Mapping[Cell, Comparison], certificates: Sequence[Certificate]) -> dict[Cell, Comparison]:
    """The comparisons, those that are fair with a note of what the certificates say of their two networks."""
    return {
        cell: replace(found, parity=_note(cell, found.baseline, certificates))
        if found.fair and found.baseline and found.baseline.launches and cell.launches
        else found
        for cell, found in comparisons.items()
    }


def _note(cell: Cell, baseline: Cell, certificates: Sequence[Certificate]) -> ParityNote:
    certified: list[_Certified] = []
    for each in (cell, baseline):
        found = _every_launch(each, certificates)
        if isinstance(found, str):
            return ParityNote(False, found)
        certified += found
    if len({each.reference for each in certified}) > 1:
        return ParityNote(False, "certified against other sources of the PyTorch network than the baseline's")
    said = dict.fromkeys(_says(each.certificate) for each in certified if each.certificate)
    return ParityNote(True, "; ".join(said) or "the same sources of the PyTorch network")


@dataclass(frozen=True)
class _Certified:
    """The sources of the PyTorch network that launches are certified against; without a certificate they ran those."""

    reference: str
    certificate: Certificate | None


def _every_launch(cell: Cell, certificates: Sequence[Certificate]) -> Sequence[_Certified] | str:
    """What certifies the launches of a cell, or why nothing certifies some of them: medians are taken over all."""
    certified: list[_Certified] = []
    runs = _runs(cell)
    for ran, launches in runs.items():
        found = _certified(cell, ran, certificates)
        if isinstance(found, str):
            return f"{launches_text(launches)}: {found}" if len(runs) > 1 else found
        certified.append(found)
    if len({each.reference for each in certified}) > 1:
        return f"the launches of {cell.label} are of several sources of the PyTorch network"
    return certified


class _Ran(NamedTuple):
    """What of a launch its certificate must be of."""

    sources: str
    version: str
    device: str
    device_name: str


def _runs(cell: Cell) -> Mapping[_Ran | None, Sequence[int]]:
    """The numbers of the launches by what they ran, None where their records do not say: most cells have but one."""
    found: dict[_Ran | None, list[int]] = defaultdict(list)
    for launch, summary in cell.summaries.items():
        framework, sources = summary.framework, summary.sources
        if framework is None or sources is None:
            found[None].append(launch)
        else:
            found[_Ran(sources, framework.version, framework.device, framework.device_name)].append(launch)
    return found


def _certified(cell: Cell, ran: _Ran | None, certificates: Sequence[Certificate]) -> _Certified | str:
    """What certifies the launches that ran so, or why nothing does.

    A certificate that departs outweighs all that do not, whatever preset they are of.
    """
    scenario = cell.scenario
    if ran is None:
        return f"the record of {cell.label} does not say which sources ran"
    if scenario.port is None and (scenario.framework, computed(scenario.execution), ran.device) == REFERENCE:
        return _Certified(ran.sources, None)
    of_cell = [each for each in certificates if _is_of(each, cell)]
    fitting = [each for each in of_cell if _holds(each, cell, ran)]
    if not fitting:
        port = f", port {scenario.port.name}" if scenario.port else ""
        what = f"{scenario.framework} {label(computed(scenario.execution))}{port}"
        why = f"{what} has no parity certificate"
        if of_cell:
            why = f"the parity certificate of {cell.label} is of {_what_differs(of_cell[-1], cell, ran)}"
        return f"{why}; {_remedy(cell)}"
    deciding = min(fitting, key=lambda each: (DECIDING_FIRST.index(each.verdict), each.preset != scenario.preset))
    if deciding.verdict == "same network":
        return _Certified(deciding.reference.sources, deciding)
    return f"the parity certificate of {cell.label} (preset {deciding.preset}) {_what_is_wrong(deciding)}"


def _what_is_wrong(certificate: Certificate) -> str:
    if certificate.verdict == "incomplete":
        return "is incomplete: a level was not run"
    reasons = (level.reason for level in certificate.levels if level.verdict == "failed")
    why = certificate.diagnosis or next(filter(None, reasons), None)
    return f"says that it departs{f': {why}' if why else ''}"


def _remedy(cell: Cell) -> str:
    """The command that makes a certificate, or why none does."""
    scenario = cell.scenario
    execution = computed(scenario.execution)
    mode, autocast = execution.compilation.mode, execution.precision.autocast
    if execution != Execution(compilation=Compilation(mode=mode), precision=Precision(autocast=autocast)):
        return f"certificates are not made of {label(execution)}"
    where = [
        "--framework",
        scenario.framework,
        "--execution",
        mode,
        "--chip",
        scenario.files.get("chip", scenario.chip),
    ]
    where += [] if autocast == "none" else ["--autocast", autocast]
    where += ["--port", scenario.port.name] if scenario.port else []
    model = scenario.files.get("model", scenario.model)
    return f"make one: {command('parity', model, '--preset', scenario.preset, *where, results=cell.results)}"


def _is_of(certificate: Certificate, cell: Cell) -> bool:
    scenario = cell.scenario
    port = scenario.port.name if scenario.port else None
    return certificate.port_name == port and (
        certificate.architecture,
        certificate.framework,
        computed(certificate.execution),
    ) == (scenario.architecture, scenario.framework, computed(scenario.execution))


@lru_cache(maxsize=2**10)
def computed(execution: Execution) -> Execution:
    """What of an execution can change the numbers that a network computes by more than rounding.

    That is the mode, the operators, and the formats of products and layers.
    """
    return Execution(
        compilation=Compilation(mode=execution.compilation.mode),
        precision=Precision(autocast=execution.precision.autocast, matmul=execution.precision.matmul),
        operators=execution.operators,
    )


def _holds(certificate: Certificate, cell: Cell, ran: _Ran) -> bool:
    port = certificate.port
    return (port.sources, port.version, port.device) == (ran.sources, ran.version, ran.device) and _chip_of(
        certificate, cell, ran
    ) == cell.scenario.chip


def _chip_of(certificate: Certificate, cell: Cell, ran: _Ran) -> str:
    """The chip that a certificate is of: the cell's, if their devices have the same name, whatever its file is called.

    A framework calls chips of several kinds, and of several vendors, by one name of the device, such as cuda.
    """
    return cell.scenario.chip if certificate.port.device_name == ran.device_name else certificate.chip


def _what_differs(certificate: Certificate, cell: Cell, ran: _Ran) -> str:
    port = certificate.port
    pairs = (
        ("version", port.version, ran.version),
        ("device", port.device, ran.device),
        ("chip", _chip_of(certificate, cell, ran), cell.scenario.chip),
    )
    differing = [f"{name} {theirs}, not {ours}" for name, theirs, ours in pairs if theirs != ours]
    return " and ".join(differing) or "other sources"


def _says(certificate: Certificate) -> str:
    return (
        f"{certificate.framework} {label(certificate.execution)} is the same network as PyTorch "
        f"(parity certificate of {certificate.made_at[:10]}, preset {certificate.preset})"
    )
