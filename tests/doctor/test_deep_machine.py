"""What the deep doctor says of the machine, of a sensor and of how a process ended: without any framework."""

import io
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from collectors.base import Reading, Sensor
from collectors.samples import Header, SampleLog
from harness.doctor.deep import child, machine, run
from harness.doctor.deep.child import peak_of
from harness.doctor.deep.plan import said as said_in
from harness.doctor.deep.power import check_power
from harness.doctor.deep.rendering import page
from harness.doctor.deep.run import Ended
from harness.errors import UserError
from harness.frameworks import open_framework
from harness.results.deep_report import Check, DeepReport, path_of, remark, save
from harness.results.devices import Accelerator, Device, DeviceState
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig
from harness.scenario.execution import EAGER, GRAPH

GIB = 2**30
A100 = Device(index=0, name="NVIDIA A100", power_cap_w=400)


def verdict(check):
    assert (check.advice is None) == (check.verdict == "ok")
    return check.verdict


@pytest.mark.parametrize(
    ("accelerator", "expected", "said"),
    [
        (Accelerator(), "ok", "Python 3."),
        (Accelerator(vendor="ascend", driver="24.1", toolkit="CANN 8.0"), "ok", "driver 24.1, CANN 8.0"),
        (Accelerator(vendor="ascend", driver="24.1", missing=("no version of CANN",)), "warning", "no version of CANN"),
    ],
)
def test_versions(accelerator, expected, said):
    check = machine.versions(accelerator)
    assert verdict(check) == expected
    assert said in check.found


@pytest.mark.parametrize(
    ("device", "state", "expected", "said"),
    [
        (A100, {"clock_mhz": 1410, "temperature_c": 41, "throttle_reasons": ("idle",)}, "ok", "1410 MHz, 41 °C"),
        (A100, {"throttle_reasons": ("temperature, by hardware", "idle")}, "warning", "temperature, by hardware"),
        (A100.model_copy(update={"power_cap_w": 300.0}), {}, "warning", "300 W is below the chip's 400 W"),
        (A100.model_copy(update={"mode": "MIG"}), {}, "warning", "divided or shared"),
    ],
)
def test_clocks_and_caps(device, state, expected, said):
    check = machine.clocks((device,), (DeviceState(index=0, when="before", **state),), 400.0)
    assert verdict(check) == expected
    assert said in f"{check.found} {check.advice}"


def test_a_device_whose_driver_tells_nothing_of_clocks():
    assert verdict(machine.clocks((), (), None)) == "warning"


def test_memory_and_shared_memory(tmp_path):
    assert verdict(machine.memory(16 * GIB)) == "ok"
    assert verdict(machine.memory(2 * GIB)) == "warning"
    absent = machine.shared_memory(tmp_path / "none")
    assert verdict(absent) == "warning"
    assert "--shm-size" in absent.advice


@pytest.mark.parametrize(
    ("environ", "cpu_limit_s", "expected", "said"),
    [
        ({}, None, "ok", "none known"),
        ({machine.JOB_ENDS: "10600"}, None, "warning", "10 minutes of this job"),
        ({machine.JOB_ENDS: "100000"}, None, "ok", "1500 minutes of this job"),
        ({machine.JOB_ENDS: "soon"}, 600.0, "warning", "10 minutes of CPU time"),
    ],
)
def test_time_limit(environ, cpu_limit_s, expected, said):
    check = machine.time_limit(environ, 10_000.0, cpu_limit_s)
    assert verdict(check) == expected
    assert said in check.found


def test_others_on_a_chip_whose_tool_is_not_here():
    assert verdict(machine.others(catalogue.chip("ascend910b"))) == "warning"


def sensor_log(**boards):
    """A log of a sensor of each board, by what it draws at a time in s: at rest from 1 to 4 s, loaded from 5 to 9 s."""
    sensors = tuple(Sensor(name, "card", "instant", devices=(number,)) for number, name in enumerate(boards))
    readings = tuple(
        Reading(tick * 10**8, tick * 10**8, name, float(watts(tick / 10)))
        for tick in range(90)
        for name, watts in boards.items()
    )
    return SampleLog(Header("nvml", sensors, {}, 0.1, 0, 0), readings, end={"type": "end"})


REST, LOADED = (10**9, 4 * 10**9), (5 * 10**9, 9 * 10**9)


@pytest.mark.parametrize(
    ("watts", "expected"),
    [
        (lambda t: 60.0 if t < 5.5 else 250.0, "ok"),
        (lambda t: 60.0, "failed"),
        (lambda t: 60.0 + 20 * np.sin(9 * t), "failed"),
        (lambda t: 250.0 if t < 5 else 60.0, "failed"),
    ],
)
def test_a_power_sensor_must_move_under_load(watts, expected):
    log = sensor_log(gpu0=watts)
    (check,) = check_power(log, None, REST, LOADED)
    assert verdict(check) == expected
    assert "W at rest" in check.found
    (unloaded,) = check_power(log, None, REST, None)
    assert verdict(unloaded) == "warning"


def test_boards_that_are_not_loaded_are_not_judged():
    log = sensor_log(gpu0=lambda t: 60.0 if t < 5 else 250.0, gpu1=lambda t: 60.0)
    (check,) = check_power(log, None, REST, LOADED)
    assert (check.name, verdict(check)) == ("power sensor gpu0", "ok")
    sensors = tuple(replace(sensor, devices=()) for sensor in log.sensors)
    (unknown,) = check_power(replace(log, header=replace(log.header, sensors=sensors)), None, REST, LOADED)
    assert (verdict(unknown), unknown.found) == (
        "warning",
        "2 devices are visible, the job uses 1, and which ones cannot be told",
    )


def test_no_sensor_is_a_warning_with_its_reason():
    (check,) = check_power(SimpleNamespace(sensors=()), "no sensor: rapl: none", (0, 1), None)
    assert (verdict(check), check.found) == ("warning", "no sensor: rapl: none")


PLAN = SimpleNamespace(group="pytorch eager", optional=False)
MISSING = "ImportError: libascendcl.so: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("ended", "expected", "said"),
    [
        (Ended(returncode=0, exit_s=0.4), "ok", "0.4 s after its work"),
        (Ended(returncode=-9, exit_s=30.1, killed=True), "warning", "was killed"),
        (Ended(returncode=-11, exit_s=0.2), "warning", "status -11 after its work"),
        (Ended(returncode=-11, begun="graphcast, gradients"), "failed", "status -11 during: graphcast, gradients"),
        (Ended(returncode=-9, killed=True, begun="operators"), "warning", "the time was up during: operators"),
        (Ended(returncode=1, last_words=MISSING), "failed", "ascend-toolkit/set_env.sh"),
    ],
)
def test_how_a_process_ended(ended, expected, said):
    (check,) = run._ending(PLAN, ended)
    assert verdict(check) == expected
    assert said in f"{check.found} {check.advice}"


@pytest.mark.parametrize(("execution", "expected"), [(EAGER, "failed"), (GRAPH, "warning")])
def test_what_no_suite_runs_unasked_may_not_open(monkeypatch, tmp_path, execution, expected):
    """A graph of PyTorch needs a code generator that many images do not have."""

    def refuse(*opened):
        raise UserError("the package triton is not installed")

    monkeypatch.setattr(child, "open_framework", refuse)
    chip = catalogue.chip("ascend910b")
    run._plan("ascend910b", chip, "pytorch", execution, (), tmp_path, 0.0).write(tmp_path)
    child.main(tmp_path, "")
    (check,) = (Check.model_validate(line["check"]) for line in said_in(tmp_path) if "check" in line)
    assert (verdict(check), check.found) == (expected, "the package triton is not installed")


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_framework_whose_library_is_not_found_is_one_line(monkeypatch, wrapped):
    """`wrapped`: as PyTorch says it, which imports torch_npu by itself."""

    def open_device(device, execution):
        missing = ImportError("libascendcl.so: cannot open shared object file: No such file or directory")
        if wrapped:
            raise RuntimeError("Failed to load the backend extension: torch_npu.") from missing
        raise missing

    monkeypatch.setitem(sys.modules, "harness.frameworks.made.trainer", SimpleNamespace(open_device=open_device))
    with pytest.raises(UserError, match=r"libascendcl\.so.*set_env\.sh"):
        open_framework("made", "npu")


def test_other_errors_of_a_framework_stay_as_they_are(monkeypatch):
    def open_device(device, execution):
        raise RuntimeError("out of memory")

    monkeypatch.setitem(sys.modules, "harness.frameworks.made.trainer", SimpleNamespace(open_device=open_device))
    with pytest.raises(RuntimeError, match="out of memory"):
        open_framework("made", "npu")


def report(*checks):
    return DeepReport(
        chip="ascend910b",
        host="0123456789ab",
        made_at="2026-01-02T03:04:05+00:00",
        crosscast_version="0",
        took_s=99.0,
        checks=checks,
    )


OK = Check(group="machine", name="versions", verdict="ok", found="all")
FAILED = Check(group="pytorch eager", name="GELU", verdict="failed", found="off", advice="compose it")


def test_a_bench_reminds_of_a_look_that_was_never_taken_or_found_faults(tmp_path):
    here = (tmp_path, "ascend910b", "0123456789ab")
    command = f"crosscast doctor --deep --chip ascend910b --results {tmp_path}"
    assert f"`{command}` was never run on this host" in remark(*here)
    save(report(OK), tmp_path)
    assert remark(*here) is None
    assert "was never run" in remark(tmp_path, "ascend910b", "ffffffffffff")
    assert "was never run" in remark(tmp_path, "a100", "0123456789ab")
    save(report(OK, FAILED), tmp_path)
    assert "of 2026-01-02 found what must be mended" in remark(*here)
    assert "GELU (pytorch eager)" in remark(*here)
    path_of(*here).write_text("{")
    assert "was never run" in remark(*here)


def test_the_page_names_groups_verdicts_and_what_to_do():
    console = Console(file=io.StringIO(), width=100)
    for part in page(report(OK, FAILED)):
        console.print(part)
    text = console.file.getvalue()
    assert "-> compose it" in text
    assert "FAILED" in text
    assert "1 ok, 0 warnings, 1 failed, in 99 s" in text


@pytest.mark.parametrize(
    ("device_name", "expected"), [("Card 7 PCIe", 51.0), ("Card 7 SXM", 67.0), ("Card 7 NVL", 60.0)]
)
def test_rates_are_held_against_the_peak_of_the_variant(device_name, expected):
    rates = {name: {"fp32": {"value": peak, "source": "a"}} for name, peak in [("PCIe", 51), ("SXM", 67)]}
    variants = [{"name": name, "pattern": name, "peak_tflops": peak} for name, peak in rates.items()]
    whole = catalogue.chip("a100").model_dump() | {
        "variants": variants,
        "peak_tflops": {"fp32": {"value": 60, "source": "a"}},
    }
    assert peak_of(ChipConfig.model_validate(whole), device_name) == expected
