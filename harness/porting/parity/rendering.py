"""A certificate for people: on the terminal and as Markdown."""

from collections.abc import Sequence

from rich.table import Table

from harness import text
from harness.porting.parity.certificate import Certificate, Departure, Level
from harness.scenario.labels import label

COLUMNS = ("level", "", "compared", "depart", "largest against its tolerance", "deviation", "allowed")

OF_FLOAT32 = (
    "Allowed is {factor:g} times what float32 PyTorch is off itself: as it is, with one thread, without oneDNN and "
    "with the samples of a batch reversed. Modules were run in the network and, op by op, alone: on the inputs that "
    "they meet there and on the same with scaled rows."
)
OF_LOWERED = "Allowed is {factor:g} times what PyTorch on the CPU is off itself in the same lower format."


def table(certificate: Certificate) -> Table:
    """One row a level."""
    made = Table(*COLUMNS, title=title(certificate), title_justify="left")
    for level in certificate.levels:
        made.add_row(*_row(level))
    return made


def title(certificate: Certificate) -> str:
    """What was compared with what."""
    port, reference = certificate.port, certificate.reference
    how = f"{port.framework} {port.version} {label(certificate.execution)} on {port.device_name}"
    name = f", port {certificate.port_name}" if certificate.port_name else ""
    return (
        f"{certificate.model} {certificate.preset} in {how}{name}, against PyTorch {reference.version} in float64: "
        f"{certificate.verdict}"
    )


def remarks(certificate: Certificate) -> list[str]:
    """What the table does not say: the layer that departs, levels that did not run, modules without a counterpart."""
    lines = [f"First to depart: {certificate.diagnosis}."] if certificate.diagnosis else []
    lines += [f"{level.name}: {level.verdict}: {level.reason}." for level in certificate.levels if level.reason]
    for where, names in (("the port", certificate.only_in_port), ("PyTorch", certificate.only_in_reference)):
        if names:
            lines.append(f"Modules that are called only in {where}: {', '.join(names)}.")
    return lines


def markdown(certificate: Certificate) -> str:
    """The certificate as a document."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(map(text.markdown_cell, _row(level)) for level in certificate.levels)]
    lines = [f"# Parity: {text.markdown(title(certificate))}", ""]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", *(f"- {text.markdown(line)}" for line in remarks(certificate))]
    lines += [f"  - {text.markdown(str(finding))}" for level in certificate.levels for finding in level.first]
    lines += [
        "",
        "Deviations are relative to PyTorch on the CPU in float64. "
        + (OF_FLOAT32 if certificate.execution.precision.autocast == "none" else OF_LOWERED).format(
            factor=certificate.factor
        ),
        "",
        f"Seed {certificate.seed}, batches of {certificate.batch_size}, {certificate.steps} training steps; "
        f"{certificate.made_at}, host {certificate.host}, crosscast {certificate.crosscast_version}.",
        f"Sources: {certificate.port.sources} here, {certificate.reference.sources} in PyTorch; architecture "
        f"{certificate.architecture_fingerprint}.",
    ]
    return "\n".join(lines) + "\n"


def _row(level: Level) -> Sequence[str]:
    counts = (str(level.compared), str(level.departed)) if level.compared else ("-", "-")
    return (level.name, level.verdict, *counts, *_worst(level.worst))


def _worst(finding: Departure | None) -> Sequence[str]:
    if finding is None:
        return "-", "-", "-"
    what = " ".join(part for part in (finding.quantity, finding.name, finding.part) if part)
    off = "not comparable" if finding.deviation is None else f"{finding.deviation:.1e}"
    return what, off, f"{finding.tolerance:.1e}"
