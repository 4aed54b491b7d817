"""What the drivers tell of a job's devices: through a stub of NVML, and through programs that replay outputs."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from harness.analysis.hosts import kind_of
from harness.launch.room import problem_of_ranks
from harness.machine import accelerators
from harness.machine.accelerators import ascend, hygon_amd
from harness.machine.speed_variables import speed_variables
from harness.processes import environment_beside, worker_environment
from harness.results.devices import UNORDERED, Accelerator, Device
from harness.results.environment import Environment
from harness.scenario.execution import Execution, World
from tests.analysis.made_records import make_scenario
from tests.shared import REPOSITORY, shared_path

ASK_NVML = """
import os
from harness.machine import accelerators
found = accelerators.describe("CUDA_VISIBLE_DEVICES", int(os.environ.get("COUNT", "1")))
states = accelerators.states("CUDA_VISIBLE_DEVICES", "before")
print(found.model_dump_json())
print("[" + ",".join(state.model_dump_json() for state in states) + "]")
"""
CAPTURE = """
from harness.machine import environment
for devices in ((), (1,)):
    print(environment.capture("CUDA_VISIBLE_DEVICES", *devices).model_dump_json())
"""
COUNT = """
from dataclasses import asdict
import json
from harness.machine import accelerators
from harness.power.preferences import probed
print(accelerators.describe("CUDA_VISIBLE_DEVICES", None).model_dump_json())
for state in accelerators.states("CUDA_VISIBLE_DEVICES", "before", 2):
    print(state.model_dump_json())
print(json.dumps(asdict(probed(("nvml",)))))
"""
UNLIKE = "GPU-0c1f|Quadro P400|00000000:01:00.0|6.1|;GPU-9ab3|NVIDIA GeForce RTX 3090|00000000:41:00.0|8.6|"
GPUS = "GPU-0c1f|A100|00000000:01:00.0|8.0|;GPU-9ab3|A100|00000000:41:00.0|8.0|"


@pytest.fixture(scope="module")
def nvml(tmp_path_factory):
    """nvml(variables): what is told of the devices, and their states, as JSON content."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to compile a stub of NVML with")
    folder = tmp_path_factory.mktemp("nvml")
    source = REPOSITORY / "harness/rehearsal/stand_ins/libnvidia_ml.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", source], check=True)

    def ask(script=ASK_NVML, **variables):
        kept = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
        env = {**kept, "LD_LIBRARY_PATH": str(folder), "STUB_GPUS": GPUS, **variables}
        told = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True, cwd=REPOSITORY
        )
        return [json.loads(line) for line in told.stdout.splitlines()]

    return ask


class TestNvidia:
    def test_the_jobs_device_alone_is_described(self, nvml):
        found, (state,) = nvml(CUDA_VISIBLE_DEVICES="1")
        assert (found["vendor"], found["driver"], found["toolkit"]) == ("nvidia", "615.71.05", "CUDA 13.2")
        assert found["missing"] == []
        assert found["devices"] == [
            {
                "index": 0,
                "name": "A100",
                "memory_bytes": 81 << 30,
                "clock_mhz_max": 1980.0,
                "memory_clock_mhz_max": 2619.0,
                "power_cap_w": 400.0,
                "ecc": True,
                "persistence": False,
                "mode": None,
                "firmware": "96.00.A1",
            }
        ]
        assert state == {
            "index": 0,
            "when": "before",
            "clock_mhz": 345.0,
            "memory_clock_mhz": 1593.0,
            "temperature_c": 41.0,
            "throttle_reasons": ["idle", "power cap"],
            "throttled_s": {"power cap": 1.5, "temperature": 0.0},
            "ecc_errors": 2,
        }

    def test_of_several_devices_of_the_job_each(self, nvml):
        found, _ = nvml(CUDA_VISIBLE_DEVICES="1,0", COUNT="2")
        assert [device["memory_bytes"] >> 30 for device in found["devices"]] == [81, 80]

    def test_a_bench_knows_of_all_devices_and_a_record_of_those_of_its_launch(self, nvml):
        """Both say the same kind of host; two ranks have room on two boards, and three have not."""
        told = [Environment.model_validate(each) for each in nvml(CAPTURE)]
        of_bench, of_launch = told
        assert [len(each.accelerator.devices) for each in told] == [2, 1]
        assert of_bench.of_devices(1).accelerator == of_launch.accelerator
        assert kind_of(of_bench) == kind_of(of_launch)
        on = [make_scenario(execution=Execution(world=World(devices=each)), device="cuda") for each in (2, 3)]
        assert problem_of_ranks(on[0], of_bench) is None
        assert problem_of_ranks(on[1], of_bench).endswith("take at most DEVICES=2")

    @pytest.mark.parametrize("order", [None, "FASTEST_FIRST"])
    def test_unlike_boards_are_counted_as_the_workers_count_them(self, nvml, order):
        """Workers are told PCI_BUS_ID where the user says nothing; where the user says otherwise, none can be told."""
        said = {"CUDA_DEVICE_ORDER": order} if order else {}
        found, *states, probe = nvml(COUNT, STUB_GPUS=UNLIKE, CUDA_VISIBLE_DEVICES="1", **said)
        sensors = [(sensor["id"], sensor["devices"]) for sensor in probe["sensors"]]
        if order is None:
            assert [device["name"] for device in found["devices"]] == ["NVIDIA GeForce RTX 3090"]
            assert (found["missing"], [state["index"] for state in states]) == ([], [0])
            assert sensors == [("GPU-9ab3", [0])]
        else:
            assert (found["devices"], states, sensors) == ([], [], [])
            assert all("set CUDA_DEVICE_ORDER=PCI_BUS_ID" in told for told in (found["missing"][0], probe["reason"]))

    def test_what_a_board_does_not_tell_is_none_with_a_reason(self, nvml):
        found, (state,) = nvml(STUB_ERR="ecc=3,violation=3")
        assert found["devices"][0]["ecc"] is None
        assert found["devices"][0]["clock_mhz_max"] == 1980.0
        (reason,) = found["missing"]
        assert reason.startswith("ECC: ")
        assert (state["ecc_errors"], state["throttled_s"], state["temperature_c"]) == (None, None, 41.0)

    def test_a_board_that_cannot_be_shown_is_a_reason(self, nvml):
        found, states = nvml(CUDA_VISIBLE_DEVICES="")
        assert (found["devices"], states) == ([], [])
        assert found["driver"] == "615.71.05"
        assert "CUDA_VISIBLE_DEVICES" in found["missing"][0]

    def test_no_driver_is_a_reason(self, nvml):
        found, states = nvml(STUB_ERR="init=9")
        assert (found["driver"], found["devices"], states) == (None, [], [])
        assert found["missing"][0].startswith("NVML: ")


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """tool(name, answers): a program on PATH, and nothing of its kind elsewhere, that prints by its arguments."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name, answers):
        cases = []
        for number_, (arguments, text) in enumerate(answers.items()):
            (folder / f"{name}.{number_}").write_text(text)
            cases.append(f'"{arguments}") cat "{folder}/{name}.{number_}" ;;')
        (folder / name).write_text("\n".join(["#!/bin/sh", 'case "$*" in', *cases, "*) exit 1 ;;", "esac"]))
        (folder / name).chmod(0o755)

    return make


MAPPING = """\
        NPU ID         Chip ID        Chip Logic ID  Chip Name
        0              0              0              Ascend 910B3
        0              1              -              Mcu
        1              0              1              Ascend 910B3
        1              1              -              Mcu
"""
BOARD = "        Software Version               : 25.5.1\n        Firmware Version               : 7.8.0.6.201\n"
USAGES = "        DDR Capacity(MB)               : 0\n        HBM Capacity(MB)               : 65536\n"
COMMON = """\
        Chip ID                        : 0
        Aicore Freq(MHZ)               : 1800
        Aicore curFreq(MHZ)            : 800
        Temperature(C)                 : 46

        Chip Name                      : mcu
        Temperature(C)                 : 48
"""


def npu_smi(cards=(0, 1), **changes):
    answers = {"info -m": MAPPING, "info": "no table\n"}
    for card in cards:
        told = {"board": BOARD, "usages": USAGES, "common": COMMON} | changes
        answers |= {f"info -t {kind} -i {card}": text for kind, text in told.items()}
    return answers


@pytest.fixture
def cann(tmp_path, monkeypatch):
    """A CANN of its own folder: cann(name, text) writes one of its files."""
    monkeypatch.setattr(ascend, "ROOT", tmp_path / "nowhere")

    def write(name, text):
        path = tmp_path / "cann" / name.replace("ARCH", f"{os.uname().machine}-linux")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return {"ASCEND_HOME_PATH": str(tmp_path / "cann")}

    return write


class TestAscend:
    def test_versions_and_the_jobs_device(self, tool, cann):
        tool("npu-smi", npu_smi())
        cann("ARCH/ascend_toolkit_install.info", "package_name=Ascend-cann-toolkit\nversion=8.3.RC1\npath=/x\n")
        environ = cann("opp_kernel/version.info", "Version=8.3.0.1.200\nversion_dir=8.3.RC1\n")
        found = accelerators.describe("ASCEND_RT_VISIBLE_DEVICES", 1, {**environ, "ASCEND_RT_VISIBLE_DEVICES": "1"})
        assert (found.vendor, found.driver, found.firmware) == ("ascend", "25.5.1", "7.8.0.6.201")
        assert (found.toolkit, found.kernels, found.missing) == ("CANN 8.3.RC1", "8.3.0.1.200", ())
        (device,) = found.devices
        assert (device.index, device.memory_bytes, device.clock_mhz_max) == (0, 64 << 30, 1800.0)
        assert "910B3" in device.name

    def test_state(self, tool, cann):
        tool("npu-smi", npu_smi())
        states = accelerators.states("ASCEND_RT_VISIBLE_DEVICES", "after", 2, {})
        assert [(state.index, state.when, state.clock_mhz, state.temperature_c) for state in states] == [
            (0, "after", 800.0, 46.0),
            (1, "after", 800.0, 46.0),
        ]

    def test_without_tool_and_cann_all_is_a_reason(self, tool, cann):
        found = ascend.describe({}, 1)
        assert found == Accelerator(vendor="ascend", missing=found.missing)
        assert found.missing[0] == "npu-smi is not on PATH"
        for what in ("driver", "firmware", "CANN", "kernel package"):
            assert f"the version of the {what} is told nowhere" in found.missing
        assert ascend.states({}, 1, "before") == ()

    def test_a_tool_that_fails_at_one_question_costs_that_alone(self, tool, cann):
        answers = npu_smi()
        del answers["info -t usages -i 0"]
        tool("npu-smi", answers)
        found = ascend.describe({}, 1)
        assert (found.devices[0].memory_bytes, found.devices[0].firmware) == (None, "7.8.0.6.201")
        assert any("npu-smi info -t usages -i 0" in reason for reason in found.missing)

    def test_devices_that_are_not_there_are_a_reason(self, tool, cann):
        tool("npu-smi", npu_smi())
        found = ascend.describe({"ASCEND_RT_VISIBLE_DEVICES": "7"}, 1)
        assert found.devices == ()
        assert any("ASCEND_RT_VISIBLE_DEVICES='7'" in reason for reason in found.missing)

    def test_recorded_outputs(self, tool, cann):
        def recorded(name):
            return shared_path(f"power-samples/npu-smi_{name}.txt").read_text()

        answers = npu_smi(
            (0,),
            board=recorded("t-board_910B_25.5.1"),
            usages=recorded("t-usages_910B_25.5.1"),
            common=recorded("t-common_910B_mcu"),
        )
        tool("npu-smi", answers | {"info": recorded("info_25.0.rc1.b010_910B3_8cards_load")})
        found = ascend.describe({}, 1)
        assert (found.driver, found.firmware) == ("25.0.rc1.b010", "7.8.0.6.201")
        assert (found.devices[0].memory_bytes, found.devices[0].clock_mhz_max) == (65536 << 20, 1000.0)
        (state,) = ascend.states({}, 1, "before")
        assert (state.clock_mhz, state.temperature_c) == (1000.0, 46.0)


TABLE = """\
============ System Management Interface =============
HCU     Temp     AvgPwr     Perf     PwrCap     VRAM%      HCU%      Mode
0       63.0C    109.0W     auto     400.0W     0%         0.0%      Normal
1       61.5C    112.0W     auto     350.0W     0%         0.0%      Normal
================ End of SMI Log ======================
"""
ANSWERS = {
    "": TABLE,
    "--showbus": "HCU[0]\t\t: PCI Bus: 0000:33:00.0\nHCU[1]\t\t: PCI Bus: 0000:A6:00.0\n",
    "--showdriverversion": "======\nDriver Version: 6.3.13-V1.12.0\n======\n",
    "--showproductname": "HCU[0]\t\t: Card Series:\t\t K100_AI\nHCU[1]\t\t: Card Series:\t\t K100_AI\n",
    "--showmeminfo vram": "HCU[0]\t: vram Total Memory (B): 68702699520\nHCU[1]\t: vram Total Memory (B): 1024\n",
    "--showvbios": "HCU[0]\t\t: VBIOS version: 5.0.A\nHCU[1]\t\t: VBIOS version: N/A\n",
}


@pytest.fixture
def dtk(tmp_path):
    """The variables of a DTK."""
    version = tmp_path / "dtk-25.04" / ".info" / "version"
    version.parent.mkdir(parents=True)
    version.write_text("25.04.2\n")
    return {"DTKROOT": str(tmp_path / "dtk-25.04")}


class TestHygon:
    def test_versions_and_the_jobs_device(self, tool, dtk):
        tool("hy-smi", ANSWERS)
        found = accelerators.describe("HIP_VISIBLE_DEVICES", 1, dtk)
        assert (found.vendor, found.driver, found.toolkit) == ("hygon_amd", "6.3.13-V1.12.0", "DTK 25.04.2")
        assert (found.firmware, found.missing) == ("5.0.A", ())
        expected = Device(index=0, name="K100_AI", memory_bytes=68702699520, power_cap_w=400.0, firmware="5.0.A")
        assert found.devices == (expected,)
        (other,) = accelerators.describe("HIP_VISIBLE_DEVICES", 1, {**dtk, "HIP_VISIBLE_DEVICES": "1"}).devices
        assert (other.index, other.memory_bytes, other.power_cap_w, other.firmware) == (0, 1024, 350.0, None)

    def test_state(self, tool):
        tool("hy-smi", ANSWERS)
        states = accelerators.states("HIP_VISIBLE_DEVICES", "after", 2, {})
        assert [(state.index, state.temperature_c) for state in states] == [(0, 63.0), (1, 61.5)]

    def test_a_board_that_the_tool_does_not_list_keeps_its_index(self, tool, dtk):
        """HIP's first device has an address and no row: the second stays number 1."""
        row = next(line for line in TABLE.splitlines(keepends=True) if line.startswith("0 "))
        tool("hy-smi", ANSWERS | {"": TABLE.replace(row, "")})
        (device,) = accelerators.describe("HIP_VISIBLE_DEVICES", 2, dtk).devices
        assert (device.index, device.power_cap_w) == (1, 350.0)
        (state,) = accelerators.states("HIP_VISIBLE_DEVICES", "before", 2, {})
        assert (state.index, state.temperature_c) == (1, 61.5)

    def test_amds_program_by_its_name_and_layout(self, tool, tmp_path):
        answers = dict.fromkeys(ANSWERS, "nothing known\n") | {
            "": shared_path("power-samples/rocm-smi_table_Z100L_dtk23.10.1_4cards.txt").read_text(),
            "--showdriverversion": "Driver version: 5.16.26\n",
        }
        tool("rocm-smi", answers)
        found = hygon_amd.describe({"HIP_VISIBLE_DEVICES": "2"}, 1)
        assert (found.driver, found.devices) == ("5.16.26", (Device(index=0, power_cap_w=280.0),))
        (state,) = hygon_amd.states({"HIP_VISIBLE_DEVICES": "2"}, 1, "before")
        assert state.temperature_c == 29.0

    def test_a_tool_that_does_not_answer_is_asked_once(self, tool, dtk):
        """One that hangs is waited for ten seconds each time."""
        tool("hy-smi", {})
        found = hygon_amd.describe(dtk, 1)
        assert found.toolkit == "DTK 25.04.2"
        assert len([reason for reason in found.missing if reason.startswith("hy-smi")]) == 1

    def test_without_a_tool_all_is_a_reason(self, tool, monkeypatch, tmp_path):
        found = hygon_amd.describe({"DTKROOT": str(tmp_path)}, 1)
        assert (found.driver, found.devices) == (None, ())
        assert "hy-smi is not on PATH" in found.missing
        assert hygon_amd.states({}, 1, "before") == ()


def test_a_launch_divides_among_the_devices_that_are_called_as_the_first():
    a100, p400 = "NVIDIA A100", "Quadro P400"
    found = Accelerator(devices=tuple(Device(index=k, name=name) for k, name in enumerate((a100, a100, p400, a100))))
    assert [device.index for device in found.alike.devices] == [0, 1]
    assert found.first(3).devices == found.devices[:3]
    assert Accelerator().alike == Accelerator()
    unordered = found.model_copy(update={"missing": (f"the order in which CUDA counts the boards {UNORDERED}",)})
    assert unordered.first(1) == unordered


def test_a_sampler_counts_as_its_worker_does_or_as_the_users_command():
    assert worker_environment({"A": "b"})["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert "CUDA_DEVICE_ORDER" not in environment_beside({"A": "b"})
    said = {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}
    assert said.items() <= worker_environment(said).items() & environment_beside(said).items()


def test_a_cpu_has_no_accelerator():
    assert accelerators.describe(None, None) == Accelerator()
    assert accelerators.states(None, "before") == ()
    assert str(Accelerator()) == "none"


def test_words():
    found = Accelerator(vendor="nvidia", driver="1.2", devices=(Device(index=0, name="A", ecc=False),), missing=("x",))
    assert str(found) == "vendor nvidia, driver 1.2; device 0: name A, ecc False"


@pytest.mark.parametrize(
    "name",
    [
        *("TASK_QUEUE_ENABLE", "ASCEND_LAUNCH_BLOCKING", "CPU_AFFINITY_CONF", "PYTORCH_NPU_ALLOC_CONF"),
        *("COMBINED_ENABLE", "TORCH_NPU_USE_COMPATIBLE_IMPL", "MS_ALLOC_CONF", "GLOG_v", "PYTORCH_CUDA_ALLOC_CONF"),
        *("CUDA_LAUNCH_BLOCKING", "CUDA_MODULE_LOADING", "HSA_ENABLE_SDMA", "HIP_LAUNCH_BLOCKING"),
        *("MIOPEN_FIND_MODE", "ROCBLAS_LAYER", "PYTORCH_HIP_ALLOC_CONF", "ACL_OP_COMPILER_CACHE_DIR"),
    ],
)
def test_variables_of_allocators_and_queues_are_recorded(name):
    assert speed_variables({name: "1", "EDITOR": "vi"}) == {name: "1"}
