"""Arrays of an .npz file, NumPy's archive of .npy files, each read when it is used."""

import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.porting.convert.archives import check_archive
from harness.porting.convert.tensors import Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.porting.convert.tensors import Bits

ENDING = ".npy"
FORMATS = {
    **{f"f{width}": f"F{8 * width}" for width in (2, 4, 8)},
    **{f"{kind}{width}": f"{kind.upper()}{8 * width}" for kind in "iu" for width in (1, 2, 4, 8)},
    "b1": "BOOL",
}
LONGEST_TEXT_BYTES = 2**20


def read_npz(path: Path) -> tuple[list[Tensor], dict[str, str]]:
    """The arrays of numbers, in the order of the file, and the texts by name.

    Raises UserError where the file is damaged or an array claims other values than it has.
    """
    tensors, texts = [], dict[str, str]()
    for name, member in check_archive(path).items():
        if not name.endswith(ENDING):
            raise UserError(f"{path}: {name!r} is no array of NumPy: not an .npz file")
        dtype, tensor = _tensor(path, name.removesuffix(ENDING), member)
        if dtype.kind == "U" and not tensor.shape:
            texts[tensor.name] = str(_array(path, member, dtype)[0])
        elif f"{dtype.kind}{dtype.itemsize}" in FORMATS:
            tensors.append(tensor)
        else:
            raise UserError(f"{path}: {tensor.name} holds values of type {dtype}, which is no number format of weights")
    return tensors, texts


def _tensor(path: Path, name: str, member: zipfile.ZipInfo) -> "tuple[np.dtype[Any], Tensor]":
    import numpy as np
    from numpy.lib import format as npy

    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, columns_first, dtype = read(file)
            start = file.tell()
    except (ValueError, SyntaxError, TypeError, EOFError, OSError, RecursionError, MemoryError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise UserError(f"{path}: {name} is a damaged array: {reason}; copy the file again") from None
    if dtype.hasobject:
        raise UserError(f"{path}: {name} holds Python objects, which are not loaded")
    size = member.file_size - start
    if any(each < 0 for each in shape) or math.prod(shape) * dtype.itemsize != size:
        raise UserError(f"{path}: {name} claims {math.prod(shape):,} values, but has {size:,} bytes: it is damaged")
    if dtype.kind == "U" and size > LONGEST_TEXT_BYTES:
        raise UserError(f"{path}: the text {name} has {size:,} bytes: not a file of weights")
    shape = tuple(int(each) for each in shape)

    def bits() -> "Bits":
        flat = _array(path, member, dtype)
        whole = flat.astype(dtype.newbyteorder("<"), copy=False).view(f"<u{dtype.itemsize}")
        return np.reshape(whole, shape, order="F" if columns_first else "C")

    return dtype, Tensor(name, FORMATS.get(f"{dtype.kind}{dtype.itemsize}", ""), shape, bits, ((name, shape),))


def _array(path: Path, member: zipfile.ZipInfo, dtype: "np.dtype[Any]") -> "NDArray[Any]":
    import numpy as np
    from numpy.lib import format as npy

    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        read(file)
        return np.frombuffer(bytearray(file.read()), dtype)
