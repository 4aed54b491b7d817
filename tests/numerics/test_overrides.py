"""What is dropped from a worker's environment, and what of it is recorded."""

import json

import pytest

from harness.machine import environment
from harness.machine.speed_variables import LONGEST, MOST, WITHHELD, speed_variables
from harness.overrides import DROPPED, OVERRIDING, dropped, without_overrides
from harness.privacy import KEEP
from harness.processes import worker_environment


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1"),
        ("NVIDIA_TF32_OVERRIDE", "0"),
        ("DNNL_DEFAULT_FPMATH_MODE", "BF16"),
        ("ONEDNN_DEFAULT_FPMATH_MODE", "any"),
        ("MKL_BLAS_COMPUTE_MODE", "FLOAT_TO_BF16"),
        ("CUBLAS_EMULATE_SINGLE_PRECISION", "1"),
        ("HIPBLASLT_ALLOW_TF32", "1"),
        ("TRITON_F32_DEFAULT", "tf32"),
    ],
)
def test_a_worker_does_not_inherit_it_and_is_told(name, value):
    made = worker_environment({name: value, "PATH": "/bin", "OMP_NUM_THREADS": "1"})
    assert name not in made
    assert (made["PATH"], made["OMP_NUM_THREADS"]) == ("/bin", "1")
    assert dropped(made) == {name: value}


def test_nothing_dropped_leaves_no_trace():
    assert without_overrides({"PATH": "/bin", "TORCH_LOGS": "x"}) == {"PATH": "/bin", "TORCH_LOGS": "x"}
    assert dropped({}) == {}


def test_a_worker_of_a_worker_is_told_all():
    first = without_overrides({"NVIDIA_TF32_OVERRIDE": "1"})
    second = without_overrides({**first, "DNNL_DEFAULT_FPMATH_MODE": "BF16"})
    assert dropped(second) == {"NVIDIA_TF32_OVERRIDE": "1", "DNNL_DEFAULT_FPMATH_MODE": "BF16"}


@pytest.mark.parametrize("told", ["", "{", "[1]", "3", "null", '{"PATH": "x"}', "[" * 100_000, '"\\ud800"'])
def test_what_nobody_wrote_there_is_not_believed(told):
    assert dropped({DROPPED: told}) == {}
    assert without_overrides({DROPPED: told}).get(DROPPED, told) == told


def test_long_values_are_cut():
    assert len(dropped(without_overrides({"NVIDIA_TF32_OVERRIDE": "1" * 10**6}))["NVIDIA_TF32_OVERRIDE"]) == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TASK_QUEUE_ENABLE", "2"),
        ("ASCEND_LAUNCH_BLOCKING", "1"),
        ("CPU_AFFINITY_CONF", "2,npu0:0-23,npu1:24-47"),
        ("PYTORCH_NPU_ALLOC_CONF", "expandable_segments:True"),
        ("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:128,roundup_power2_divisions:[256:1,512:2,>:4]"),
        ("PYTORCH_ALLOC_CONF", "garbage_collection_threshold:0.8"),
        ("COMBINED_ENABLE", "1"),
        ("TORCH_NPU_USE_COMPATIBLE_IMPL", "1"),
        ("MS_DEV_HOST_BLOCKING_RUN", "1"),
        ("MS_ALLOC_CONF", "enable_vmm:true"),
        ("MS_ENABLE_INTERNAL_KERNELS", "off"),
        ("GLOG_v", "2"),
        ("CUDA_LAUNCH_BLOCKING", "1"),
        ("CUDA_MODULE_LOADING", "LAZY"),
        ("HSA_ENABLE_SDMA", "0"),
        ("HIP_LAUNCH_BLOCKING", "1"),
        ("MIOPEN_FIND_MODE", "FAST"),
        ("ROCBLAS_TENSILE_LIBPATH", "/opt/rocm/lib/rocblas/library"),
        ("ROC_GLOBAL_CU_MASK", "0xffffffffffffffffff"),
        ("OMP_WAIT_POLICY", "passive"),
        ("GOMP_SPINCOUNT", "0"),
        ("OMP_PLACES", "{0:4}:2:4"),
        ("KMP_BLOCKTIME", "0"),
        ("MKL_CBWR", "AVX2"),
        ("ATEN_CPU_CAPABILITY", "default"),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16"),
        ("MALLOC_ARENA_MAX", "2"),
        ("TORCHINDUCTOR_MAX_AUTOTUNE", "1"),
    ],
)
def test_variables_that_change_speed_or_numbers_are_recorded(name, value):
    assert speed_variables({name: value, "PATH": "/bin", "HOME": "/home/ada", "LANG": "C"}) == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TORCHINDUCTOR_CACHE_DIR", "/home/ada/cache"),
        ("TORCH_HOME", "~/models"),
        ("MIOPEN_USER_DB_PATH", "/usr/../home/ada"),
        ("MS_COMPILER_CACHE_PATH", "ada/thesis"),
        ("CUDA_CACHE_PATH", "C:\\Users\\ada"),
        ("ASCEND_OPP_PATH", "/usr/local/x:/home/ada"),
        ("LD_PRELOAD", "/data/ada/libjemalloc.so"),
        ("MS_SCHED_HOST", "10.0.0.3"),
        ("HCCL_IF_IP", "10.0.0.3"),
        ("MS_CLIENT_SECRET", "hunter"),
        ("MS_GRAPH_TOKEN", "short"),
        ("TORCH_SOMETHING", "https://ada:pw@example.org"),
        ("TORCH_SOMETHING", "ada@example.org"),
        ("TORCH_SOMETHING", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
        ("TORCH_SOMETHING", "key=AKIAIOSFODNN7EXAMPLE,x"),
        ("TORCH_SOMETHING", "a\nb\x1b[31m"),
        ("TORCH_SOMETHING", "\udcff"),
    ],
)
def test_paths_addresses_and_secrets_are_withheld(name, value):
    assert speed_variables({name: value}) == {name: WITHHELD}


def test_whole_paths_for_those_who_ask_but_no_secrets(monkeypatch):
    monkeypatch.setenv(KEEP, "1")
    found = speed_variables({"TORCH_HOME": "/home/ada/models", "MS_TOKEN": "x", "MS_X": "AKIAIOSFODNN7EXAMPLE"})
    assert found == {"TORCH_HOME": "/home/ada/models", "MS_TOKEN": WITHHELD, "MS_X": WITHHELD}


def test_size_is_bounded_whatever_is_set():
    many = {f"MS_{number:05d}": "x" * 10**5 for number in range(1000)} | {"MS_" + "N" * 10**5: "1"}
    found = speed_variables(many)
    assert len(found) == MOST + 1
    assert found[WITHHELD] == f"{1000 - MOST} more"
    assert max(map(len, found.values())) == LONGEST
    assert len(json.dumps(found)) < 20_000


def test_what_has_a_place_of_its_own_is_not_repeated():
    names = [*OVERRIDING, "CUDA_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES", "OMP_NUM_THREADS"]
    assert speed_variables(dict.fromkeys(names, "1"), apart=("OMP_NUM_THREADS",)) == {}


def test_the_environment_of_launches_holds_them(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    found = environment.capture(None)
    assert found.variables["OMP_WAIT_POLICY"] == "passive"
    assert found.threads["OMP_NUM_THREADS"] == "2"
    assert not {"OMP_NUM_THREADS", "NVIDIA_TF32_OVERRIDE"} & found.variables.keys()
