"""On an accelerator host the framework comes with the vendor's image, and all that is in the image stays as it is."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from fake_wheels import make_wheel, unpack

from tests.setup.conftest import PYTHON_NAME, SYSTEM_PYTHON

VENV = ".venv-accelerator"


class Image:
    """A vendor's image: a Python and the folder of its packages."""

    def __init__(self, packages, wheels):
        self.packages = packages
        self.wheels = wheels

    def add(self, name, version, *requires):
        unpack(make_wheel(self.wheels, name, version, *requires), self.packages)

    def content(self):
        return {path: path.stat().st_mtime_ns for path in self.packages.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture
def image(project, tmp_path):
    """An image that keeps its packages outside the Python that sees them."""
    return furnish(tmp_path)


@pytest.fixture
def image_in_environment(project, tmp_path):
    """An image that keeps its packages in a virtual environment of its own."""
    made = [project.python, "-m", "venv", "--without-pip", "--system-site-packages", tmp_path / "image"]
    subprocess.run(made, check=True)
    project.environment = {"PYTHONUSERBASE": str(tmp_path / "of no user")}
    project.python = tmp_path / "image" / "bin" / "python"
    return furnish(tmp_path)


@pytest.fixture
def another_python(tmp_path):
    """The same packages seen from another place."""
    made = [SYSTEM_PYTHON, "-m", "venv", "--without-pip", "--system-site-packages", tmp_path / "another"]
    subprocess.run(made, check=True)
    return tmp_path / "another" / "bin" / "python"


def furnish(folder, torch="2.5.0a0+872d972e41.nv24.08"):
    """An image with PyTorch, or without any package."""
    (folder / "vendor").mkdir()
    image = Image(folder / "image" / "lib" / PYTHON_NAME / "site-packages", folder / "vendor")
    if torch is not None:
        image.add("torch", torch)
    return image


def set_up(project):
    return project.set_up("--accelerator", VENV)


def where(project, module):
    return project.evaluate(VENV, f"import {module}; print({module}.VERSION, {module}.__file__)")


@pytest.mark.parametrize("kind", ["image", "image_in_environment"])
def test_packages_of_the_image_are_seen_and_kept(project, kind, request):
    image = request.getfixturevalue(kind)
    image.add("wavelib", "2.4")
    before = image.content()
    made = set_up(project)
    assert made.returncode == 0, made.stderr
    assert project.installed(VENV) == {"crosscast-0.1.0", "oceanlib-1.5"}
    assert where(project, "torch") == f"2.5.0a0+872d972e41.nv24.08 {image.packages}/torch.py"
    assert where(project, "wavelib") == f"2.4 {image.packages}/wavelib.py"
    assert image.content() == before

    again = set_up(project)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_changed_image_is_set_up_anew(project, image, another_python):
    """By the Python that is named; where none is, that which made an environment goes on only while it fits."""
    assert set_up(project).returncode == 0
    assert "wavelib-2.5" in project.installed(VENV)
    again = project.set_up("--any-python", "--accelerator", VENV, python=another_python)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    image.add("wavelib", "2.4")
    made = project.set_up("--any-python", "--accelerator", VENV, python=another_python)
    assert (made.returncode, made.stdout.startswith("making ")) == (0, True), made.stderr
    assert project.installed(VENV) == {"crosscast-0.1.0", "oceanlib-1.5"}
    assert (
        another_python.parent == Path(json.loads((project.folder / VENV / "setup.json").read_text())["python"]).parent
    )


def test_what_an_image_has_for_its_users_does_not_keep_pip_from_the_environment(project, image, tmp_path):
    """The constraint of NVIDIA's containers, a site's folder of packages, a greeting and a broken installation."""
    image.add("wavelib", "1.0")
    (tmp_path / "constraint.txt").write_text("torch==2.5.0a0+872d972e41.nv24.08\nwavelib==1.0\n")
    project.environment |= {"PIP_CONSTRAINT": str(tmp_path / "constraint.txt"), "PIP_TARGET": str(tmp_path / "site")}
    (image.packages / "greeting.pth").write_text("import sys; print('Welcome to the image')\n")
    (image.packages / "broken-1.0.dist-info").mkdir()
    (image.packages / "broken-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\n")
    made = set_up(project)
    assert made.returncode == 0, made.stderr
    assert f"wavelib 2.5 lies in {VENV} before the system's 1.0, which stays" in made.stdout
    assert project.installed(VENV) == {"crosscast-0.1.0", "oceanlib-1.5", "wavelib-2.5"}
    assert not (tmp_path / "site").exists()


def test_pins_give_way_to_the_frameworks_world(project, image):
    image.add("torch_npu", "2.5.0", "wavelib")
    image.add("wavelib", "2.1")
    made = set_up(project)
    assert made.returncode == 0, made.stderr
    assert "constraints.txt does not fit the system's packages" in made.stdout
    assert project.installed(VENV) == {"crosscast-0.1.0", "oceanlib-1.0"}
    assert where(project, "wavelib").startswith("2.1 ")


def test_what_no_framework_needs_may_lie_in_the_environment_before_the_image(project, image):
    image.add("wavelib", "1.0")
    before = image.content()
    made = set_up(project)
    assert made.returncode == 0, made.stderr
    assert f"wavelib 2.5 lies in {VENV} before the system's 1.0, which stays" in made.stdout
    assert project.installed(VENV) == {"crosscast-0.1.0", "oceanlib-1.5", "wavelib-2.5"}
    assert where(project, "wavelib").startswith("2.5 ")
    assert image.content() == before


def test_the_binding_of_nvml_is_no_part_of_a_framework(project, image):
    project.replace("pyproject.toml", '"wavelib>=2"', '"wavelib>=2", "nvidia-ml-py>=12.535"')
    project.replace("constraints.txt", "nvidia-ml-py==", "nvidia-ml-py>=12.535,!=")
    image.add("nvidia-ml-py", "11.0")
    image.add("nvidia-cublas-cu12", "12.1")
    made = set_up(project)
    assert made.returncode == 0, made.stderr
    assert f"nvidia-ml-py 13.0 lies in {VENV} before the system's 11.0, which stays" in made.stdout


@pytest.mark.parametrize("minimum", [">=1.26", ">=1.26,<2"])
def test_numpy_of_an_image_is_never_told_to_become_2(project, image, minimum):
    project.replace("pyproject.toml", '"wavelib>=2"', f'"wavelib>=2", "numpy{minimum}"')
    image.add("numpy", "1.24.0")
    refused = set_up(project)
    assert refused.returncode == 1
    assert "<2" in refused.stderr.rpartition("pip install 'numpy")[2]


def test_conflict_names_package_need_and_way_out(project, image):
    image.add("torch_npu", "2.5.0", "wavelib")
    image.add("wavelib", "1.0")
    project.environment["PIP_CONSTRAINT"] = os.devnull
    refused = set_up(project)
    assert (refused.returncode, refused.stdout.count("\n")) == (1, 1)
    (line,) = refused.stderr.splitlines()
    assert "wavelib 1.0 does not fit, crosscast needs wavelib>=2: " in line
    assert re.search(r"\(PIP_CONSTRAINT= \S+ -m pip install 'wavelib>=2'\)", line)
    assert not (project.folder / VENV / "setup.json").exists()


def test_conflict_names_the_need_that_is_not_met(project, image):
    """And not one that the system's version meets, of which the remedy would change nothing."""
    project.replace("pyproject.toml", '"oceanlib>=1", ', '"oceanlib>=1,<1.5", ')
    image.add("torch_npu", "2.5.0", "wavelib")
    image.add("wavelib", "1.0")
    refused = set_up(project)
    assert "pip install 'wavelib>=2'" in refused.stderr
