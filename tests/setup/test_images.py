"""Set-up on the packages of real images: made with the image untouched, or one line that says what to do.

What the index offers are made wheels with the requirements of real ones: the versions of constraints.txt and some older
ones, which older packages of an image need.
"""

import re
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from fake_wheels import make_wheel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_vendor_image import VENV, furnish, set_up

from harness.machine.versions import disagreements, unmet
from harness.scenario import catalogue
from tests.setup.conftest import REPOSITORY

IMAGES = yaml.safe_load(Path(__file__).with_name("images.yaml").read_text())
OLDER = {
    ("zarr", "2.17.1"): ["asciitree", "numpy>=1.23", "numcodecs>=0.10.0", "fasteners"],
    ("numcodecs", "0.12.1"): ["numpy>=1.7"],
    ("asciitree", "1.0.0"): [],
    ("fasteners", "0.20"): [],
    ("xarray", "2024.7.0"): ["numpy>=1.23", "packaging>=23.1", "pandas>=2.0"],
    ("pandas", "2.2.3"): ["numpy>=1.22.4", "python-dateutil>=2.8.2", "pytz>=2020.1", "tzdata>=2022.7"],
    ("pytz", "2024.1"): [],
    ("scipy", "1.11.4"): ["numpy<1.28.0,>=1.21.6"],
    ("matplotlib", "3.9.4"): [
        "contourpy>=1.0.1",
        "cycler>=0.10",
        "fonttools>=4.22.0",
        "kiwisolver>=1.3.1",
        "numpy>=1.23",
        "packaging>=20.0",
        "pillow>=8",
        "pyparsing>=2.3.1",
        "python-dateutil>=2.7",
    ],
    ("contourpy", "1.2.1"): ["numpy>=1.20"],
    ("dask", "2024.8.0"): [
        "click>=8.1",
        "cloudpickle>=1.5.0",
        "fsspec>=2021.09.0",
        "packaging>=20.0",
        "partd>=1.4.0",
        "pyyaml>=5.3.1",
        "toolz>=0.10.0",
    ],
    ("h5py", "3.12.1"): ["numpy>=1.19.3"],
    ("cftime", "1.6.4"): ["numpy>1.13.3"],
    ("cf-xarray", "0.10.0"): ["xarray"],
    ("pint", "0.24.4"): ["platformdirs>=2.1.0", "typing-extensions>=4.0.0", "flexcache>=0.3", "flexparser>=0.4"],
    ("netcdf4", "1.7.2"): ["cftime", "certifi", "numpy"],
}
"""Requirements of releases that go with an older NumPy, as their metadata state them."""

WORLD = {
    "protobuf",
    "triton",
    "nvidia-modelopt",
    "torch-tensorrt",
    "torch-npu",
    "pytorch-triton",
    "hccl",
    "torch",
    "mindspore",
    "te",
    "sympy",
    "torchvision",
    "numpy",
    "scipy",
}


@pytest.fixture(scope="session")
def index(wheels):
    """What the index has of the harness's real requirements."""
    pins = {}
    for line in (REPOSITORY / "constraints.txt").read_text().splitlines():
        if "==" in line and ((found := Requirement(line)).marker is None or found.marker.evaluate()):
            pins[canonicalize_name(found.name)] = str(found.specifier).removeprefix("==")
    waiting, made = [canonicalize_name(found.name) for found in core()], set()
    while waiting:
        name = waiting.pop()
        if name in made or name not in pins:
            continue
        made.add(name)
        needs = [line for line in metadata.requires(name) or () if "extra ==" not in line]
        holding = [found for found in map(Requirement, needs) if found.marker is None or found.marker.evaluate()]
        underscored = name.replace("-", "_")
        if not [*wheels.glob(f"{underscored}-{pins[name]}-*.whl")]:
            make_wheel(wheels, underscored, pins[name], *(f"{each.name}{each.specifier}" for each in holding))
        waiting += [canonicalize_name(each.name) for each in holding]
    for (name, version), needs in OLDER.items():
        make_wheel(wheels, name.replace("-", "_"), version, *needs)
    return made


def core():
    """What pyproject.toml requires, where its markers hold."""
    text = (REPOSITORY / "pyproject.toml").read_text()
    lines = re.findall(r'^    "(.+)",$', text[text.index("\ndependencies = [") : text.index("[project.optional")], re.M)
    return [found for found in map(Requirement, lines) if found.marker is None or found.marker.evaluate()]


@pytest.fixture
def image(project, index, tmp_path):
    """An image without packages, and the harness with its real requirements and pins."""
    text = (project.folder / "pyproject.toml").read_text()
    listed = ", ".join(f'"{each.name}{each.specifier}"' for each in core())
    assert "dask" in index
    project.replace("pyproject.toml", '["oceanlib>=1", "wavelib>=2"]', f"[{listed}]")
    assert text != (project.folder / "pyproject.toml").read_text()
    (project.folder / "constraints.txt").write_text((REPOSITORY / "constraints.txt").read_text())
    return furnish(tmp_path, torch=None)


def fill(image, said):
    requires = {canonicalize_name(name): lines for name, lines in said.get("requires", {}).items()}
    for name, version in said["packages"].items():
        image.add(name.replace("-", "_"), version, *requires.get(canonicalize_name(name), ()))


@pytest.mark.parametrize("name", IMAGES)
def test_set_up_on_the_packages_of_an_image(project, image, name):
    said = IMAGES[name]
    fill(image, said)
    before = image.content()
    made = set_up(project)
    assert image.content() == before
    if said["set_up"] != "made":
        assert made.returncode == 1
        (line,) = made.stderr.splitlines()
        assert re.search(said["set_up"], line)
        return
    assert made.returncode == 0, made.stderr
    shadowing = {canonicalize_name(entry.rpartition("-")[0]) for entry in project.installed(VENV)}
    world = [each for each in said["packages"] if each in WORLD]
    assert world
    assert (
        not shadowing
        & {*map(canonicalize_name, world), "filelock", "fsspec", "jinja2", "markupsafe"}
        & {canonicalize_name(each) for each in said["packages"]}
    )
    code = f"import importlib.metadata as m, json; print(json.dumps([m.version(name) for name in {sorted(world)!r}]))"
    assert yaml.safe_load(project.evaluate(VENV, code)) == [said["packages"][each] for each in sorted(world)]


@pytest.mark.parametrize("name", IMAGES)
def test_what_a_bench_says_of_the_framework_in_an_image(name):
    said = IMAGES[name]
    entry = catalogue.chip(said["chip"]).frameworks[said["framework"]]
    packages = {canonicalize_name(each): version for each, version in said["packages"].items()}
    requires = {canonicalize_name(each): lines for each, lines in said["requires"].items()}
    versions = {each: packages[canonicalize_name(each)] for each in entry.packages}
    told = [
        *unmet(entry.needs, versions),
        *disagreements(versions, {each: requires.get(canonicalize_name(each), []) for each in entry.packages}),
    ]
    assert "; ".join(told) == (said["run"] if said["set_up"] == "made" and said["run"] else "")
