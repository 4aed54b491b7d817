"""The IPMI collector on an ipmitool that prints what real controllers do."""

from __future__ import annotations

import pytest
from fake_tools import Reply

from collectors.vendors.host.ipmi import IpmiCollector


def dcmi(power: str = "220 Watts", state: str = "activated") -> str:
    """Made after the layout of ipmitool 1.8; the minimum and the average must not win."""
    return f"""
    Instantaneous power reading:                   {power}
    Minimum during sampling period:                 68 Watts
    Maximum during sampling period:                504 Watts
    Average power reading over sample period:      199 Watts
    IPMI timestamp:                           08/28/26 07:12:06 UTC    Sampling period:        00000005 Seconds.
    Power reading state is:                   {state}


"""


def test_the_node_is_one_sensor_shared_with_all_that_runs_on_it(fake_tool):
    fake_tool("ipmitool", Reply("dcmi power reading", dcmi()), Reply("-V", "ipmitool version 1.8.18\n"))
    (sensor,) = IpmiCollector().probe().sensors
    assert (sensor.scope, sensor.devices, sensor.resolution_w, sensor.tool_version) == ("node", (), 1.0, "1.8.18")
    assert "whole node" in str(sensor.shared)


def test_readings_come_at_the_controllers_pace(fake_tool):
    tool = fake_tool("ipmitool", Reply("dcmi power reading", dcmi()))
    collector = IpmiCollector()
    readings = [reading for _ in range(20) for reading in collector.sample()]
    assert [(reading.sensor, reading.power_w, reading.status) for reading in readings] == [("ipmi:dcmi", 220.0, "ok")]
    assert len(tool.calls) == 1


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        (dcmi(state="deactivated"), "deactivated"),
        (dcmi("0 Watts"), "0 Watts"),
        (dcmi("N/A"), "'N/A' is no power"),
        (dcmi("220000 BTU/h"), "not in watts"),
        (dcmi("220"), "has no unit"),
        (dcmi()[:110], "no known state"),
        ("    DCMI request failed because: Invalid command (c1)\n", "Invalid command"),
        ("", "it printed nothing"),
    ],
)
def test_what_is_no_measurement_is_a_failed_reading(fake_tool, text, raw):
    fake_tool("ipmitool", Reply("dcmi", text))
    (reading,) = IpmiCollector().sample()
    assert reading.power_w is None
    assert raw in str(reading.raw)
    assert raw in str(IpmiCollector().probe().reason)


@pytest.mark.parametrize(
    ("error", "remedy"), [("Permission denied", "run as root"), ("No such file or directory", "modprobe ipmi_si")]
)
def test_device_that_cannot_be_opened_comes_with_the_remedy(fake_tool, error, remedy):
    told = f"Could not open device at /dev/ipmi0 or /dev/ipmi/0 or /dev/ipmidev/0: {error}"
    fake_tool("ipmitool", Reply("dcmi", stderr=told, status=1))
    reason = str(IpmiCollector().probe().reason)
    assert "/dev/ipmi0" in reason
    assert remedy in reason


def test_no_program_is_a_reason(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert IpmiCollector().probe().reason == "ipmitool is not on PATH"
