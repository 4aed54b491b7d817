"""Whether the versions of packages are those that a framework on a chip needs."""

import re
from collections.abc import Iterator, Mapping, Sequence

RELEASE = re.compile(r"\d+(\.\d+)*")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a requirement begins with."""


def unmet(needs: Mapping[str, str], versions: Mapping[str, str | None]) -> Iterator[str]:
    """A line for each version that is not within what is needed, such as {"torch": ">=2.4,<2.14"}.

    A pre-release counts as what comes before its release. What is not installed, or does not tell its version, passes.
    """
    for name, needed in needs.items():
        version = versions.get(name)
        if version is not None and not is_within(version, needed):
            yield f"{name} {version} is installed, and {name} {needed} is needed"


def is_within(version: str, needed: str) -> bool:
    """Whether a version is within bounds; one in no form that Python knows counts by the numbers that it begins with.

    Without such numbers it is taken to be right.
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(needed).contains(Version(version), prereleases=True)
    except InvalidVersion:
        release = RELEASE.match(version)
        return release is None or SpecifierSet(needed).contains(release[0])


def disagreements(versions: Mapping[str, str | None], requires: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A line for each package of these that requires another of them in a version that is not there.

    `requires` has each one's requirements as its metadata states them.
    """
    if len(versions) < 2:
        return
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    installed = {canonicalize_name(name): name for name in versions}
    for name, lines in requires.items():
        for line in lines:
            name_wanted = NAME.match(line.lstrip())
            if name_wanted is None or canonicalize_name(name_wanted[0]) not in installed:
                continue
            try:
                wanted = Requirement(line)
            except InvalidRequirement:
                continue
            other = installed.get(canonicalize_name(wanted.name))
            version = versions.get(other) if other else None
            if version is None or (wanted.marker is not None and not wanted.marker.evaluate({"extra": ""})):
                continue
            if not is_within(version, str(wanted.specifier)):
                yield f"{name} {versions[name]} needs {other} {wanted.specifier}, and {other} {version} is installed"
