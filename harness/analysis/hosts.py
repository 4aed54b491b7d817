"""Which hosts stand in one column of a table: the one rule for tables and for the launches that a bench leaves out.

Containers of one machine and nodes of one cluster have names of their own. Hosts of the same kind stand apart where
each has completed every launch that any of them has; where one lacks some, their launches are pooled.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from harness.results.record import Environment, Record

Pool = tuple[str, ...]
"""Names of hosts, sorted, whose launches count together; one where it stands alone."""


class HostKind(NamedTuple):
    """What hosts share whose times may be compared: the name and number of CPUs, and the names of all accelerators.

    Each name stands once: a record holds as many accelerators as its launch used.
    """

    cpu_name: str
    cpu_count: int
    accelerators: tuple[str, ...]


def kind_of(environment: Environment) -> HostKind:
    """The kind of the host that an environment describes."""
    names = sorted({device.name or "" for device in environment.accelerator.devices})
    return HostKind(environment.cpu_name, environment.cpu_count, tuple(names))


def pools(records: Iterable[Record]) -> dict[str, Pool]:
    """The pool of every host, from all records of cells that would stand in one table."""
    kinds: dict[str, set[HostKind]] = defaultdict(set)
    completed: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for record in records:
        host = record.environment.host
        kinds[host].add(kind_of(record.environment))
        if record.status == "completed":
            completed[host].add((record.cell, record.launch))
    found: dict[str, Pool] = {}
    for alike in _alike(kinds):
        wanted = set().union(*(completed[host] for host in alike))
        apart = all(completed[host] == wanted for host in alike)
        found |= {host: (host,) if apart else alike for host in alike}
    return found


def _alike(kinds: Mapping[str, set[HostKind]]) -> list[Pool]:
    """The hosts in sets of those that share a kind with another of their set."""
    found: list[tuple[set[str], set[HostKind]]] = []
    for host, of_host in kinds.items():
        joined, apart = ({host}, set(of_host)), []
        for hosts, shared in found:
            if shared & joined[1]:
                joined = (joined[0] | hosts, joined[1] | shared)
            else:
                apart.append((hosts, shared))
        found = [*apart, joined]
    return [tuple(sorted(hosts)) for hosts, _ in found]
