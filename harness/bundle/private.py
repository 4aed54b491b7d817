"""The names that a bundle must not hold: of the people and hosts here, and of those that files tell of."""

import contextlib
import getpass
import ipaddress
import os
import platform
import pwd
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from harness.machine.identity import HOST_VARIABLE
from harness.results.record import Record
from harness.scenario import catalogue
from harness.scenario.folders import Kind

IN_HOME = re.compile(r"/(?:home|Users|users)/([^/\s:;,'\"()\[\]<>|\\]+)")
"""The name of whoever a home folder belongs to."""

NOBODY = frozenset(
    (
        *("admin", "administrator", "builder", "centos", "debian", "docker", "ec2-user", "guest", "hwhiaiuser"),
        *("jovyan", "ma-user", "nobody", "root", "runner", "shared", "ubuntu", "user", "users"),
    )
)
"""Accounts of images and systems, which are nobody's name."""

NOWHERE = frozenset({"localhost", "localhost.localdomain", "localdomain", "host"})
LOOPBACK = ("127.", "::1", "0.0.0.0", "00:00:00:00:00:00", "169.254.", "fe80:")
NAME_VARIABLES = ("USER", "LOGNAME", "USERNAME", "SUDO_USER")
HOST_VARIABLES = (HOST_VARIABLE, "HOSTNAME", "HOST", "SLURMD_NODENAME", "SLURM_JOB_NODELIST")
LISTED = re.compile(r"([^\s,\[\]]+)(?:\[([\d,-]+)\])?")
RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
MOST_LISTED = 10_000
KINDS: tuple[Kind, ...] = ("chips", "suites", "models", "data", "weights", "claims")


@dataclass(frozen=True)
class Private:
    """Names of people and hosts, addresses of this host, and home folders; each without those that are nobody's."""

    users: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    homes: frozenset[str] = frozenset()

    def with_names(self, users: Iterable[str] = (), hosts: Iterable[str] = ()) -> "Private":
        """These and other names of people and hosts."""
        return Private(self.users | _people(users), self.hosts | _places(hosts), self.addresses, self.homes)


def private_here(environ: Mapping[str, str] = os.environ) -> Private:
    """What is private of this process and the machine that it runs on; nothing is asked of the network."""
    users = {environ.get(name, "") for name in NAME_VARIABLES}
    homes = {environ.get("HOME", "")}
    with contextlib.suppress(RuntimeError):
        homes.add(str(Path.home()))
    with contextlib.suppress(KeyError, OSError):
        users.add(getpass.getuser())
    with contextlib.suppress(KeyError):
        entry = pwd.getpwuid(os.getuid())
        users |= {entry.pw_name, entry.pw_gecos.split(",")[0]}
        homes.add(entry.pw_dir)
    hosts = {environ.get(name, "") for name in HOST_VARIABLES} | {socket.gethostname(), platform.node()}
    with contextlib.suppress(OSError):
        hosts.add(Path("/etc/hostname").read_text().strip())
    return Private(
        users=_people(users),
        hosts=_places(hosts),
        addresses=frozenset(_addresses()),
        homes=frozenset(home.rstrip("/") for home in homes if len(home.strip("/")) > 1 and home.startswith("/")),
    )


def people_in(text: str) -> frozenset[str]:
    """The names of people whose home folders a text names."""
    return _people(IN_HOME.findall(text))


@cache
def words_of_records() -> frozenset[str]:
    """Words that records use, in small letters: as a name of a person or host they stay, or no record could be read."""
    found = {name for kind in KINDS for name in catalogue.names(kind)}
    found |= set(_words(Record.model_json_schema()))
    return frozenset(word.casefold() for word in found)


def _words(schema: Any) -> Iterable[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "properties":
                yield from value
            if key == "const" and isinstance(value, str):
                yield value
            if key == "enum":
                yield from (each for each in value if isinstance(each, str))
            yield from _words(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from _words(each)


def _people(names: Iterable[str]) -> frozenset[str]:
    found = {name.strip() for name in names}
    return frozenset(name for name in found if len(name) > 1 and name.casefold() not in NOBODY)


def _places(names: Iterable[str]) -> frozenset[str]:
    """The names of hosts, each whole and without its domain, and the domains; of an address the whole alone."""
    found: set[str] = set()
    for name in (each for listed in names for each in {listed.strip(), *_listed(listed)}):
        short, _, domain = name.partition(".")
        found |= {name} if _is_address(name) else {name, short, *([domain] if "." in domain else [])}
    return frozenset(name for name in found if len(name) > 1 and name.casefold() not in NOWHERE)


def _listed(names: str) -> Iterable[str]:
    """The names in a list as Slurm writes it: n[08-10,12] are n08, n09, n10 and n12."""
    for stem, numbers in LISTED.findall(names):
        if not numbers:
            yield stem
        for first, last in RANGE.findall(numbers):
            until = min(int(last or first), int(first) + MOST_LISTED)
            yield from (f"{stem}{number:0{len(first)}}" for number in range(int(first), until + 1))


def _is_address(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


def _addresses() -> Iterable[str]:
    with contextlib.suppress(OSError):
        for of_interface in psutil.net_if_addrs().values():
            for each in of_interface:
                address = each.address.partition("%")[0]
                if address and not address.startswith(LOOPBACK):
                    yield address
