"""A conversion in this process, or in a child where a side of it needs PyTorch; what kind a file of weights is."""

import os
import zipfile
from importlib.util import find_spec
from pathlib import Path

from harness.errors import UserError
from harness.files import refuse_unnameable
from harness.porting.convert.convert import Conversion, FileKind, Request, convert_here
from harness.processes import ask_child

LIMIT_S = 6 * 3600.0
PICKLE, ZIP, MESSAGE = b"\x80", b"PK\x03\x04", b"\x0a"


def run_conversion(request: Request) -> Conversion:
    """Convert here, or in a process with PyTorch where one side is its own; raises UserError as `convert_here`."""
    if "pytorch" not in (request.source_kind, request.target_kind):
        return convert_here(request)
    if find_spec("torch") is None:
        raise UserError("PyTorch's files need PyTorch, which is not installed; run: make venv")
    for path in (request.source, request.target):
        refuse_unnameable(str(path))
    answer = ask_child("harness.porting.convert.pytorch", request.model_dump_json(), timeout_s=LIMIT_S)
    if "reason" in answer:
        raise UserError(str(answer["reason"]))
    return Conversion.model_validate(answer)


def kind_of(source: Path) -> FileKind:
    """By the first bytes: FourCastNet's published backbone.ckpt is PyTorch's.

    Raises UserError where there is no such file or it is none that is read.
    """
    if source.exists() and not source.is_file():
        raise UserError(f"{source}: is no regular file")
    try:
        with source.open("rb") as file:
            head, size = file.read(9), file.seek(0, os.SEEK_END)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise UserError(f"{source}: {reason}") from None
    if (head[8:] == b"{" and int.from_bytes(head[:8], "little") < size) or source.suffix == ".safetensors":
        return "safetensors"
    if head.startswith(ZIP):
        return "npz" if _holds_arrays(source) else "pytorch"
    if head.startswith(PICKLE):
        return "pytorch"
    if head.startswith(MESSAGE):
        return "ckpt"
    raise UserError(
        f"{source}: neither a file of PyTorch nor of MindSpore nor safetensors nor .npz, or its beginning is lost"
    )


def _holds_arrays(source: Path) -> bool:
    try:
        with zipfile.ZipFile(source) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return source.suffix == ".npz"
