"""Where a framework keeps what it compiles: a folder that its own variable names, or a new one for this process.

Launches are alike only if they all compile: without a folder named in the environment each process starts with an empty
one, and all that it compiles is cold. A folder that is named is kept; from the second launch on it is warm. A process
that is killed while it compiles may leave half a library there, which torch.compile then fails to load ("file too
short"): such a folder is to be emptied.
"""

import atexit
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UserError
from harness.scenario.execution import Compilation

VARIABLES: Mapping[str, str] = {"pytorch": "TORCHINDUCTOR_CACHE_DIR", "mindspore": "MS_COMPILER_CACHE_PATH"}


def use_folder(framework: str) -> Path:
    """The folder that the framework's variable names; a new one, removed at the end, where it names none.

    Raises UserError where no folder can be made.
    """
    variable = VARIABLES[framework]
    if named := os.environ.get(variable):
        return Path(named)
    try:
        folder = tempfile.TemporaryDirectory(prefix="crosscast-compiled-", ignore_cleanup_errors=True)
    except OSError as error:
        raise UserError(
            f"no folder for compiled code can be made ({error.strerror}); set TMPDIR to one that can be written"
        ) from None
    atexit.register(folder.cleanup)
    os.environ[variable] = folder.name
    return Path(folder.name)


def fuses_on_cpu(compilation: Compilation, device: str) -> bool:
    """Whether MindSpore's code generator for CPUs fuses kernels; the device has MindSpore's name."""
    return compilation.level == "O1" and device == "CPU"
