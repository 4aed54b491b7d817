"""Gather the wheels of a set-up for a machine without a package index: run in the environment of `make`.

    make wheelhouse PY=3.11 ARCH=aarch64 IMAGE=freeze.txt

gathers what `make venv CHIP=...` installs beside the packages of an image, on this machine, which may be of another
kind. `freeze.txt` is what `python -m pip list --format=freeze` says in the image, to whose packages the wheels are
fitted; without it the versions are those of constraints.txt. There, PIP_NO_INDEX=1 and PIP_FIND_LINKS=wheelhouse make
pip use them.
"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement

from harness.setup_venv import (
    CONSTRAINTS,
    FRAMEWORK_WORLD,
    PIP,
    PYPROJECT,
    VERSION,
    PinConflict,
    SetupError,
    failure_in,
    name_of,
)

GLIBC = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014", "manylinux_2_12")
"""Tags of the C libraries of the images, Ubuntu 20.04 and openEuler 22.03 or newer, newest first."""

FOR_TARGET = """
import json, os, sys
from pip._vendor.packaging import markers
target = json.loads(os.environ.pop("CROSSCAST_TARGET"))
here = markers.default_environment
markers.default_environment = lambda: {**here(), **target}
from pip._internal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""pip, whose markers would be those of the Python that runs it, whatever the platform that it is asked for."""


class WheelhouseError(Exception):
    """Why there are no wheels, in one line."""


def main() -> None:
    """Entry point: a line of what was gathered, or one line of why nothing was."""
    parser = argparse.ArgumentParser(description="Gather wheels for a machine without a package index.")
    parser.add_argument("folder", type=Path, help="folder that gets the wheels")
    parser.add_argument("--python", default="3.11", help="Python of the other machine, such as 3.11")
    parser.add_argument("--arch", default="aarch64", help="its processor: aarch64 or x86_64")
    parser.add_argument("--image", type=Path, help="what `pip list --format=freeze` says in its image")
    arguments = parser.parse_args()
    try:
        gather(arguments.folder, python=arguments.python, arch=arguments.arch, image=arguments.image)
    except (WheelhouseError, OSError) as error:
        sys.exit(f"crosscast: no wheelhouse: {error}")
    found = sorted(arguments.folder.glob("*.whl"))
    size_mb = sum(path.stat().st_size for path in found) / 1e6
    print(
        f"{arguments.folder}: {len(found)} wheels, {size_mb:.0f} MB, for Python {arguments.python} on {arguments.arch}"
    )


def gather(folder: Path, *, python: str, arch: str, image: Path | None = None, report: Path | None = None) -> None:
    """Download the wheels of a set-up, or write pip's report of which they are without downloading any.

    Raises WheelhouseError where something has no wheel, or does not fit the packages of the image.
    """
    target = target_of(python, arch)
    kept = {} if image is None else pins_in(image)
    ours = pins(target)
    wanted = [*requirements(target), *build_requirements()]
    while (said := _pip(folder, wanted, [*kept.values(), *_others(ours, kept)], target, report)) is not None:
        failure = failure_of(said)
        name = name_of(failure.name) if isinstance(failure, PinConflict) else ""
        if name in kept and not FRAMEWORK_WORLD.fullmatch(name):
            del kept[name]
        elif ours and isinstance(failure, PinConflict):
            ours = []
        else:
            raise WheelhouseError(str(failure))


def _others(pinned: Sequence[str], kept: Mapping[str, str]) -> list[str]:
    return [line for line in pinned if name_of(line) not in kept]


def failure_of(said: str) -> SetupError:
    """What pip's output says went wrong, in one line."""
    lines = [line for line in said.splitlines() if not line.startswith("ERROR: Ignored the following")]
    return failure_in("\n".join(lines))


def target_of(python: str, arch: str) -> dict[str, str]:
    """What environment markers say on the other machine. Raises WheelhouseError for one that is none."""
    if not re.fullmatch(r"3\.\d+", python) or arch not in ("aarch64", "x86_64"):
        raise WheelhouseError(f"PY={python} ARCH={arch}: give a Python such as 3.11, and aarch64 or x86_64")
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": arch,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def requirements(target: Mapping[str, str]) -> list[str]:
    """What the harness requires there, the frameworks aside."""
    found = re.search(r"^dependencies = (\[.*?^\])", PYPROJECT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return _holding(ast.literal_eval(found[1]) if found else (), target)


def pins(target: Mapping[str, str]) -> list[str]:
    """The lines of constraints.txt that hold there."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return _holding([line for line in lines if line and not line.startswith("#")], target)


def build_requirements() -> list[str]:
    """What installs the checkout itself."""
    found = re.search(r"^requires = (\[.+\])$", PYPROJECT.read_text(encoding="utf-8"), re.MULTILINE)
    return [*(ast.literal_eval(found[1]) if found else ()), "editables"]


def pins_in(image: Path) -> dict[str, str]:
    """The pins in a file of an image's packages. Raises WheelhouseError where it is no list of them."""
    try:
        found = pins_of(image.read_text(encoding="utf-8-sig"))
    except ValueError:
        found = {}
    if not found:
        raise WheelhouseError(
            f"IMAGE={image} has no line name==version in UTF-8: make it with pip list --format=freeze"
        )
    return found


def pins_of(listed: str) -> dict[str, str]:
    """The pins of an image's packages by name, from what `pip list --format=freeze` says there."""
    found = (re.fullmatch(r"([\w.-]+)==(\S+)", line.strip()) for line in listed.splitlines())
    return {name_of(each[1]): each[0] for each in found if each and VERSION.fullmatch(each[2])}


def _holding(lines: Sequence[str], target: Mapping[str, str]) -> list[str]:
    """The requirements whose markers hold on the other machine, without them."""
    found = [Requirement(line) for line in lines]
    return [
        f"{each.name}{each.specifier}"
        for each in found
        if each.marker is None or each.marker.evaluate({**target, "extra": ""})
    ]


def _pip(
    folder: Path, wanted: Sequence[str], pinned: Sequence[str], target: Mapping[str, str], report: Path | None
) -> str | None:
    """What pip printed where it failed, or None."""
    version, arch = target["python_version"], target["platform_machine"]
    tags = [word for tag in GLIBC for word in ("--platform", f"{tag}_{arch}")]
    with TemporaryDirectory() as scratch:
        constraints = Path(scratch, "constraints.txt")
        constraints.write_text("\n".join(pinned), encoding="utf-8")
        where = (
            ["download", "--dest", str(folder)]
            if report is None
            else ["install", "--dry-run", "--ignore-installed", "--target", scratch, "--report", str(report)]
        )
        options = ["--only-binary=:all:", "--python-version", version, "--implementation", "cp", *tags]
        done = subprocess.run(
            [sys.executable, "-c", FOR_TARGET, *where, *options, "-c", str(constraints), *wanted],
            env={**os.environ, **PIP, "CROSSCAST_TARGET": json.dumps(target)},
            capture_output=True,
            text=True,
        )
    return None if done.returncode == 0 else done.stdout + done.stderr


if __name__ == "__main__":
    main()
