"""Wheels gathered for another machine: which they are there, not here, and a set-up from them without an index."""

import os
import subprocess
import sys
from importlib import metadata

import pytest
from fake_wheels import make_wheel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness import wheelhouse
from harness.wheelhouse import WheelhouseError, gather, pins, pins_of, requirements, target_of


def pip_alone(monkeypatch, folder):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def with_pip():
    if subprocess.run([sys.executable, "-c", "import pip"], capture_output=True).returncode:
        pytest.skip("no pip in the Python of the tests")


def test_markers_are_those_of_the_other_machine():
    on_arm, later = requirements(target_of("3.10", "aarch64")), requirements(target_of("3.11", "aarch64"))
    here = requirements(target_of("3.10", "x86_64"))
    assert not [line for line in on_arm if line.startswith(("zarr", "numcodecs"))]
    for others in (later, here):
        assert {line.split(">=")[0] for line in others} - {line.split(">=")[0] for line in on_arm} == {
            "zarr",
            "numcodecs",
        }
    old = {line.partition("==")[0]: line for line in pins(target_of("3.10", "aarch64"))}
    new = {line.partition("==")[0]: line for line in pins(target_of("3.11", "aarch64"))}
    assert "exceptiongroup" in old
    assert "exceptiongroup" not in new
    assert old["contourpy"] != new["contourpy"]


@pytest.mark.parametrize(("python", "arch"), [("3", "aarch64"), ("py311", "aarch64"), ("3.11", "arm")])
def test_a_machine_that_there_is_not_is_one_line(python, arch):
    with pytest.raises(WheelhouseError, match=f"PY={python} ARCH={arch}: give a Python such as 3.11"):
        target_of(python, arch)


def test_packages_of_an_image_are_pinned():
    listed = "numpy==1.24.3\ntorch==2.4.1+das.opt2.dtk2504\nlab-tool==main build\nRich==13.0.1\n# a comment\n"
    assert pins_of(listed) == {
        "numpy": "numpy==1.24.3",
        "torch": "torch==2.4.1+das.opt2.dtk2504",
        "rich": "Rich==13.0.1",
    }


@pytest.mark.parametrize(
    "content", [b"Package Version\n------- -------\nnumpy   1.24.3\n", "numpy==1.24.3\n".encode("utf-16"), b""]
)
def test_a_file_that_lists_no_packages_is_one_line(tmp_path, content):
    (tmp_path / "freeze.txt").write_bytes(content)
    with pytest.raises(WheelhouseError, match=r"freeze\.txt has no line name==version in UTF-8"):
        gather(tmp_path / "house", python="3.11", arch="aarch64", image=tmp_path / "freeze.txt")


def made_index(folder):
    """Wheels for x86-64 and for ARM, one that needs another on old Pythons alone."""
    folder.mkdir()
    make_wheel(folder, "oceanlib", "1.5", "wavelib>=2 ; python_version < '3.11'", "numpy>=1.20")
    for tag in ("cp310-cp310-manylinux_2_28_aarch64", "cp311-cp311-manylinux_2_28_x86_64"):
        plain = make_wheel(folder, "wavelib", "2.5")
        plain.rename(folder / f"wavelib-2.5-{tag}.whl")
    for version in ("1.24.3", "1.26.4"):
        make_wheel(folder, "numpy", version)


def gathered(tmp_path, monkeypatch, **options):
    made_index(tmp_path / "index")
    pip_alone(monkeypatch, tmp_path / "index")
    (tmp_path / "constraint.txt").write_text("numpy==1.0\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "constraint.txt"))
    monkeypatch.setattr(wheelhouse, "requirements", lambda target: ["oceanlib"])
    monkeypatch.setattr(wheelhouse, "build_requirements", list)
    monkeypatch.setattr(wheelhouse, "pins", lambda target: ["numpy==1.26.4"])
    gather(tmp_path / "house", **options)
    return sorted(path.name for path in (tmp_path / "house").iterdir())


def test_wheels_are_those_of_the_other_machine(tmp_path, monkeypatch, with_pip):
    assert gathered(tmp_path, monkeypatch, python="3.10", arch="aarch64") == [
        "numpy-1.26.4-py3-none-any.whl",
        "oceanlib-1.5-py3-none-any.whl",
        "wavelib-2.5-cp310-cp310-manylinux_2_28_aarch64.whl",
    ]


def test_versions_fit_the_packages_of_the_image(tmp_path, monkeypatch, with_pip):
    (tmp_path / "freeze.txt").write_text("numpy==1.24.3\ntorch==2.5.1+cpu\noceanlib==1.2\n")
    found = gathered(tmp_path, monkeypatch, python="3.11", arch="aarch64", image=tmp_path / "freeze.txt")
    assert found == ["numpy-1.24.3-py3-none-any.whl", "oceanlib-1.5-py3-none-any.whl"]


def test_what_has_no_wheel_is_one_line(tmp_path, monkeypatch, with_pip):
    (tmp_path / "freeze.txt").write_text("numpy==1.19.1\n")
    with pytest.raises(WheelhouseError, match=r"pip finds no numpy==1\.19\.1 where oceanlib 1\.5 needs numpy>=1\.20"):
        gathered(tmp_path, monkeypatch, python="3.11", arch="aarch64", image=tmp_path / "freeze.txt")


def test_set_up_from_a_wheelhouse_needs_no_index(project):
    """A lab's machine: no index, and the folder beside the Makefile."""
    (project.folder / "wheelhouse").symlink_to(project.wheels)
    project.environment |= {"PIP_FIND_LINKS": "wheelhouse"}
    project.replace("pyproject.toml", "requires = []", 'requires = ["hatchling"]')
    made = project.set_up("--accelerator", ".venv-accelerator")
    assert made.returncode == 0, made.stderr
    assert {"oceanlib-1.5", "wavelib-2.5"} < project.installed(".venv-accelerator")


def compiled(target):
    """What the harness requires there, itself and through others, of which the wheels are for one kind of machine."""
    waiting = [canonicalize_name(Requirement(line).name) for line in requirements(target)]
    seen, found = set(), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if "-none-any" not in (distribution.read_text("WHEEL") or "-none-any"):
            found.add(name)
        needs = map(Requirement, distribution.requires or ())
        waiting += [canonicalize_name(n.name) for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]
    return found


def test_python_3_10_on_arm_gets_wheels_alone(tmp_path, with_pip):
    """Of the versions of constraints.txt, as pip finds them in the index for that machine."""
    target = target_of("3.10", "aarch64")
    names = compiled(target)
    assert {"numpy", "pyarrow", "netcdf4", "pydantic-core"} <= names
    wanted = [line for line in pins(target) if canonicalize_name(line.partition("==")[0]) in names]
    assert len(wanted) == len(names)
    tags = [word for tag in wheelhouse.GLIBC for word in ("--platform", f"{tag}_aarch64")]
    options = ["--only-binary=:all:", "--python-version", "3.10", *tags, "--dry-run", "--target", str(tmp_path)]
    found = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-installed", *options, *wanted],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if "connection broken" in found.stderr:
        pytest.skip("no package index")
    assert found.returncode == 0, found.stderr[-2000:]
