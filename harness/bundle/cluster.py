"""The names of the hosts and users of a cluster, as the files of its jobs and the logs of their launches tell them."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from harness.launch.submission import ledger, state
from harness.results.file_names import NODE_TERMS
from harness.results.record import FILE_NAME as RECORD

HOSTS = {state.FILE_NAME: "node", ledger.FILE_NAME: "host", NODE_TERMS: "address"}
"""The files that name a host, with the field that does."""

USERS = {ledger.FILE_NAME: "user"}

HOST = r"[A-Za-z][\w.-]*\w(?:\[[\d,-]+\])?"
"""A host's name, or several as Slurm writes them: n[1-3]."""

IN_RECORDS = re.compile(rf"\bnode ({HOST}(?: and {HOST})*)(?=: | is lost|;|$)")
"""Other nodes of a launch, in its reason and in those of its energy (harness.launch.nodes)."""

IN_LOGS = re.compile(
    rf"^srun: \w+: ({HOST}): tasks? \d|"
    rf"^srun: .*\b(?:node|failure on) ({HOST})|"
    rf"\bON ({HOST}) CANCELLED\b|"
    rf"^\s*host\s*: ({HOST})\s*$|"
    rf"\bconnect(?:ed)? to [\[(]({HOST})[\],]",
    re.MULTILINE,
)
"""Lines of srun, slurmstepd, torchrun and of the ranks of PyTorch."""


class Named(NamedTuple):
    """Names of hosts and of users."""

    hosts: frozenset[str]
    users: frozenset[str]


def named_in(texts: Mapping[str, str]) -> Named:
    """The names that files tell, given by their places."""
    hosts: set[str] = set()
    users: set[str] = set()
    for place, text in texts.items():
        name = Path(place).name
        if name == RECORD:
            hosts.update(_of_record(_json(text)))
        elif name in HOSTS:
            content = _json(text)
            hosts.update(_field(content, HOSTS[name]))
            users.update(_field(content, USERS.get(name, "")))
        elif not name.endswith(".json"):
            hosts.update(each for found in IN_LOGS.findall(text) for each in found if each)
    return Named(frozenset(hosts), frozenset(users))


def _json(text: str) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None


def _field(content: Any, name: str) -> Iterable[str]:
    value = content.get(name) if isinstance(content, dict) else None
    return [value] if isinstance(value, str) else []


def _of_record(content: Any) -> Iterator[str]:
    """The nodes that a record of several names: its texts call each of them `node NAME`."""
    if isinstance(content, dict) and content.get("nodes"):
        for text in _texts([content.get("reason"), content.get("energy")]):
            for found in IN_RECORDS.findall(text):
                yield from found.split(" and ")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
