"""Real wheels of tiny packages: a module of one line each."""

import zipfile
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str, *requires: str) -> Path:
    """A wheel that any pip installs, with one module that holds its version."""
    name = name.replace("-", "_")
    metadata = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{metadata}/METADATA": "\n".join(
            [
                "Metadata-Version: 2.1",
                f"Name: {name}",
                f"Version: {version}",
                *(f"Requires-Dist: {r}" for r in requires),
            ]
        ),
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nGenerator: crosscast\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{metadata}/RECORD"])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in {**files, f"{metadata}/RECORD": record}.items():
            archive.writestr(path, content)
    return wheel


def unpack(wheel: Path, folder: Path) -> None:
    """Put a wheel's files into a folder of packages, as an image's maker does."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
