"""The content of a file of `torch.save`, of any of its formats, with nothing of it run."""

import math
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from harness.errors import UserError, one_line
from harness.porting.convert import restricted_pickle
from harness.porting.convert.about import shown
from harness.porting.convert.archives import check_archive
from harness.porting.convert.restricted_pickle import ForbiddenNameError, Inspector

ZIP = b"PK\x03\x04"
PICKLE_MEMBER, SCRIPT_MEMBER = "data.pkl", "constants.pkl"
PICKLES_BEFORE = 3
"""A file from before PyTorch 1.6 begins with a magic number, a version and a description of the machine."""
LARGEST_PICKLE_BYTES = 512 * 1024**2
BITS = {
    **dict.fromkeys(("DoubleStorage", "LongStorage", "ComplexFloatStorage"), 64),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 32),
    **dict.fromkeys(("HalfStorage", "ShortStorage", "BFloat16Storage"), 16),
    "ComplexDoubleStorage": 128,
}
"""Width of a value by the name of its storage; those that are not named are bytes."""


def load(path: Path) -> Any:
    """What was saved: tensors that stay in the file until they are used, where its format allows, and plain values.

    First as `weights_only` loads it; where that stops at a name, with stand-ins (see restricted_pickle). Raises
    UserError where the file is damaged, claims more values than it holds or names what could do something.
    """
    try:
        _inspect(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return _load(path, weights_only=True)
            except pickle.UnpicklingError:
                return _load(path, weights_only=False, pickle_module=restricted_pickle)
    except ForbiddenNameError as error:
        raise UserError(
            f"{path}: it wants to run {shown(error)}, so it is not loaded; where it was made, save "
            "net.state_dict() alone"
        ) from None
    except UserError:
        raise
    except Exception as error:  # a damaged pickle may raise almost anything
        reason = shown(one_line(error).split(". ")[0])
        raise UserError(f"{path}: not a whole PyTorch checkpoint ({reason}); copy it again") from None


def _load(path: Path, **options: Any) -> Any:
    try:
        return torch.load(path, mmap=True, map_location="cpu", **options)
    except RuntimeError as error:
        if "mmap can only be used" not in str(error):
            raise
        return torch.load(path, map_location="cpu", **options)


def _inspect(path: Path) -> None:
    """Raise UserError where the file is not one to load, before any of its tensors is touched."""
    with path.open("rb") as file:
        if file.read(len(ZIP)) == ZIP:
            _inspect_archive(path)
            return
        file.seek(0)
        for _ in range(PICKLES_BEFORE):
            Inspector(file).load()
        inspector = Inspector(file)
        inspector.load()
    claimed = sum({key: _bytes(kind, count) for key, kind, count in inspector.storages}.values())
    if claimed > (size := path.stat().st_size):
        raise UserError(f"{path}: its tensors claim {claimed:,} bytes, but the file has {size:,}: it is damaged")


def _inspect_archive(path: Path) -> None:
    members = check_archive(path)
    pickles = [name for name in members if name.rpartition("/")[2] == PICKLE_MEMBER and name.count("/") == 1]
    if any(name.rpartition("/")[2] == SCRIPT_MEMBER and name.count("/") == 1 for name in members):
        raise UserError(f"{path}: is a TorchScript program, not a checkpoint; where it was made, save net.state_dict()")
    if len(pickles) != 1:
        raise UserError(f"{path}: a zip archive without PyTorch's {PICKLE_MEMBER}: not a checkpoint of torch.save")
    if members[pickles[0]].file_size > LARGEST_PICKLE_BYTES:
        raise UserError(f"{path}: its {PICKLE_MEMBER} has more than {LARGEST_PICKLE_BYTES:,} bytes: not a checkpoint")
    with zipfile.ZipFile(path) as archive, archive.open(pickles[0]) as file:
        inspector = Inspector(file)
        inspector.load()
    folder = pickles[0].rpartition("/")[0]
    for key, kind, count in inspector.storages:
        member = members.get(f"{folder}/data/{key}")
        if member is None:
            raise UserError(f"{path}: the values of a tensor ({folder}/data/{key}) are missing; copy it again")
        if _bytes(kind, count) != member.file_size or member.compress_type != zipfile.ZIP_STORED:
            raise UserError(
                f"{path}: a tensor claims {count:,} values, but its part of the file has {member.file_size:,} bytes: "
                "the file is damaged"
            )


def _bytes(kind: str, count: int) -> int:
    return math.ceil(count * BITS.get(kind, 8) / 8)
