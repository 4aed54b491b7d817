"""Whether the networks of two compared cells are certified to be the same one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from harness.analysis.cells import Cell
from harness.analysis.comparison.pair import Comparison, ParityNote
from harness.frameworks.base import FrameworkDescription
from harness.porting.parity.certificate import Certificate
from harness.scenario.execution import EAGER, Compilation, Execution, Precision
from harness.scenario.labels import label
from harness.suggesting import command

REFERENCE = ("pytorch", EAGER, "cpu")
"""What every certificate is made against, which needs none itself."""


def with_parity(comparisons: Mapping[Cell, Comparison], certificates: Sequence[Certificate]) -> dict[Cell, Comparison]:
    """The comparisons, those that are fair with a note of what the certificates say of their two networks."""
    return {
        cell: replace(found, parity=_note(cell, found.baseline, certificates))
        if found.fair and found.baseline and found.baseline.launches and cell.launches
        else found
        for cell, found in comparisons.items()
    }


def _note(cell: Cell, baseline: Cell, certificates: Sequence[Certificate]) -> ParityNote:
    found = [_certified(each, certificates) for each in (cell, baseline)]
    for each in found:
        if isinstance(each, ParityNote):
            return each
    certified = [each for each in found if isinstance(each, _Certified)]
    if len({each.reference for each in certified}) > 1:
        return ParityNote(False, "certified against other sources of the PyTorch network than the baseline's")
    made = [each.certificate for each in certified if each.certificate]
    return ParityNote(True, "; ".join(map(_says, made)) or "the same sources of the PyTorch network")


@dataclass(frozen=True)
class _Certified:
    """The sources of the PyTorch network that a cell is certified against; it is that itself without a certificate."""

    reference: str
    certificate: Certificate | None


def _certified(cell: Cell, certificates: Sequence[Certificate]) -> _Certified | ParityNote:
    summary = cell.summaries[cell.launches[-1].launch]
    scenario, ran, sources = cell.scenario, summary.framework, summary.sources
    if ran is None or sources is None:
        return ParityNote(False, f"the record of {cell.label} does not say which sources ran")
    if scenario.port is None and (scenario.framework, computed(scenario.execution), ran.device) == REFERENCE:
        return _Certified(sources, None)
    of_cell = [each for each in certificates if _is_of(each, cell)]
    fitting = [each for each in of_cell if _holds(each, cell, ran, sources)]
    if not fitting:
        port = f", port {scenario.port.name}" if scenario.port else ""
        what = f"{scenario.framework} {label(computed(scenario.execution))}{port}"
        why = f"{what} has no parity certificate"
        if of_cell:
            why = f"the parity certificate of {cell.label} is of {_what_differs(of_cell[-1], cell, ran)}"
        return ParityNote(False, f"{why}; {_remedy(cell)}")
    best = next((each for each in fitting if each.verdict == "same network"), fitting[-1])
    if best.verdict != "same network":
        found = f"says that it departs: {best.diagnosis}" if best.diagnosis else "is incomplete: a level was not run"
        return ParityNote(False, f"the parity certificate of {cell.label} {found}")
    return _Certified(best.reference.sources, best)


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


def _holds(certificate: Certificate, cell: Cell, ran: FrameworkDescription, sources: str) -> bool:
    port = certificate.port
    return (port.sources, port.version, port.device) == (sources, ran.version, ran.device) and _chip_of(
        certificate, cell, ran
    ) == cell.scenario.chip


def _chip_of(certificate: Certificate, cell: Cell, ran: FrameworkDescription) -> str:
    """The chip that a certificate is of: the cell's, if their devices have the same name, whatever its file is called.

    A framework calls chips of several kinds, and of several vendors, by one name of the device, such as cuda.
    """
    return cell.scenario.chip if certificate.port.device_name == ran.device_name else certificate.chip


def _what_differs(certificate: Certificate, cell: Cell, ran: FrameworkDescription) -> str:
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
