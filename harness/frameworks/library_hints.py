"""What to do where a framework's import fails for a shared library that is not found."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

LIBRARY = re.compile(r"\b(lib[\w.+-]*?\.so[\w.]*)")

ASCEND = (
    *("libhccl", "libascend", "libacl", "libge_", "libgraph", "libregister", "liberror_manager", "libplatform"),
    *("libruntime", "libtiling", "libopapi", "libnnopbase", "libaicpu", "libprofapi", "libmsprof", "libdrv", "libdcmi"),
    *("libalog", "libslog", "libmmpa", "libopmaster", "libc_sec"),
)
DTK = (
    *("libamdhip", "libgalaxyhip", "libhip", "libhsa", "librocblas", "librocfft", "librocm", "librccl", "librocsparse"),
    *("librocsolver", "librocrand", "libmiopen", "libdtk", "libhydcu", "librocprof", "libroctx", "libroctracer"),
)
NVIDIA = ("libcuda.so", "libnvidia-ml")
CUDA = ("libcudart", "libcublas", "libcudnn", "libcufft", "libcurand", "libcusparse", "libcusolver", "libnccl", "libnv")

SCRIPTS: Mapping[tuple[str, ...], tuple[str, Sequence[str]]] = {
    ASCEND: (
        "CANN",
        (
            "/usr/local/Ascend/ascend-toolkit/set_env.sh",
            "/usr/local/Ascend/cann/set_env.sh",
            "/usr/local/Ascend/nnae/set_env.sh",
        ),
    ),
    DTK: ("DTK", ("/opt/dtk/env.sh", "/opt/dtk/cuda/env.sh")),
}
"""Beginnings of the names of libraries, the software that has them, and the scripts that set its environment."""


def remedy(message: str, root: Path = Path("/")) -> str | None:
    """One line of what to do where a message names a library of a vendor that was not found; None for any other.

    The scripts that exist below `root` are named, all usual ones where none does.
    """
    if "shared object" not in message and "cannot open" not in message and "undefined symbol" not in message:
        return None
    for name in LIBRARY.findall(message):
        found = name.lower()
        for beginnings, (software, scripts) in SCRIPTS.items():
            if found.startswith(beginnings):
                here = [script for script in scripts if (root / script.lstrip("/")).exists()]
                said = " or ".join(here[:1] or scripts[:2])
                there = "" if here else f" (none is here: is {software} in this image, or mounted?)"
                return f"{name} is part of {software}, whose environment is not set: source {said}{there}"
        if found.startswith(NVIDIA):
            return f"{name} comes with NVIDIA's driver: start the container with --gpus all, or install the driver"
        if found.startswith(CUDA):
            return f"{name} is part of CUDA: use the image's own torch, or one whose wheels bring CUDA along"
    return None
