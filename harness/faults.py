"""What vendors' libraries say when a machine is not ready or has too little memory, and what to do about it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["memory", "library", "two accelerators", "versions", "driver", "busy", "no device"]

MACHINE: frozenset[Kind] = frozenset({"library", "two accelerators", "versions", "driver", "no device"})
"""Kinds that running again cannot mend: somebody has to change the machine or the environment first."""

ASCEND_ENVIRONMENT = (
    "source /usr/local/Ascend/ascend-toolkit/set_env.sh (newer CANN: /usr/local/Ascend/cann/set_env.sh) in this shell"
)
DRIVER_MOUNTS = "start the container with the driver and the devices of the host as docs/chips says"
MEMORY = (
    "FIT=1 chooses micro-batches and recomputing that fit; `crosscast doctor` names other processes on the device; "
    "else take a smaller preset or batch"
)
WARNING = re.compile(r"\bwarn(?:ing)?\b|Warning:", re.IGNORECASE)
LONGEST = 300
"""Characters of a vendor's words that are repeated."""


@dataclass(frozen=True)
class Fault:
    """What a vendor's words mean: its kind, the line that says so, and what to do."""

    kind: Kind
    said: str
    remedy: str

    def __str__(self) -> str:
        """Both in one line."""
        said = self.said if len(self.said) <= LONGEST else f"{self.said[:LONGEST]}…"
        return f"{said.rstrip('.')}: {self.remedy}"


@dataclass(frozen=True)
class _Words:
    kind: Kind
    pattern: "re.Pattern[str]"
    remedy: str


def _words(kind: Kind, remedy: str, *patterns: str) -> _Words:
    return _Words(kind, re.compile("|".join(patterns), re.IGNORECASE), remedy)


MISSING = r"(?:: cannot open shared object file| not found| cannot be loaded)"
KNOWN: Sequence[_Words] = (
    _words(
        "memory",
        MEMORY,
        r"\bout of memory\b",
        r"\bmemory not enough\b",
        r"malloc device memory failed",
        r"memory isn't enough",
        r"memory_allocation_failure",
        r"\bEL0004\b",
        r"failed to allocate memory",
        r"\balloc(?:ate)? (?:device )?memory failed|\balloc failed, size:",
        r"(?:cuda|hip)ErrorMemoryAllocation|hipErrorOutOfMemory|(?:CUBLAS|HIPBLAS|ROCBLAS)_STATUS_ALLOC_FAILED",
        r"can(?:'t|not) allocate memory",
        r"DefaultCPUAllocator: not enough memory",
        r"std::bad_alloc",
    ),
    _words(
        "two accelerators",
        "torch_npu does not run beside a CUDA device: take an image whose torch is built for CPU and NPU alone, or "
        "hide the NVIDIA cards with CUDA_VISIBLE_DEVICES=",
        r"two accelerators cannot be used at the same time",
    ),
    _words(
        "library",
        "CANN's NNAL is not on the path: install it and source /usr/local/Ascend/nnal/atb/set_env.sh in this shell",
        rf"\blib(?:atb|asdops|mki|lcal)\w*\.so[\d.]*{MISSING}",
    ),
    _words(
        "library",
        f"CANN's libraries are not on the path: {ASCEND_ENVIRONMENT}",
        rf"\blib(?:ascend(?!_hal)\w*|hccl\w*|acl\w*|ge_\w+|graph\w*|opapi|runtime|profapi|msprof\w*|register|error_manager|hccp\w*|"
        rf"cann_\w+|tbe_\w+|aicpu\w*|metadef|te_fusion|platform|c_sec|unified_dlog|mmpa|nnopbase)\.so[\d.]*{MISSING}",
        r"no module named '(?:te|tbe|acl|hccl)'",
    ),
    _words(
        "library",
        f"the Ascend driver's libraries are not in the container: {DRIVER_MOUNTS}",
        rf"\blib(?:dcmi|drvdsmi\w*|drv\w*|devmmap|tsdclient)\.so[\d.]*{MISSING}",
        rf"\blibascend_hal\.so[\d.]*{MISSING}",
    ),
    _words(
        "library",
        "DTK's libraries are not on the path: source /opt/dtk/env.sh in this shell, and mount /opt/hyhal",
        rf"\blib(?:galaxyhip|amdhip64|hip\w*|hsa\w*|roc\w*|miopen|rccl|hyhal|hydmi|c10_hip|torch_hip|amd_comgr)\.so[\d.]*"
        rf"{MISSING}",
    ),
    _words(
        "library",
        "NVIDIA's driver is not in the container or not installed: start it with --gpus, or install the driver",
        rf"\blib(?:cuda|nvidia-ml|nvidia-ptxjitcompiler)\.so[\d.]*{MISSING}",
    ),
    _words(
        "library",
        "a library of CUDA is missing: use NVIDIA's PyTorch container, or install the CUDA build of torch with pip",
        rf"\blib(?:cudart|cublas\w*|cudnn\w*|cufft\w*|cufile|curand|cusolver|cusparse\w*|nccl|nvrtc\w*|nvJitLink|nvshmem\w*|cupti)[\w.-]*\.so[\d.]*"
        rf"{MISSING}",
    ),
    _words(
        "driver",
        "the driver is older than the software needs: upgrade the driver of the host, or take an older image",
        r"driver on your system is too old",
        r"driver version is (?:insufficient|too (?:old|low))",
        r"(?:cuda|hip)ErrorInsufficientDriver",
        r"driver/library version mismatch",
        r"(?:driver|hdk) version (?:is )?(?:not compatible|incompatible|does not match|mismatch)",
        r"driver and firmware packages do not match",
        r"unsupported driver version",
    ),
    _words(
        "versions",
        "framework and vendor's software are not of versions that fit together, or not built for this device: take one "
        "image that has both",
        r"\.so[\d.]*: undefined symbol: \w*(?:acl|hccl|ge|hip|cu|nccl|roc)",
        r"/(?:ascend|torch_npu|mindspore|dtk|rocm|cuda)[^\s:]*\.so[\d.]*: undefined symbol",
        r"no kernel image is available for execution on the device",
        r"hipErrorNoBinaryForGpu",
        r"\.so[\d.]*: version `?\w+'? not found",
    ),
    _words(
        "busy",
        "another process has the device to itself: `crosscast doctor` names it; choose an idle device",
        r"(?:cuda|hip)-capable device(?:s are|\(s\) is/are| is) busy or unavailable",
        r"(?:cuda|hip)ErrorDevicesUnavailable|(?:cuda|hip)ErrorDeviceAlreadyInUse",
        r"because the device is used",
        r"device (?:is )?(?:busy|already in use|occupied)",
        r"device or resource busy",
        r"\bEL0005\b|the resources are busy",
        r"last training process is running",
        r"being used by another (?:container|process)",
    ),
    _words(
        "no device",
        "the variable that selects devices names one that is not here or names them out of order: list those of the "
        "vendor's tool from the lowest number on",
        r"set ASCEND_RT_VISIBLE_DEVICES:\S* error",
        r"invalid device ordinal|(?:cuda|hip)ErrorInvalidDevice",
    ),
    _words(
        "no device",
        f"{DRIVER_MOUNTS}, and look at the variable that selects devices",
        r"no (?:cuda-capable|hip-capable|rocm-capable) device is detected",
        r"no (?:cuda|hip|npu) (?:gpus|devices?) (?:are|is) available",
        r"found no nvidia driver on your system",
        r"(?:cuda|hip)ErrorNoDevice",
        r"/dev/(?:kfd|mkfd|davinci\w*|devmm_svm|hisi_hdc|nvidia\w*)\b.*permission denied",
        r"permission denied\b.*/dev/(?:kfd|mkfd|davinci\w*|devmm_svm|hisi_hdc|nvidia\w*)",
        r"unable to open /dev/m?kfd",
        r"get(?:ting)? device count failed|the device is unavailable",
        r"failed to start the device|aclrtSetDevice failed",
        r"couldn't communicate with the nvidia driver|cuda unknown error",
        r"driver not initialized \((?:amdgpu|hy\w*) not found in modules\)",
        r"dcmi module initialize failed",
    ),
)
"""In order: what names memory goes first, since a device that cannot be opened for lack of memory says both."""


def fault_in(text: str) -> Fault | None:
    """The fault that a vendor's words tell of, in an error or at the end of a log; None where there is none known.

    Of several lines of one kind the last counts. Warnings are passed over: they tell of what cost nothing.
    """
    lines = [line for line in _lines(text) if not WARNING.search(line)]
    for known in KNOWN:
        for line in reversed(lines):
            if known.pattern.search(line):
                return Fault(known.kind, line, known.remedy)
    return None


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if stripped := " ".join(line.split()):
            yield stripped
