import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fake_wheels import make_wheel

REPOSITORY = Path(__file__).parents[2]
PYTHON_NAME = f"python3.{sys.version_info.minor}"
SYSTEM_PYTHON = Path(sys.base_prefix, "bin", PYTHON_NAME)

PYPROJECT = """\
[build-system]
requires = []
build-backend = "build_backend"
backend-path = ["."]

[project]
name = "crosscast"
version = "0.1.0"
requires-python = ">=3.10,<3.13"
dependencies = ["oceanlib>=1", "wavelib>=2"]

[project.optional-dependencies]
pytorch = ["torch>=2.4"]
mindspore = ["mindspore>=2.10"]
dev = ["devtool"]
"""
PINS = ["devtool==1.0", "mindspore==2.10.0", "oceanlib==1.5", "torch==2.13.0", "wavelib==2.5"]


@dataclass
class Project:
    """A checkout with few dependencies, and the Python of the machine it lies on."""

    folder: Path
    wheels: Path
    python: Path = SYSTEM_PYTHON
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, python: Path | None = None) -> subprocess.Popen[str]:
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.Popen(
            [python or self.python, "harness/setup_venv.py", *arguments],
            cwd=self.folder,
            env={**kept, **settings, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def set_up(self, *arguments: str, python: Path | None = None) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, python=python)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def replace(self, name: str, old: str, new: str) -> None:
        file = self.folder / name
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def installed(self, folder: str) -> set[str]:
        """Names and versions in the environment itself, pip and setuptools aside."""
        packages = self.folder / folder / "lib" / PYTHON_NAME / "site-packages"
        found = {path.name.removesuffix(".dist-info") for path in packages.glob("*.dist-info")}
        return {name for name in found if not name.startswith(("pip-", "setuptools-"))}

    def evaluate(self, folder: str, code: str) -> str:
        """What the environment's Python prints."""
        return subprocess.run(
            [self.folder / folder / "bin" / "python", "-c", code],
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that a set-up here may install."""
    folder = tmp_path_factory.mktemp("wheels")
    for name, version, *requires in (
        ("devtool", "1.0"),
        ("mindspore", "2.10.0"),
        ("torch", "2.13.0"),
        ("oceanlib", "1.0", "wavelib>=1"),
        ("oceanlib", "1.5", "wavelib>=2.4"),
        ("wavelib", "1.0"),
        ("wavelib", "2.1"),
        ("wavelib", "2.5"),
        ("tidelib", "1.0"),
        ("nvidia-ml-py", "13.0"),
        ("hatchling", _pinned("hatchling")),
    ):
        make_wheel(folder, name, version, *requires)
    return folder


def _pinned(name: str) -> str:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))


@pytest.fixture(scope="session")
def tools() -> None:
    """Skip where the machine's Python cannot make environments."""
    if subprocess.run([SYSTEM_PYTHON, "-c", "import ensurepip, pip, venv"], capture_output=True).returncode:
        pytest.skip(f"{SYSTEM_PYTHON} lacks pip or venv")


@pytest.fixture
def project(tmp_path: Path, wheels: Path, tools: None) -> Project:
    folder = tmp_path / "my project"
    (folder / "harness").mkdir(parents=True)
    (folder / "harness" / "__init__.py").touch()
    shutil.copy(REPOSITORY / "harness" / "setup_venv.py", folder / "harness")
    shutil.copy(Path(__file__).with_name("build_backend.py"), folder)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    pins = (REPOSITORY / "constraints.txt").read_text().splitlines()
    ours = [line for line in pins if not line.startswith(("torch==", "mindspore=="))]
    (folder / "constraints.txt").write_text("\n".join([*ours, *PINS, ""]))
    return Project(folder, wheels, environment={"PYTHONUSERBASE": str(tmp_path / "image")})
