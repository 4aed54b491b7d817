"""Parity certificates of both sides: a port that was the same network and departs now."""

from collections.abc import Sequence

from harness.history.findings import Finding
from harness.history.sides import Side
from harness.porting.parity.certificate import Certificate
from harness.scenario.labels import as_name, label

SAME = "same network"


def parity_findings(baseline: Side, candidate: Side) -> list[Finding]:
    """Regressions where a certificate of the baseline says same network and that of the candidate does not.

    A certificate that the candidate lacks was not made as it should; one that says same network anew is better.
    """
    theirs, ours = (_newest(side.certificates) for side in (baseline, candidate))
    found = []
    for name, before in theirs.items():
        after = ours.get(name)
        if after is None:
            text = f"no parity certificate; the baseline has one: {before.verdict}"
            found.append(Finding(kind="did not run", status="found", cell=name, text=text))
        elif (before.verdict == SAME) != (after.verdict == SAME):
            said = f": {after.diagnosis}" if after.diagnosis else ""
            text = f"parity: {after.verdict}{said}; the baseline: {before.verdict}"
            worse = after.verdict != SAME
            found.append(Finding(kind="parity", status="found", cell=name, text=text, worse=worse))
    return found


def _newest(certificates: Sequence[Certificate]) -> dict[str, Certificate]:
    return {_name(each): each for each in sorted(certificates, key=lambda each: each.made_at)}


def _name(found: Certificate) -> str:
    run = as_name(label(found.execution))
    port = f" port {found.port_name}" if found.port_name else ""
    return f"parity/{found.model} {found.preset} {found.framework}-{run} on {found.chip}{port}"
