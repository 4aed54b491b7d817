"""Variables of the environment that change how fast a launch runs or what numbers it gives, fit to be published."""

import re
from collections.abc import Mapping

from harness.overrides import OVERRIDING
from harness.privacy import keeps_paths

PREFIXES = (
    *("ACL_", "ACLNN_", "ASCEND_", "COMBINED_ENABLE", "CPU_AFFINITY_CONF", "HCCL_", "INF_NAN_MODE_", "LCCL_"),
    *("MULTI_STREAM_MEMORY_REUSE", "TASK_QUEUE_ENABLE", "ENABLE_MS_", "MINDSPORE_", "MS_", "GLOG_"),
    *("AMD_", "GPU_", "HIPBLAS", "HIP_", "HSA_", "MIOPEN_", "RCCL_", "ROCBLAS_", "ROCM_", "ROCR_", "ROC_", "TENSILE_"),
    *("CUBLAS", "CUDA_", "CUDNN_", "NCCL_"),
    *("ATEN_", "PYTORCH_", "TORCH", "TRITON_"),
    *("DNNL_", "GOMP_", "KMP_", "MKL_", "NUMEXPR_", "OMP_", "ONEDNN_", "OPENBLAS_"),
    *("GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_"),
)
"""Of Ascend, MindSpore, AMD and Hygon, NVIDIA, PyTorch, the libraries of a CPU and the C library, a line each."""

WITHHELD = "…"
"""Stands for a value that is a path, an address or a secret, or reads like one."""

MOST, LONGEST_NAME, LONGEST = 64, 80, 160

PRIVATE_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|PRIVATE|KEY(?:_|$)|WEBHOOK|LICEN[CS]E|(?:^|_)USER"
    r"|MAIL|HOST(?:NAME)?$|ADDR|URL|(?:^|_)IP(?:_|$)",
    re.I,
)
PLAIN = re.compile(r"[\w .,:;=+*%<>(){}\[\]|&!^?-]*", re.ASCII)
SYSTEM_PATH = re.compile(r"/(?:usr|opt|etc|dev|proc|sys)/(?!.*(?:home|users))[\w./+-]*", re.ASCII | re.I)
SECRET = re.compile(r"(?<![^\W_])(?!0x)(?=[^\W_]*\d)(?=[^\W_]*[a-z])[^\W_]{16,}", re.ASCII | re.I)


def speed_variables(environment: Mapping[str, str], apart: tuple[str, ...] = ()) -> dict[str, str]:
    """The variables with one of PREFIXES, sorted by name, MOST at most, each value no longer than LONGEST.

    Left out are those named `apart`, lists of visible devices and what no launch inherits
    (harness.overrides). Private values are WITHHELD, except where the user asks for whole paths
    (harness.privacy.KEEP).
    """
    names = sorted(
        name
        for name in environment
        if name.startswith(PREFIXES)
        and len(name) <= LONGEST_NAME
        and name.isprintable()
        and name not in OVERRIDING
        and name not in apart
        and not name.endswith("VISIBLE_DEVICES")
    )
    found = {name: _published(name, environment[name]) for name in names[:MOST]}
    return found if len(names) <= MOST else {**found, WITHHELD: f"{len(names) - MOST} more"}


def _published(name: str, value: str) -> str:
    shown = PLAIN.fullmatch(value) or SYSTEM_PATH.fullmatch(value) or keeps_paths()
    if not shown or PRIVATE_NAME.search(name) or SECRET.search(value):
        return WITHHELD
    text = value.encode(errors="replace").decode()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + WITHHELD
