"""The second device of PyTorch and the vendors' libraries, compiled once and kept in the user's cache folder."""

import hashlib
import os
import shutil
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from harness.cache import cache_folder
from harness.errors import UserError

STAND_INS = Path(__file__).parent / "stand_ins"
COMPILE_LIMIT_S = 900.0


def second_device() -> Path:
    """The library that gives the PyTorch that is installed a second device.

    Raises UserError where there is no compiler, or it fails.
    """
    found = find_spec("torch")
    if found is None or found.origin is None:
        raise UserError("PyTorch is not installed: run make venv")
    torch = Path(found.origin).parent
    include = torch / "include"
    command = [
        *("-std=c++20", "-O0", "-w", f"-I{include}", f"-I{include}/torch/csrc/api/include"),
        *(f"-L{torch}/lib", f"-Wl,-rpath,{torch}/lib", "-ltorch_cpu", "-lc10"),
    ]
    return _compiled("g++", "device.cpp", command, f"{version('torch')} {torch}")


def vendor_library(source: str) -> Path:
    """A library of a vendor's interface. Raises UserError where there is no compiler, or it fails."""
    return _compiled("gcc", source, ["-O1"], "")


def _compiled(compiler: str, source: str, options: list[str], of: str) -> Path:
    """The shared library of a source; the options name libraries, too, and so come after it."""
    kinds = (".cpp",) if source.endswith(".cpp") else (".c", ".h")
    texts = [path.read_bytes() for path in sorted(STAND_INS.iterdir()) if path.suffix in kinds]
    digest = hashlib.sha256(b"\0".join([*texts, *map(os.fsencode, (source, of, *options))])).hexdigest()[:16]
    path = cache_folder() / "rehearsal" / f"{Path(source).stem}-{digest}.so"
    if path.exists():
        return path
    program = shutil.which(compiler)
    if program is None:
        raise UserError(f"a rehearsal compiles its stand-ins, and {compiler} is not here: install it (apt install g++)")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [program, "-shared", "-fPIC", "-o", str(partial), str(STAND_INS / source), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_LIMIT_S)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no reason given"]
            raise UserError(f"the stand-in {source} does not compile with {compiler}: {lines[0]}")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path.parent}: cannot be written: {error.strerror}; set XDG_CACHE_HOME") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"the stand-in {source} was not compiled within {COMPILE_LIMIT_S:g} s") from None
    finally:
        partial.unlink(missing_ok=True)
    return path
