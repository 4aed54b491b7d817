"""Vendors' words, most of them as people have reported them, and what the user is told to do about each."""

import sys
from types import ModuleType

import pytest

from harness import frameworks
from harness.errors import UserError
from harness.faults import LONGEST, fault_in

WORDS = [
    (
        "RuntimeError: NPU out of memory. Tried to allocate 52.00 MiB (NPU 0; 60.96 GiB total capacity; 59.36 GiB "
        "already allocated; 59.36 GiB current active; 14.24 MiB free; 60.60 GiB reserved in total by PyTorch)",
        "memory",
        "FIT=1",
    ),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB.", "memory", "FIT=1"),
    ("torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB.", "memory", "FIT=1"),
    ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "memory", "FIT=1"),
    ("RuntimeError: HIP error: hipErrorOutOfMemory", "memory", "FIT=1"),
    ("RuntimeError: Memory not enough: kernel name MatMul, used 62 GB", "memory", "FIT=1"),
    (
        "RuntimeError: Malloc device memory failed, size[1073741824], ret[207001]",
        "memory",
        "FIT",
    ),
    ("RuntimeError: Device(id:0) memory isn't enough and alloc failed, kernel name: Default/Add", "memory", "FIT=1"),
    ("Memory_Allocation_Failure(EL0004): Failed to allocate memory requested by GE module.", "memory", "FIT=1"),
    (
        "RuntimeError: [enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate",
        "memory",
        "FIT",
    ),
    (
        "ImportError: libascendcl.so: cannot open shared object file: No such file or directory",
        "library",
        "set_env.sh",
    ),
    ("ImportError: libhccl.so: cannot open shared object file: No such file or directory", "library", "set_env.sh"),
    ("OSError: libge_runner.so: cannot open shared object file: No such file or directory", "library", "set_env.sh"),
    ("ModuleNotFoundError: No module named 'te'", "library", "set_env.sh"),
    ("ImportError: libascend_hal.so: cannot open shared object file", "library", "driver's libraries"),
    (
        "ImportError: libgalaxyhip.so.5: cannot open shared object file: No such file or directory",
        "library",
        "/opt/dtk/env.sh",
    ),
    ("OSError: libamdhip64.so.5: cannot open shared object file: No such file or directory", "library", "/opt/dtk"),
    ("ImportError: libcuda.so.1: cannot open shared object file: No such file or directory", "library", "--gpus"),
    ("ImportError: libcudart.so.12: cannot open shared object file: No such file", "library", "CUDA build of torch"),
    ("ImportError: libcublas.so.12: cannot open shared object file: No such file", "library", "CUDA build of torch"),
    (
        "RuntimeError: Two accelerators cannot be used at the same time in PyTorch: npu and cuda. You can install the "
        "cpu version of PyTorch to use your npu device",
        "two accelerators",
        "CUDA_VISIBLE_DEVICES=",
    ),
    (
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update it",
        "driver",
        "upgrade the driver",
    ),
    ("CUDA error: CUDA driver version is insufficient for CUDA runtime version", "driver", "upgrade the driver"),
    ("RuntimeError: HIP error: hipErrorInsufficientDriver", "driver", "upgrade the driver"),
    ("Failed to initialize NVML: Driver/library version mismatch", "driver", "upgrade the driver"),
    (
        "ImportError: /opt/torch_npu/lib/libtorch_npu.so: undefined symbol: aclrtGetStreamAttribute",
        "versions",
        "one image that has both",
    ),
    ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "versions", "one image"),
    ("CUDA error: CUDA-capable device(s) is/are busy or unavailable", "busy", "choose an idle device"),
    ("CUDA error: all CUDA-capable devices are busy or unavailable", "busy", "choose an idle device"),
    ("dcmi model initialized failed, because the device is used. ret is -8020", "busy", "choose an idle device"),
    (
        "EJ0001: Failed to initialize the HCCP process. Maybe the last training process is running.",
        "busy",
        "idle",
    ),
    ("RuntimeError: No CUDA GPUs are available", "no device", "docs/chips"),
    ("RuntimeError: No HIP GPUs are available", "no device", "docs/chips"),
    ("RuntimeError: Found no NVIDIA driver on your system.", "no device", "docs/chips"),
    ("Unable to open /dev/kfd read-write: Permission denied", "no device", "docs/chips"),
    ("dcmi module initialize failed. ret is -8005", "no device", "docs/chips"),
]


@pytest.mark.parametrize(("said", "kind", "remedy"), WORDS, ids=lambda each: each[:40] if isinstance(each, str) else "")
def test_what_a_vendor_says_has_a_kind_and_a_remedy_in_one_line(said, kind, remedy):
    fault = fault_in(f'Traceback (most recent call last):\n  File "x.py", line 1\n{said}\n\nsome banner')
    assert (fault.kind, fault.said) == (kind, said)
    assert remedy in fault.remedy
    assert "\n" not in str(fault)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x4 and 5x2)",
        "ValueError: the loss is nan",
        "UserWarning: the driver version is not compatible with this package (function operator())",
        "[W1] Warning: Driver Version is not compatible: device busy",
        "[WARNING] DEVICE: the driver version is not compatible with this package",
        "FileNotFoundError: no such file: library.so.txt",
        "the device is used for the whole run",
        "memory is enough",
    ],
)
def test_other_words_have_none(said):
    assert fault_in(said) is None


def test_memory_counts_before_what_it_makes_fail():
    """A device that cannot be opened for lack of memory, as CANN reports it."""
    said = (
        "[ERROR] aclrtSetDevice(deviceId) failed: 507033\n"
        "[PID: 1] Memory_Allocation_Failure(EL0004): Failed to allocate memory.\n"
        "        Possible Cause: Available memory is insufficient.\n"
        "        open device 2 failed, device is busy, runtime result = 507033.\n"
    )
    assert fault_in(said).kind == "memory"


REPORTED = {
    "github.com/hw-native-sys/PTOAS/pull/765": (
        """[ERROR] aclInit(nullptr) failed: 500000
        [ERROR] RecentErrMsg: [PID: 3698671] 2026-06-24-16:04:09.980.816 Resource_Busy(EL0005): The resources are busy.
        Possible Cause: 1. The resources have been occupied. 2. The device is being reset. 3. Software is not ready.
        Solution: 1. Close applications not in use. 2. Wait for a while and try again.
        [Init][Version]init soc version failed.[FUNC:ReportInnerError][FILE:log_inner.cpp][LINE:132]""",
        ("busy", "Resource_Busy(EL0005)", "idle device"),
    ),
    "github.com/gpustack/gpustack/issues/3352": (
        """RuntimeError: init:build/CMakeFiles/torch_npu.dir/compiler_depend.ts:292 NPU function error: \
aclrtGetDeviceCount(&device_count), error code is 207004
        [ERROR] 2025-11-18-09:33:13 (PID:42, Device:-1, RankID:-1) ERR00100 PTA call acl api failed
        [Error]: The device is unavailable.
        Check whether the device is running properly.
        EE1001: [PID: 42] 2025-11-18-09:33:13.673.064 The argument is invalid.Reason: set ASCEND_RT_VISIBLE_DEVICES:4 \
error, input data rang[0-2)
        rtGetDeviceCount execute failed, reason=[driver error:no valid device][FUNC:FuncErrorReason]
        get device count failed, runtime result = 207004.[FUNC:ReportCallError][FILE:log_inner.cpp][LINE:161]""",
        ("no device", "ASCEND_RT_VISIBLE_DEVICES:4 error", "the variable that selects devices"),
    ),
    "github.com/gpustack/gpustack/issues/2527": (
        "EE1001: [PID: 112081] The argument is invalid.Reason: set ASCEND_RT_VISIBLE_DEVICES:0,2,4,6,1,3,5,7 error, it "
        "must be configured in ascending order",
        ("no device", "ascending order", "out of order"),
    ),
    "github.com/Ascend/pytorch/issues/67": (
        """RuntimeError: Initialize:build/CMakeFiles/torch_npu.dir/compiler_depend.ts:146 NPU function error: \
c10_npu::SetDevice(device_id_), error code is 507033
        [ERROR] 2025-06-24-11:20:49 (PID:528886, Device:-1, RankID:-1) ERR00100 PTA call acl api failed
        [Error]: Failed to start the device.
        Rectify the fault based on the error information in the ascend log.
        EL0003: [PID: 528886] 2025-06-24-11:20:41.662.506 The argument is invalid.
        Failed to open device, retCode=0x7020014, deviceId=0.[FUNC:InitRawDriver][FILE:raw_device.cc][LINE:126]""",
        ("no device", "Failed to start the device", "docs/chips"),
    ),
    "github.com/hw-native-sys/PTOAS/pull/341": (
        """[ERROR] aclrtSetDevice(deviceId) failed: 507033
        [ERROR] RecentErrMsg: [PID: 1613532] Memory_Allocation_Failure(EL0004): Failed to allocate memory.
        Possible Cause: Available memory is insufficient.
        rtSetDevice execution failed, reason=device retain error[FUNC:FuncErrorReason]""",
        ("memory", "EL0004", "FIT=1"),
    ),
    "github.com/Ascend/pytorch/issues/99": (
        "OSError: /usr/local/Ascend/nnal/atb/latest/atb/cxx_abi_1/lib/libtbe_adapter.so: undefined symbol: "
        "_ZN3Mki2DlC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEb",
        ("versions", "libtbe_adapter.so", "one image that has both"),
    ),
    "github.com/mindspore-ai/mindspore/issues/236": (
        "Load dynamic library: libmindspore_ascend.so.2 failed. libcann_kb.so: cannot open shared object file: No such "
        "file or directory",
        ("library", "libcann_kb.so", "set_env.sh"),
    ),
    "github.com/pytorch/pytorch/issues/70036": (
        """RuntimeError: HIP error: hipErrorNoDevice
        HIP kernel errors might be asynchronously reported at some other API call,so the stacktrace below might be
        For debugging consider passing HIP_LAUNCH_BLOCKING=1.""",
        ("no device", "hipErrorNoDevice", "docs/chips"),
    ),
    "libtorch_npu.so of torch_npu 2.12.0": (
        "Feature is not supported and the possible cause is that driver and firmware packages do not match.",
        ("driver", "do not match", "upgrade the driver"),
    ),
    "libmindspore_ascend.so.2 of MindSpore 2.10.0": (
        "call aclrtSetDevice failed, error_code : 507033",
        ("no device", "aclrtSetDevice failed", "docs/chips"),
    ),
    "libc10_cuda.so of torch 2.14.1": (
        "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env "
        "variable CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero.",
        ("no device", "CUDA unknown error", "docs/chips"),
    ),
}
"""By where they were reported, or in which library they are: words, and their kind, the line and the remedy."""


@pytest.mark.parametrize("source", REPORTED)
def test_of_what_a_vendor_says_in_many_lines_the_one_that_counts_is_told(source):
    words, (kind, line, remedy) = REPORTED[source]
    fault = fault_in(words)
    assert fault.kind == kind
    assert line in fault.said
    assert remedy in fault.remedy
    assert "\n" not in str(fault)


NEEDED = {
    "set_env.sh": (
        "libacl_dvpp.so libacl_op_compiler.so libacl_tdt_channel.so libascendcl.so libge_runner.so libgraph.so "
        "libhccl.so libmsprofiler.so libnnopbase.so"
    ),
    "nnal/atb/set_env.sh": "libatb.so",
    "CUDA build of torch": (
        "libcublas.so.13 libcublasLt.so.13 libcudart.so.13 libcudnn.so.9 libcufft.so.12 libcufile.so.0 libcupti.so.13 "
        "libcurand.so.10 libcusolver.so.12 libcusparse.so.12 libcusparseLt.so.0 libnccl.so.2 libnvrtc.so.13 "
        "libnvshmem_host.so.3"
    ),
    "--gpus": "libcuda.so.1",
}
"""What readelf -d names as needed in torch_npu 2.12.0, MindSpore 2.10.0 for Ascend and torch 2.14.1 for CUDA."""


@pytest.mark.parametrize(
    ("remedy", "library"), [(remedy, name) for remedy, names in NEEDED.items() for name in names.split()]
)
def test_every_library_that_the_frameworks_need_of_a_vendor_has_a_remedy(remedy, library):
    fault = fault_in(f"ImportError: {library}: cannot open shared object file: No such file or directory")
    assert fault.kind == "library"
    assert remedy in fault.remedy


def test_long_words_are_cut():
    text = str(fault_in("CUDA out of memory " + "x" * 9000))
    assert len(text) < LONGEST + 300
    assert text.endswith("preset or batch")


class TestOpening:
    """Opening a framework whose trainer fails as one does on a machine that is not ready."""

    def open_with(self, monkeypatch, error):
        trainer = ModuleType("harness.frameworks.broken.trainer")

        def open_device(device, execution):
            raise error

        trainer.open_device = open_device
        monkeypatch.setitem(sys.modules, "harness.frameworks.broken", ModuleType("harness.frameworks.broken"))
        monkeypatch.setitem(sys.modules, "harness.frameworks.broken.trainer", trainer)
        frameworks.open_framework("broken", "npu")

    @pytest.mark.parametrize(
        ("error", "remedy"),
        [
            (ImportError("libhccl.so: cannot open shared object file: No such file or directory"), "set_env.sh"),
            (
                OSError("libgalaxyhip.so.5: cannot open shared object file: No such file or directory"),
                "/opt/dtk/env.sh",
            ),
            (RuntimeError("Two accelerators cannot be used at the same time: npu and cuda."), "CUDA_VISIBLE_DEVICES="),
            (UserError("MindSpore 2.10.0 cannot use Ascend: No module named 'te'"), "set_env.sh"),
        ],
    )
    def test_what_the_machine_lacks_is_one_line_with_a_remedy(self, monkeypatch, error, remedy):
        with pytest.raises(UserError) as refused:
            self.open_with(monkeypatch, error)
        assert str(error).rstrip(".") in str(refused.value)
        assert remedy in str(refused.value)
        assert "\n" not in str(refused.value)

    def test_a_shortened_message_of_a_library_is_judged_by_all_of_it(self, monkeypatch):
        short = UserError("MindSpore 2.10.0 cannot use Ascend: Load dynamic library failed")
        short.__context__ = RuntimeError(
            "Load dynamic library failed\n libge_runner.so: cannot open shared object file"
        )
        with pytest.raises(UserError, match=r"set_env\.sh"):
            self.open_with(monkeypatch, short)

    @pytest.mark.parametrize(
        "error",
        [RuntimeError("CUDA out of memory"), RuntimeError("device busy"), UserError("no npu"), OSError("x")],
    )
    def test_what_may_pass_or_is_not_known_stays_as_it_is(self, monkeypatch, error):
        with pytest.raises(type(error)) as raised:
            self.open_with(monkeypatch, error)
        assert raised.value is error
