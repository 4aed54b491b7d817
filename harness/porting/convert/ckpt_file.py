"""MindSpore's .ckpt files, one tensor at a time and without MindSpore.

A file is one protocol buffer message, MindSpore's checkpoint.proto: `value`, once a tensor or, beyond 512 MiB, once a
slice of it, holds `tag`, its name, and `tensor` with `dims`, `tensor_type` and `tensor_content`. MindSpore itself reads
the whole file into memory to take it apart; here only the fields are, and the content stays where it is.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from harness.errors import UserError
from harness.porting.convert.safetensors_file import mapped
from harness.porting.convert.tensors import WIDTHS, Shape, Tensor

if TYPE_CHECKING:
    from harness.porting.convert.tensors import Bits

TYPES = {
    "Float64": "F64",
    "Float32": "F32",
    "Float16": "F16",
    "BFloat16": "BF16",
    **{f"{sign}nt{bits}": f"{code}{bits}" for sign, code in (("I", "I"), ("UI", "U")) for bits in (8, 16, 32, 64)},
    "Bool": "BOOL",
}
"""Formats of safetensors by MindSpore's names."""
NAMES = {code: name for name, code in TYPES.items()}
TEXT = "str"

SLICE_BYTES = 512 * 1024 * 1024
CRC_MARK = b"crc_num"
CRC_BYTES = len(CRC_MARK) + 10
VARINT, BYTES = 0, 2
LONGEST_VARINT_BITS, LONGEST_NAME_BYTES, LONGEST_TEXT_BYTES = 70, 2**16, 2**26


class _Slice(NamedTuple):
    """A `value` of the file: its name, type, dims, and where its content lies."""

    tag: str
    kind: str
    dims: Shape
    offset: int
    size: int


class _Field(NamedTuple):
    """A field of a message: where its bytes begin and how many they are, or a whole number and None."""

    number: int
    start: int
    size: int | None


def read_ckpt(path: Path) -> tuple[list[Tensor], dict[str, str]]:
    """The tensors of a file in its order, and the texts it holds, by name.

    Raises UserError where the file is damaged, encrypted or holds what is no plain tensor.
    """
    try:
        slices = list(_slices(path))
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: not a whole MindSpore checkpoint ({error}); encrypted ones are not read either"
        ) from None
    grouped: dict[str, list[_Slice]] = {}
    for each in slices:
        grouped.setdefault(each.tag, []).append(each)
    tensors, texts = [], {}
    for name, parts in grouped.items():
        if parts[0].kind == TEXT:
            texts[name] = _text(path, name, parts)
        else:
            tensors.append(_tensor(path, name, parts))
    return tensors, texts


def write_ckpt(path: Path, tensors: Sequence[Tensor], texts: dict[str, str]) -> None:
    """Write a file tensor by tensor, in slices where MindSpore does.

    Raises OSError where it cannot be written, UserError for a number format that MindSpore does not save.
    """
    import numpy as np

    with path.open("wb") as file:
        for tensor in tensors:
            if tensor.dtype not in NAMES:
                raise UserError(f"{tensor.name}: MindSpore saves no tensors of format {tensor.dtype}")
            content = np.ascontiguousarray(tensor.bits()).reshape(-1).view(np.uint8).data
            for start in range(0, max(len(content), 1), SLICE_BYTES):
                part = content[start : start + SLICE_BYTES]
                _write_value(file, tensor.name, NAMES[tensor.dtype], tensor.shape, part)
        for name, text in texts.items():
            _write_value(file, name, TEXT, (0,), memoryview(text.encode("utf-32-le")))


def _text(path: Path, name: str, parts: list[_Slice]) -> str:
    if sum(part.size for part in parts) > LONGEST_TEXT_BYTES:
        raise UserError(f"{path}: the text {name} has more than {LONGEST_TEXT_BYTES:,} bytes: not a checkpoint")
    content = b"".join(mapped(path, part.offset, (part.size,), 1).tobytes() for part in parts)
    try:
        return content.decode("utf-32-le")
    except UnicodeDecodeError:
        raise UserError(f"{path}: the text {name} is damaged; write it again") from None


def _name(file: BinaryIO, size: int) -> str:
    if size > LONGEST_NAME_BYTES:
        raise ValueError(f"a name of {size:,} bytes")
    return file.read(size).decode()


def _tensor(path: Path, name: str, parts: list[_Slice]) -> Tensor:
    first = parts[0]
    if first.kind not in TYPES:
        raise UserError(f"{path}: {name} is of type {first.kind}; carried are {', '.join(TYPES)}")
    dtype = TYPES[first.kind]
    shape = () if first.dims == (0,) and first.size else first.dims
    size = WIDTHS[dtype] * math.prod(shape)
    if sum(part.size for part in parts) != size:
        raise UserError(f"{path}: {name} has shape {shape}, which is not what it holds; write it again")

    def bits() -> "Bits":
        import numpy as np

        if len(parts) == 1:
            return mapped(path, first.offset, shape, WIDTHS[dtype])
        whole, place = np.empty(size, np.uint8), 0
        for part in parts:
            whole[place : place + part.size] = mapped(path, part.offset, (part.size,), 1)
            place += part.size
        return whole.view(f"<u{WIDTHS[dtype]}").reshape(shape)

    return Tensor(name, dtype, shape, bits, ((name, shape),))


def _slices(path: Path) -> Iterator[_Slice]:
    with path.open("rb") as file:
        for field in _fields(file, _check_crc(path, file)):
            if field.number != 1 or field.size is None:
                raise ValueError("it begins as something else")
            yield _slice(file, path, field.start + field.size)


def _slice(file: BinaryIO, path: Path, stop: int) -> _Slice:
    tag = ""
    for field in _fields(file, stop):
        if field.number == 1 and field.size is not None:
            tag = _name(file, field.size)
        elif field.number == 2 and field.size is not None:
            return _content(file, tag, field.start + field.size)
        else:
            raise UserError(f"{path}: {tag or 'a value'} is a map parameter, not a tensor; these are not carried")
    raise ValueError(f"{tag or 'a value'} has no content")


def _content(file: BinaryIO, tag: str, stop: int) -> _Slice:
    kind, dims, content = "", list[int](), (0, 0)
    for field in _fields(file, stop):
        if field.number == 1 and field.size is None:
            dims.append(field.start)
        elif field.number == 2 and field.size is not None:
            kind = _name(file, field.size)
        elif field.number == 3 and field.size is not None:
            content = field.start, field.size
        else:
            raise ValueError(f"{tag} has a field {field.number}, which tensors do not have")
    return _Slice(tag, kind, tuple(dims), *content)


def _fields(file: BinaryIO, stop: int) -> "Iterator[_Field]":
    """The fields of a message from here to `stop`, each passed over once it has been looked at."""
    while (here := file.tell()) < stop:
        key = _varint(file)
        if key & 7 == VARINT:
            yield _Field(key >> 3, _varint(file), None)
        elif key & 7 == BYTES:
            size = _varint(file)
            start = file.tell()
            if start + size > stop:
                raise ValueError(f"what begins at byte {here} would end behind the end")
            yield _Field(key >> 3, start, size)
            file.seek(start + size)
        else:
            raise ValueError(f"byte {here} begins what it never holds")


def _check_crc(path: Path, file: BinaryIO) -> int:
    """Where the message ends; a checksum that save_checkpoint(crc_check=True) puts after it is verified."""
    end = file.seek(0, 2)
    file.seek(max(0, end - CRC_BYTES))
    mark = file.read(CRC_BYTES)
    file.seek(0)
    if not mark.startswith(CRC_MARK) or len(mark) < CRC_BYTES:
        return end
    end, found = end - CRC_BYTES, 0
    while file.tell() < end:
        found = zlib.crc32(file.read(min(1 << 24, end - file.tell())), found)
    file.seek(0)
    if found != int.from_bytes(mark[len(CRC_MARK) :], "big"):
        raise UserError(f"{path}: its checksum is wrong: the file is damaged; copy it again")
    return end


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while True:
        byte = file.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
        if shift >= LONGEST_VARINT_BITS:
            raise ValueError("a number of more than ten bytes")


def _write_value(file: BinaryIO, tag: str, kind: str, dims: Shape, content: memoryview) -> None:
    described = b"".join(b"\x08" + _encoded(dim) for dim in dims) + _bytes_field(2, kind.encode())
    head = b"\x1a" + _encoded(len(content))
    tensor_size = len(described) + len(head) + len(content)
    before = _bytes_field(1, tag.encode()) + b"\x12" + _encoded(tensor_size)
    file.write(b"\x0a" + _encoded(len(before) + tensor_size) + before + described + head)
    file.write(content)


def _bytes_field(number: int, content: bytes) -> bytes:
    return _encoded(number << 3 | BYTES) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
