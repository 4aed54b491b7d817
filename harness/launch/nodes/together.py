"""What the nodes of a launch have measured, each for itself, as one for its record."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from collectors.accounting.energy import total
from collectors.accounting.nodes import over_nodes
from harness.launch.nodes.messages import Report
from harness.results.phases import Energy, Idle, PhaseEnergy, ScopeEnergy
from harness.results.record import Load, Node

NOTHING = Energy(collector=None, reason="no account of its energy came from there")
NO_PHASE = "the phase did not end there"


def nodes_of(first: Node, reports: Mapping[int, Report | None]) -> tuple[Node, ...]:
    """The nodes of a launch in order, from the first and what the others have left."""
    others = (
        Node(node=number, environment=None)
        if report is None
        else Node(
            node=number,
            environment=report.environment,
            differences=report.differences,
            load=report.load,
            energy=report.energy,
        )
        for number, report in sorted(reports.items())
    )
    return (first, *others)


def load_of_all(first: Load, nodes: Sequence[Node]) -> Load:
    """The load of the first node, and of foreign work that of the node with most of it."""
    loads = [node.load for node in nodes if node.load is not None]
    return first.model_copy(
        update={
            "foreign_cores": max(each.foreign_cores for each in loads),
            "foreign": any(each.foreign for each in loads),
        }
    )


def energy_of_all(nodes: Mapping[str, Energy | None], devices_each: int) -> Energy:
    """The energy of all nodes, by name in order, of which each has so many devices of the launch.

    Without a number, and with a reason that names the node, where any has no sensor or has left nothing; of scopes of
    the host the same.
    """
    each = {name: energy or NOTHING for name, energy in nodes.items()}
    scopes = dict.fromkeys(scope.scope for energy in each.values() for scope in energy.hosts)
    hosts = tuple(_of_scope(scope, each) for scope in scopes)
    without = tuple(f"{name}: {line}" for name, energy in each.items() for line in energy.without)
    lacking = {name: energy.reason for name, energy in each.items() if energy.collector is None}
    if lacking:
        told = set(lacking.values())
        alike = len(told) == 1 and len(lacking) == len(each)
        reason = told.pop() if alike else "; ".join(f"{name}: {why}" for name, why in lacking.items())
        return Energy(collector=None, reason=reason, hosts=hosts, without=without)
    first = next(iter(each.values()))
    remarks = [f"{name}: {energy.reason}" for name, energy in each.items() if energy.reason]
    return Energy(
        collector=" and ".join(dict.fromkeys(filter(None, (energy.collector for energy in each.values())))),
        reason="; ".join(remarks) or None,
        idle=_idle({name: energy.idle for name, energy in each.items()}),
        calibrations=tuple(one for energy in each.values() for one in energy.calibrations),
        sampling=first.sampling,
        phases=_phases({name: energy.phases for name, energy in each.items()}, devices_each),
        hosts=hosts,
        without=without,
        device_uses=tuple(
            replace(use, device=number * devices_each + use.device)
            for number, energy in enumerate(each.values())
            for use in energy.device_uses
        ),
    )


def _of_scope(scope: str, nodes: Mapping[str, Energy]) -> ScopeEnergy:
    found = {name: next((one for one in energy.hosts if one.scope == scope), None) for name, energy in nodes.items()}
    known = [one for one in found.values() if one is not None]
    return ScopeEnergy(
        scope=scope,
        collector=" and ".join(dict.fromkeys(one.collector for one in known)),
        idle=_idle({name: None if one is None else one.idle for name, one in found.items()}),
        phases=_phases({name: f"no sensor of {scope}" if one is None else one.phases for name, one in found.items()}),
    )


def _idle(nodes: Mapping[str, Idle | None]) -> Idle | None:
    """The power at rest of all nodes; None where a node has been given no rest."""
    known = {name: idle for name, idle in nodes.items() if idle is not None}
    if len(known) < len(nodes):
        return None
    return Idle(
        before_w=total(idle.before_w for idle in known.values()),
        after_w=total(idle.after_w for idle in known.values()),
        power_w=total(idle.power_w for idle in known.values()),
        reasons=tuple(f"{name}: {reason}" for name, idle in known.items() for reason in idle.reasons),
    )


def _phases(nodes: Mapping[str, Sequence[PhaseEnergy] | str], devices_each: int = 0) -> tuple[PhaseEnergy, ...]:
    """Each phase that any node has, of all of them; a text says why a node has none."""
    by_name = {
        name: {each.phase: each for each in found} for name, found in nodes.items() if not isinstance(found, str)
    }
    made = []
    for phase in dict.fromkeys(phase for found in by_name.values() for phase in found):
        own = {name: by_name[name].get(phase) if name in by_name else None for name in nodes}
        why = {name: told if isinstance(told, str) else NO_PHASE for name, told in nodes.items()}
        window = over_nodes({name: each.window if each else why[name] for name, each in own.items()}, devices_each)
        if window is None:
            continue
        made.append(
            PhaseEnergy(
                phase=phase,
                window=window,
                net_energy_j=total(each.net_energy_j if each else None for each in own.values()),
                net_reason=next(
                    (
                        f"{name}: {each.net_reason if each else why[name]}"
                        for name, each in own.items()
                        if each is None or each.net_reason
                    ),
                    None,
                ),
            )
        )
    return tuple(made)
