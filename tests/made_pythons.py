"""Pythons beside the one of the tests: real environments of it, light ones, and packages as installers leave them."""

import sys
import venv
from pathlib import Path

PYTHON_NAME = f"python3.{sys.version_info.minor}"


def make_environment(folder: Path, *, sees_ours: bool = True) -> Path:
    """An environment without pip and its Python; it sees the packages of the Python of the tests unless told otherwise.

    Its own packages come before those.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    if sees_ours:
        entries = [entry for entry in sys.path if "site-packages" in entry or not entry.startswith(sys.base_prefix)]
        text = "".join(f"{entry}\n" for entry in entries if Path(entry).is_dir())
        (packages_of(folder) / "of_the_tests.pth").write_text(text)
    return folder / "bin" / PYTHON_NAME


def packages_of(folder: Path) -> Path:
    """Where an environment keeps its packages."""
    return folder / "lib" / PYTHON_NAME / "site-packages"


def install(packages: Path, name: str, version: str | None, *requires: str) -> None:
    """A module of this name, with the metadata of an installed package, or without any where `version` is None."""
    packages.mkdir(parents=True, exist_ok=True)
    (packages / f"{name}.py").touch()
    if version is None:
        return
    metadata = packages / f"{name}-{version}.dist-info"
    metadata.mkdir()
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    (metadata / "METADATA").write_text("\n".join(lines) + "\n")
