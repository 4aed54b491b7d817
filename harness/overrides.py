"""Variables of the environment that overrule what a program says of the precision of its products.

A vendor's image may set them (NVIDIA's PyTorch containers set the first), and then "fp32" means something else there.
"""

import json
from collections.abc import Mapping

OVERRIDING = frozenset(
    {
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
        "NVIDIA_TF32_OVERRIDE",
        "CUBLAS_EMULATE_SINGLE_PRECISION",
        "CUBLAS_EMULATE_DOUBLE_PRECISION",
        "HIPBLASLT_ALLOW_TF32",
        "DNNL_DEFAULT_FPMATH_MODE",
        "ONEDNN_DEFAULT_FPMATH_MODE",
        "MKL_BLAS_COMPUTE_MODE",
        "TRITON_F32_DEFAULT",
    }
)
"""Read by PyTorch, NVIDIA's libraries (two), cuBLAS 12.9 (two), PyTorch on ROCm, oneDNN (two), oneMKL and Triton."""

DROPPED = "CROSSCAST_DROPPED_VARIABLES"
"""The variable in which a child is told, as a JSON object, what was dropped from its environment."""

LONGEST = 100
"""Characters of a value that are kept."""


def without_overrides(inherited: Mapping[str, str]) -> dict[str, str]:
    """An environment without the variables that overrule a program; DROPPED holds their names and values, if any."""
    found = {name: value[:LONGEST] for name, value in inherited.items() if name in OVERRIDING}
    kept = {name: value for name, value in inherited.items() if name not in OVERRIDING}
    if told := {**dropped(inherited), **found}:
        kept[DROPPED] = json.dumps(told, sort_keys=True)
    return kept


def dropped(environment: Mapping[str, str]) -> dict[str, str]:
    """What was dropped from this environment before it was given to this process, by name."""
    try:
        told = json.loads(environment.get(DROPPED, "{}"))
    except (ValueError, RecursionError):
        return {}
    content = told.items() if isinstance(told, dict) else ()
    return {name: str(value)[:LONGEST] for name, value in content if name in OVERRIDING}
