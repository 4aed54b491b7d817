"""safetensors, one tensor at a time: a length, a JSON header, then the bytes (huggingface/safetensors, README)."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.porting.convert.tensors import WIDTHS, Shape, Tensor

if TYPE_CHECKING:
    from harness.porting.convert.tensors import Bits

LENGTH_BYTES = 8


def read_safetensors(path: Path) -> tuple[list[Tensor], dict[str, str]]:
    """The tensors of a file in the order of its header, and its metadata.

    Raises UserError where the file is damaged or holds numbers of a format that is not carried.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            metadata = dict(opened.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: not a whole safetensors file: {error}; copy or write it again") from None
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    start = LENGTH_BYTES + length
    return [_tensor(path, name, entry, start) for name, entry in header.items() if name != "__metadata__"], metadata


def write_safetensors(path: Path, tensors: Sequence[Tensor], metadata: Mapping[str, str]) -> None:
    """Write a file tensor by tensor, the widest numbers first, so that every tensor is aligned.

    Raises OSError where it cannot be written.
    """
    import numpy as np

    placed = sorted(tensors, key=lambda tensor: -tensor.width)
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for tensor in placed:
        begin, end = end, end + tensor.width * math.prod(tensor.shape)
        header[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(LENGTH_BYTES, "little"))
        file.write(text)
        for tensor in placed:
            file.write(np.ascontiguousarray(tensor.bits()).data)


def mapped(path: Path, offset: int, shape: Shape, width: int) -> "Bits":
    """Values of a file as an array that is read when it is used, and may be changed without changing the file."""
    import numpy as np

    if not math.prod(shape):
        return np.empty(shape, f"<u{width}")
    return np.memmap(path, f"<u{width}", "c", offset, shape).view(np.ndarray)


def _tensor(path: Path, name: str, entry: dict[str, Any], start: int) -> Tensor:
    dtype, shape, offset = entry["dtype"], tuple(entry["shape"]), start + entry["data_offsets"][0]
    if dtype not in WIDTHS:
        raise UserError(f"{path}: {name} holds numbers of format {dtype}; carried are {', '.join(WIDTHS)}")
    return Tensor(name, dtype, shape, lambda: mapped(path, offset, shape, WIDTHS[dtype]), ((name, shape),))
