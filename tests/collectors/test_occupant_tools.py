"""Process lists of the vendors' tools as they print them: NVML on the stub library, the others as programs on PATH.

The outputs are made after public captures: npu-smi 25.5.1 and 26.0, hy-smi of DTK 25.04, ROCm-SMI 4.0 and 7.8.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from drm_tree import add_board, add_node
from fake_tools import Reply
from hypothesis import given, settings
from hypothesis import strategies as st
from test_nvml import TWO_A100, A, B, environment, stub_folder

from collectors.occupancy.occupants import DeviceProcess, LookError
from collectors.vendors.ascend.ascend_occupants import NpuSmiOccupants, proc_mem, table_processes
from collectors.vendors.command import Answer
from collectors.vendors.hygon_amd.rocm_occupants import HySmiOccupants, RocmSmiOccupants, devices_of_pids, listed
from collectors.vendors.nvidia.nvidia_occupants import NvidiaSmiOccupants, compute_apps
from tests.shared import shared_path

__all__ = ["stub_folder"]
MIB = 1 << 20

NVML_SCRIPT = """
import json, os, sys
from collectors.occupancy.occupants import LookError
from collectors.vendors.nvidia.nvidia_occupants import NvmlOccupants
lister = NvmlOccupants()
result = {"reason": lister.find()}
os.environ.update(json.loads(sys.argv[1]))
if result["reason"] is None:
    try:
        devices, _ = lister.look()
        result["devices"] = [(d.device, d.id, [(p.pid, p.memory_bytes) for p in d.processes]) for d in devices]
    except LookError as error:
        result["error"] = str(error)
print(json.dumps(result))
"""


def nvml(folder: Path, later: dict[str, str] | None = None, **variables: str):
    done = subprocess.run(
        [sys.executable, "-c", NVML_SCRIPT, json.dumps(later or {})],
        env=environment(folder, STUB_GPUS=TWO_A100, **variables),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the NVML stub with")
def test_nvml_lists_all_kinds_of_processes_by_board(stub_folder):
    lists = {
        "STUB_COMPUTE": "0/100/1073741824,1/200/5,0/101/-1",
        "STUB_GRAPHICS": "0/300/4194304,0/100/7",
        "STUB_MPS": "0/400/8",
    }
    found = nvml(stub_folder["new"], **lists)
    assert found["devices"] == [
        [0, A, [[100, 1 << 30], [101, None], [300, 4 * MIB], [400, 8]]],
        [1, B, [[200, 5]]],
    ]
    only = nvml(stub_folder["new"], CUDA_VISIBLE_DEVICES="1", **lists)
    assert only["devices"] == [[0, B, [[200, 5]]]]
    many = nvml(stub_folder["new"], STUB_COMPUTE=",".join(f"0/{pid}/1" for pid in range(1, 60)))
    assert len(many["devices"][0][2]) == 59


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the NVML stub with")
def test_nvml_of_older_drivers_and_what_fails(stub_folder):
    assert nvml(stub_folder["old"], STUB_COMPUTE="0/100/9")["devices"][0][2] == [[100, 9]]
    lost = nvml(stub_folder["new"], {"STUB_ERR": "STUB_COMPUTE=15"})
    assert lost["error"] == "NVML: GPU is lost"
    unsupported = nvml(stub_folder["new"], STUB_COMPUTE="0/100/9", STUB_ERR="STUB_GRAPHICS=3,STUB_MPS=3")
    assert unsupported["devices"][0][2] == [[100, 9]]
    assert nvml(stub_folder["new"], STUB_ERR="init=9")["reason"] == "NVML: Driver Not Loaded"


GPUS = f"{A}, NVIDIA A100-SXM4-80GB, 00000000:01:00.0\n{B}, NVIDIA A100-SXM4-80GB, 00000000:41:00.0\n"
APPS = "pid, gpu_uuid, used_gpu_memory [MiB]\n"


def test_nvidia_smi_lists_processes_by_board(fake_tool):
    rows = f"{APPS}4242, {A}, 20480 MiB\n17, {B}, 3 MiB\n18, {A}, [N/A]\n"
    fake_tool(
        "nvidia-smi",
        Reply("--query-gpu", GPUS),
        Reply("^-L", f"GPU 0: NVIDIA A100 (UUID: {A})\n"),
        Reply("--query-compute-apps=pid,gpu_uuid,used_memory --format=csv", rows),
    )
    lister = NvidiaSmiOccupants({"CUDA_VISIBLE_DEVICES": "0"})
    assert lister.find() is None
    (board,), unplaced = lister.look()
    assert (board.device, board.id) == (0, A)
    assert board.processes == (DeviceProcess(4242, 20480 * MIB), DeviceProcess(18, None))
    assert unplaced == []


def test_nvidia_smi_names_a_mig_instance_and_its_board_is_meant(fake_tool):
    mig = "MIG-5c1f8c34-91c5"
    fake_tool(
        "nvidia-smi",
        Reply("--query-gpu", GPUS),
        Reply("^-L", f"GPU 0: NVIDIA A100 (UUID: {A})\n  MIG 3g.40gb     Device  0: (UUID: {mig})\n"),
        Reply("--query-compute-apps", f"{APPS}4242, {mig}, 512 MiB\n"),
    )
    lister = NvidiaSmiOccupants({"CUDA_VISIBLE_DEVICES": mig})
    assert lister.find() is None
    assert [process.pid for process in lister.look()[0][0].processes] == [4242]


@pytest.mark.parametrize("text", [APPS, "pid, gpu_uuid, used_gpu_memory [MiB]\nNo running processes found\n"])
def test_nvidia_smi_without_processes(text):
    assert compute_apps(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Failed to initialize NVML: Driver/library version mismatch\n",
        f"{APPS}Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.\n",
        f"{APPS}42, {A}\n",
        f"42, {A}, 20 MiB\n",
    ],
)
def test_nvidia_smi_that_lists_no_processes_says_what_it_printed(text):
    with pytest.raises(LookError, match="nvidia-smi"):
        compute_apps(text)


def line(label: str, value: object) -> str:
    return f"\t{label:<30} : {value}\n"


MAPPING = (
    "\tNPU ID                         Chip ID                        Chip Logic ID                  Chip Name\n"
    "\t0                              0                              0                              Ascend 910B\n"
    "\t0                              1                              -                              Mcu\n"
    "\t5                              0                              1                              Ascend 910B\n"
    "\t5                              1                              -                              Mcu\n"
)
NO_PROCESS = f"\tNo process in device.\n{line('Chip ID', 0)}\n"
PROCESS = "\tProcess id:1654497 Process name:python            Process memory(MB):177\n"
NAMELESS = "\tGet pid name failed.\n\tProcess id:907864  Process name:                  Process memory(MB):134\n"


def npu_smi(fake_tool, *replies: Reply, **environ: str) -> NpuSmiOccupants:
    fake_tool("npu-smi", Reply("^info -m$", MAPPING), *replies, Reply("^info$", "no table\n"))
    lister = NpuSmiOccupants(environ)
    assert lister.find() is None
    return lister


def test_npu_smi_lists_processes_of_the_jobs_chips(fake_tool):
    head = line("NPU ID", 5) + line("Chip Count", 1) + "\n"
    lister = npu_smi(
        fake_tool,
        Reply("-t proc-mem -i 0 -c 0", line("NPU ID", 0) + NO_PROCESS),
        Reply("-t proc-mem -i 5 -c 0", head + PROCESS + NAMELESS + line("Chip ID", 0)),
    )
    devices, unplaced = lister.look()
    held = (DeviceProcess(1654497, 177 * MIB), DeviceProcess(907864, 134 * MIB))
    assert [(each.device, each.id, each.processes) for each in devices] == [
        (0, "NPU 0 chip 0", ()),
        (1, "NPU 5 chip 0", held),
    ]
    assert unplaced == []
    only = npu_smi(fake_tool, Reply("-i 5", head + PROCESS), ASCEND_RT_VISIBLE_DEVICES="1")
    assert [(each.device, len(each.processes)) for each in only.look()[0]] == [(0, 1)]


def test_npu_smi_of_two_chips_a_card_puts_the_chip_below_its_processes(fake_tool):
    both = line("NPU ID", 0) + PROCESS + line("Chip ID", 0) + "\n" + NAMELESS + line("Chip ID", 1)
    lister = npu_smi(fake_tool, Reply("proc-mem", both), ASCEND_RT_VISIBLE_DEVICES="0")
    assert [process.pid for process in lister.look()[0][0].processes] == [1654497]


TABLE = """
+---------------------------+---------------+----------------------------------------------------------------------+
| NPU     Chip              | Process id    | Process name       | Process memory(MB)    | Process id in container |
+===========================+===============+======================================================================+
| 0       0                 | 485946        | pytest             | 5175                  | NA                      |
| 0       0                 | 485947        | python             | 12                    | 101                     |
+===========================+===============+======================================================================+
| No running processes found in NPU 5                                                                              |
+===========================+===============+======================================================================+
"""


def test_npu_smi_that_does_not_know_the_call_is_read_by_its_table(fake_tool):
    tool = fake_tool("npu-smi", Reply("^info -m$", MAPPING), Reply("^info$", TABLE))
    lister = NpuSmiOccupants({})
    assert lister.find() is None
    for _ in range(2):
        devices, _ = lister.look()
        held = (DeviceProcess(485946, 5175 * MIB), DeviceProcess(101, 12 * MIB))
        assert [each.processes for each in devices] == [held, ()]
    assert sum("proc-mem" in call for call in tool.calls) == 1


def test_npu_smi_tells_its_error_where_it_lists_nothing(fake_tool):
    lister = npu_smi(fake_tool, Reply("proc-mem", "DCMI module initialize failed. ret is -8005\n"))
    with pytest.raises(LookError, match=r"error -8005 \(the driver cannot be reached"):
        lister.look()


def test_table_of_the_950_has_no_chip_and_others_no_container():
    table = (
        "| NPU ID | Process id | Process name | Process memory(MB) | Process id in container |\n"
        "| 3      | 1001       | python       | 256                | NA                      |\n"
    )
    assert table_processes(table, [(3, 0)]) == {(3, 0): (DeviceProcess(1001, 256 * MIB),)}
    with pytest.raises(LookError, match="does not tell of NPU 4"):
        table_processes(table, [(3, 0), (4, 0)])


def test_recorded_tables_of_npu_smi():
    loaded = shared_path("power-samples/npu-smi_info_25.0.rc1.b010_910B3_8cards_load.txt").read_text()
    free = shared_path("power-samples/npu-smi_info_24.1.rc1_910B4_proctable.txt").read_text()
    assert table_processes(free, [(0, 0)]) == {(0, 0): ()}
    pids = [1067983, 1070524, 1073093, 1075396, 1077642, 1079652, 1082071, 1084428]
    found = table_processes(loaded, [(card, 0) for card in range(8)])
    assert [one.pid for own in found.values() for one in own] == pids
    assert found[5, 0] == (DeviceProcess(1079652, 56374 * MIB),)


C, D = "0000:03:00.0", "0000:26:00.0"
BUSES = f"HCU[0]\t\t: PCI Bus: {C}\nHCU[1]\t\t: PCI Bus: {D}\n"
BLOCKS = (
    "PIDs for KFD processes:\n\n"
    "PID: 12345\n\tPASID: 1\n\tHCU Index: ['1']\n\tGPUID: ['42']\n\tVRAM USED(MiB): 512\n\tSDMA USED: 0\n"
    "PID: 67890\n\tPASID: 2\n\tHCU Index: ['0', '1']\n\tVRAM USED(MiB): 1024\n"
)


@pytest.fixture
def boards(tmp_path):
    for card, pci in enumerate((C, D)):
        add_board(tmp_path / "root", card, pci)
        add_node(tmp_path / "root", card, pci)
    return tmp_path / "root"


def smi(kind, root: Path, **environ: str):
    lister = kind(environ, root / "sys", root / "dev")
    assert lister.find() is None
    return lister


def test_hy_smi_numbers_the_devices_of_each_process(fake_tool, boards):
    fake_tool("hy-smi", Reply("--showbus", BUSES), Reply("--showpids", BLOCKS))
    devices, unplaced = smi(HySmiOccupants, boards).look()
    both = DeviceProcess(67890, 1024 * MIB)
    assert [(each.device, each.id, each.processes) for each in devices] == [
        (0, C, (both,)),
        (1, D, (DeviceProcess(12345, 512 * MIB), both)),
    ]
    assert unplaced == []
    only = smi(HySmiOccupants, boards, HIP_VISIBLE_DEVICES="1").look()[0]
    assert [(each.device, each.id, len(each.processes)) for each in only] == [(0, D, 2)]


def test_hy_smi_that_does_not_tell_the_device(fake_tool, boards):
    fake_tool("hy-smi", Reply("--showbus", BUSES), Reply("--showpids", "PID: 7\n\tHCU Index: []\n"))
    devices, unplaced = smi(HySmiOccupants, boards).look()
    assert [each.processes for each in devices] == [(), ()]
    assert unplaced == [DeviceProcess(7)]
    fake_tool(
        "hy-smi",
        Reply("--showbus", BUSES.splitlines(keepends=True)[0]),
        Reply("--showpids", "PID: 7\n\tHCU Index: []\n"),
    )
    (device,), unplaced = smi(HySmiOccupants, boards, HIP_VISIBLE_DEVICES="0").look()
    assert (device.processes, unplaced) == ((DeviceProcess(7),), [])


KFD = (
    "\n============================ ROCm System Management Interface ============================\n"
    "===================================== KFD Processes ======================================\n"
    "KFD process information:\n"
    "PID \tPROCESS NAME   \tGPU(s)\tVRAM USED  \tSDMA USED\tCU OCCUPANCY\t\n"
    "9399\tVLLM::EngineCor\t1     \t329576448  \t0        \tUNKNOWN     \t\n"
    "6566\tmy tool        \t0     \t0          \t0        \tUNKNOWN     \t\n"
    "6534\tdflash_server  \t2     \t18652127232\t0        \t0           \t\n"
    "==========================================================================================\n"
    "================================== End of ROCm SMI Log ===================================\n"
)
BY_PID = (
    "================================== GPUs Indexed by PID ===================================\n"
    "PID 6566 is using 0 DRM device(s)\n"
    "PID 9399 is using 1 DRM device(s):\n1 \n"
    "PID 6534 is using 2 DRM device(s):\n0 \n1 \n"
    "==========================================================================================\n"
)


def test_rocm_smi_counts_devices_and_names_them_in_another_call(fake_tool, boards):
    fake_tool(
        "rocm-smi",
        Reply("--showbus", BUSES.replace("HCU", "GPU")),
        Reply("--showpids", KFD),
        Reply("--showpidgpus", BY_PID),
    )
    devices, unplaced = smi(RocmSmiOccupants, boards).look()
    two = DeviceProcess(6534, 18652127232)
    assert [each.processes for each in devices] == [(two,), (DeviceProcess(9399, 329576448), two)]
    assert unplaced == []


@pytest.mark.parametrize("told", ["No KFD PIDs currently running\n", "No KFD PIDs currently running!\n"])
def test_rocm_smi_without_processes(fake_tool, boards, told):
    fake_tool("rocm-smi", Reply("--showbus", BUSES), Reply("--showpids", told))
    assert [each.processes for each in smi(RocmSmiOccupants, boards).look()[0]] == [(), ()]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply("--showpids", "Unable to open process directory\n"), "Unable to open process directory"),
        (Reply("--showpids", "Aborted (core dumped)\n", status=134), "ended with status 134"),
        (Reply("--showpids", ""), "an empty output"),
    ],
)
def test_rocm_smi_that_lists_no_processes_says_what_it_printed(fake_tool, boards, reply, told):
    fake_tool("rocm-smi", Reply("--showbus", BUSES), reply)
    with pytest.raises(LookError, match=told.replace("(", r"\(")):
        smi(RocmSmiOccupants, boards).look()


def test_a_list_of_devices_may_go_over_several_lines():
    text = "PID 60001 is using 6 DRM device(s):\n0 1 2\n3 4 5\nPID 61300 is using 1 DRM device(s):\n3\n"
    assert devices_of_pids(text) == {60001: frozenset(range(6)), 61300: frozenset({3})}


@pytest.mark.parametrize("kind", [NvidiaSmiOccupants, NpuSmiOccupants, HySmiOccupants, RocmSmiOccupants])
def test_a_tool_that_is_not_there_says_so(kind, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kind(dict(os.environ)).find() == f"{kind.name} is not on PATH"


PIECES = [
    APPS,
    GPUS,
    MAPPING,
    PROCESS,
    NAMELESS,
    NO_PROCESS,
    TABLE,
    BLOCKS,
    KFD,
    BY_PID,
    f"42, {A}, 20 MiB\n",
    "| 0 0 | 5 |",
]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 40), st.text(max_size=6)), max_size=6),
)
def test_damaged_lists_are_read_or_refused(text, cuts):
    for at, length, put in cuts:
        text = text[:at] + put + text[at + length :]
    answer = Answer(0, 1, text)
    readers = [
        lambda: [process for _, process in compute_apps(text)],
        lambda: list(proc_mem(answer, 0)),
        lambda: list(table_processes(text, [(0, 0)])[0, 0]),
        lambda: [held.process for held in listed(answer)],
    ]
    for reader in readers:
        with contextlib.suppress(LookError):
            assert all(process.pid >= 0 and process.whose == "unknown" for process in reader())
    devices_of_pids(text)
