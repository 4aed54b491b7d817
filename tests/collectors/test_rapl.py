"""The RAPL collector on a powercap tree of real files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from powercap_tree import add_zone, set_energy

from collectors.vendors.host.rapl import RaplCollector


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def test_no_tree_and_no_domain_say_why(root: Path):
    assert "does not exist" in str(RaplCollector(root / "powercap").probe().reason)
    assert RaplCollector(root).probe().reason == f"{root} has no intel-rapl domain"


def test_packages_and_memory_are_read_cores_and_platform_are_not_added(root: Path):
    add_zone(root, "intel-rapl:0", "package-0", 5_000_000)
    add_zone(root, "intel-rapl:0:0", "core", 3_000_000)
    add_zone(root, "intel-rapl:0:1", "uncore", 1_000_000)
    add_zone(root, "intel-rapl:0:2", "dram", 700_000)
    add_zone(root, "intel-rapl:1", "package-1", 6_000_000)
    add_zone(root, "intel-rapl:2", "psys", 20_000_000)
    add_zone(root, "intel-rapl-mmio:0", "package-0", 5_000_000)
    collector = RaplCollector(root)
    sensors = collector.probe().sensors
    assert [(sensor.id, sensor.scope) for sensor in sensors] == [
        ("intel-rapl:0", "cpu_package"),
        ("intel-rapl:0:2", "dram"),
        ("intel-rapl:1", "cpu_package"),
    ]
    assert {sensor.kind for sensor in sensors} == {"counter"}
    assert sensors[0].counter_wrap_j == pytest.approx(262143.32885)
    assert [collector.read_counter(sensor.id) for sensor in sensors] == pytest.approx([5.0, 0.7, 6.0])
    assert collector.sample() == ()


@pytest.mark.parametrize(
    ("files", "cap_w"),
    [
        ({"constraint_0_power_limit_uw": "270000000", "constraint_1_power_limit_uw": "324000000"}, 324.0),
        ({"constraint_0_power_limit_uw": "270000000", "enabled": "1"}, 270.0),
        ({"constraint_0_power_limit_uw": "270000000", "enabled": "0"}, None),
        ({"constraint_0_power_limit_uw": "0"}, None),
        ({"constraint_0_power_limit_uw": "none"}, None),
        ({}, None),
    ],
)
def test_the_cap_is_the_highest_limit_that_is_enforced(root: Path, files: dict[str, str], cap_w: float | None):
    zone = add_zone(root, "intel-rapl:0", "package-0", 5_000_000)
    for name, content in files.items():
        (zone / name).write_text(content + "\n")
    (sensor,) = RaplCollector(root).probe().sensors
    assert sensor.power_cap_w == (None if cap_w is None else pytest.approx(cap_w))


def test_platform_alone_is_read_where_there_is_no_package(root: Path):
    add_zone(root, "intel-rapl:1", "psys", 20_000_000, wrap_uj=None)
    (sensor,) = RaplCollector(root).probe().sensors
    assert (sensor.scope, sensor.counter_wrap_j) == ("node", None)


def test_counter_follows_the_file_and_a_lost_file_is_none(root: Path):
    folder = add_zone(root, "intel-rapl:0", "package-0", 1_000_000)
    collector = RaplCollector(root)
    collector.probe()
    assert collector.read_counter("intel-rapl:0") == pytest.approx(1.0)
    set_energy(folder, 2_500_000)
    assert collector.read_counter("intel-rapl:0") == pytest.approx(2.5)
    (folder / "energy_uj").write_text("")
    assert collector.read_counter("intel-rapl:0") is None
    (folder / "energy_uj").unlink()
    assert collector.read_counter("intel-rapl:0") is None


PROBE_AS_NOBODY = """
import os, sys
from pathlib import Path
from collectors.vendors.host.rapl import RaplCollector
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
found = RaplCollector(Path(sys.argv[1])).probe()
print(len(found.sensors), found.reason)
"""


def test_counters_for_root_alone_are_a_reason_with_a_remedy(root: Path, tmp_path: Path):
    for folder in [add_zone(root, "intel-rapl:0", "package-0"), add_zone(root, "intel-rapl:1", "package-1")]:
        (folder / "energy_uj").chmod(0o600 if os.geteuid() == 0 else 0o000)
    for parent in [root, *root.parents[:3]]:
        parent.chmod(parent.stat().st_mode | 0o055)
    told = subprocess.run(
        [sys.executable, "-c", PROBE_AS_NOBODY, str(root)], capture_output=True, text=True, check=True
    ).stdout
    assert told.startswith("0 ")
    assert "intel-rapl:0/energy_uj may be read by root alone: run as root" in told


def test_one_package_that_cannot_be_read_is_not_left_out_in_silence(root: Path):
    add_zone(root, "intel-rapl:0", "package-0")
    (add_zone(root, "intel-rapl:1", "package-1") / "energy_uj").unlink()
    found = RaplCollector(root).probe()
    assert not found.works
    assert "intel-rapl:1" in str(found.reason)
