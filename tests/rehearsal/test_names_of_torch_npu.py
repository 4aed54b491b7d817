"""Every name of torch_npu that the harness uses exists in its wheel, which is read and not imported.

The names are found in the sources: dotted ones in strings and attributes, what is asked of `torch.npu` by the name of
the device, and what the profiler's module is asked for.
"""

import ast
import functools
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from harness.cache import cache_folder
from tests.shared import REPOSITORY

VERSION = "2.12.0"
DOTTED = re.compile(r"(?:torch_npu|torch\.npu|npu)(?:\.\w+)+")
SOURCES = REPOSITORY / "harness"


def dotted(node):
    """The dotted name of an attribute of a plain name, else None."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def names_in(text):
    """Names of torch_npu in a source, from `torch_npu.` on."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            found.add(node.value)
        elif isinstance(node, ast.Attribute) and (name := dotted(node)):
            if DOTTED.fullmatch(name):
                found.add(name)
            elif name.startswith(("self._backend.", "backend.")):
                found.add(f"npu.{name.removeprefix('self._backend.').removeprefix('backend.')}")
    return {re.sub(r"^(torch\.npu|npu)\.", "torch_npu.npu.", name) for name in found}


@pytest.fixture(scope="module")
def used():
    paths = [path for path in SOURCES.rglob("*.py") if "stand_ins" not in path.parts]
    names = {name for path in paths for name in names_in(path.read_text(encoding="utf-8"))}
    profiler = {f"torch_npu.profiler.{name}" for name in ("ProfilerActivity", "profile")}
    return names | profiler


@pytest.fixture(scope="module")
def wheel():
    """The sources of the wheel by path, downloaded once into the user's cache folder."""
    folder = cache_folder() / "rehearsal" / f"torch_npu-{VERSION}"
    if not any(folder.glob("*.whl")):
        where = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--only-binary", ":all:")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, *where]
        done = subprocess.run(
            [*map(str, command), f"torch_npu=={VERSION}"], capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            pytest.skip(f"torch_npu {VERSION} cannot be downloaded: {done.stderr.strip().splitlines()[-1]}")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        paths = [name for name in archive.namelist() if name.startswith("torch_npu/") and name.endswith(".py")]
        return {Path(name): archive.read(name).decode() for name in paths}


def module_of(wheel, parts):
    """The file of the longest module that the parts of a name begin with, and what is left of them."""
    for length in range(len(parts), 0, -1):
        for path in (Path(*parts[:length], "__init__.py"), Path(*parts[:length]).with_suffix(".py")):
            if path in wheel:
                return path, parts[length:]
    raise AssertionError(parts)


@functools.cache
def bound(text):
    """Names that a module binds: definitions, imports, assignments and what it lists to be exported."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign) and dotted(node.targets[0]) == "__all__" and isinstance(node.value, ast.List):
            names.update(each.value for each in node.value.elts if isinstance(each, ast.Constant))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def missing(wheel, name):
    """Why a name does not exist; None where it does."""
    path, rest = module_of(wheel, name.split("."))
    if not rest:
        return None
    operators = wheel[Path("torch_npu/utils/custom_ops.py")]
    if rest[0] not in bound(wheel[path]) and not (len(path.parts) == 2 and f"torch_npu.{rest[0]}" in operators):
        return f"{path} has no {rest[0]}"
    folder = [text for file, text in wheel.items() if file.parent == path.parent]
    unknown = [part for part in rest[1:] if not any(part in each for each in folder)]
    return f"nothing beside {path} has {unknown[0]}" if unknown else None


def test_the_names_are_found():
    """In a text of their kinds, and none in words that only look like them."""
    text = 'x = "npu.matmul.allow_hf32"; torch.npu.synchronize(); torch_npu.npu_gelu(z.npu); backend.is_available()'
    assert names_in(text) == {
        "torch_npu.npu.matmul.allow_hf32",
        "torch_npu.npu.synchronize",
        "torch_npu.npu_gelu",
        "torch_npu.npu.is_available",
    }


def test_every_name_exists_in_the_wheel(used, wheel):
    assert {"torch_npu.npu.max_memory_reserved", "torch_npu.npu.conv.allow_hf32", "torch_npu.profiler"} <= used
    assert {name: why for name in used if (why := missing(wheel, name))} == {}


@pytest.mark.parametrize(
    "name", ["torch_npu.npu.max_memory_taken", "torch_npu.npu.conv.allow_hf33", "torch_npu.npu_glu"]
)
def test_a_name_that_does_not_exist_is_found(wheel, name):
    assert missing(wheel, name)


def test_the_stand_in_has_what_the_harness_uses_and_nothing_that_the_wheel_lacks(used, wheel):
    site = REPOSITORY / "harness/rehearsal/stand_ins/site/torch_npu"
    text = (site / "npu.py").read_text()
    own = {f"torch_npu.npu.{name}" for name in bound(text)}
    functions = {f"torch_npu.npu.{node.name}" for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    assert {name: why for name in functions if (why := missing(wheel, name))} == {}
    assert {name for name in used if name.startswith("torch_npu.npu.") and name.count(".") == 2} <= own
