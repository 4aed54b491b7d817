"""Which machine this is, from made folders of a firmware, an operating system and a PCI bus."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from harness.machine import environment
from harness.machine import identity as machine
from tests.made_machine import (
    BOARD,
    CONSOLE,
    IN_A_CONTAINER,
    MACHINE_ID,
    NETWORK,
    NVIDIA,
    ON_A_DISK,
    UUID,
    amd,
    make_machine,
)
from tests.shared import REPOSITORY

BY_HAND, BY_UUID, BY_BOARD, BY_SYSTEM, BY_CARDS, BY_NAME = machine.Kind.__args__
SERIALS = ("5d3c0ffe219b8e47", "18c14f2c3b7a9d05", "e2074c6689ab31d0", "9a4e1b22d07f6c31")
CARDS = tuple(map(amd, SERIALS))


@pytest.fixture(autouse=True)
def boards(monkeypatch):
    """The NVIDIA boards of which NVML tells: none, until a test names some."""
    found = []
    monkeypatch.setattr(machine, "_nvidia_uuids", lambda: tuple(found))
    return found


def kind(root, **environ):
    return machine.identity(root, environ).kind


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def test_each_kind_gives_way_to_the_one_before_it(tmp_path):
    everything = {"uuid": UUID, "board": BOARD, "machine_id": MACHINE_ID, "pci": CARDS}
    expected = [BY_UUID, BY_BOARD, BY_SYSTEM, BY_CARDS, BY_NAME]
    for lacking in range(len(everything) + 1):
        root = make_machine(tmp_path / str(lacking), **dict(list(everything.items())[lacking:]))
        assert [known.kind for known in machine.identities(root, {})] == expected[lacking:]
        assert kind(root) == expected[lacking]
        assert kind(root, CROSSCAST_HOST="node7") == BY_HAND
        assert kind(root, CROSSCAST_HOST="  ") == expected[lacking]


def test_digests_that_never_change(tmp_path, monkeypatch):
    """As records hold them: SHA-256 of kind and value, of the host name alone, cut to 12 hex digits."""
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    root = make_machine(tmp_path, uuid=UUID.upper(), board=BOARD, machine_id=MACHINE_ID, pci=CARDS)
    by_kind = dict(machine.identities(root, {"CROSSCAST_HOST": " node7 "}))
    assert by_kind == {
        BY_HAND: digest("name given in CROSSCAST_HOST\nnode7"),
        BY_UUID: digest(f"DMI product UUID\n{UUID}"),
        BY_BOARD: digest(f"DMI board serial number\n{BOARD}"),
        BY_SYSTEM: digest(f"machine id of the operating system\n{MACHINE_ID}"),
        BY_CARDS: digest("\n".join([BY_CARDS, *sorted(SERIALS)])),
        BY_NAME: digest("node7"),
    }
    assert by_kind[BY_UUID] == "ffec6baa713c"
    assert len(set(by_kind.values())) == len(by_kind)


@pytest.mark.parametrize(
    "left",
    [
        "",
        "Not Settable",
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
        "03000200-0400-0500-0006-000700080009",
        "12345678-1234-5678-90AB-CDDEEFAABBCC",
        f"{UUID}0",
    ],
)
def test_what_makers_left_in_place_of_a_uuid_is_none(tmp_path, left):
    assert kind(make_machine(tmp_path, uuid=left, board=BOARD)) == BY_BOARD


@pytest.mark.parametrize(
    "left",
    [
        "",
        "0",
        "None",
        "N/A",
        "Not Specified",
        "Default string",
        "To be filled by O.E.M.",
        "Base Board Serial Number",
        "00000000",
        "xxxxxxxx",
        "0123456789",
        "MB-1234567890",
        "BSN12345678901234567",
    ],
)
def test_what_makers_left_in_place_of_a_serial_number_is_none(tmp_path, left):
    assert kind(make_machine(tmp_path, board=left, pci=[amd(left)])) == BY_NAME


@pytest.mark.parametrize("serial", ["2M22390118", "PF1ABCDE", "210200A00QH123000042"])
def test_serial_numbers_of_boards_are_taken(tmp_path, serial):
    assert kind(make_machine(tmp_path, board=serial)) == BY_BOARD


class TestMachineId:
    """Never that of an image."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"mounts": IN_A_CONTAINER},
            {"mounts": ON_A_DISK.replace("ext4", "tmpfs")},
            {"mounts": ON_A_DISK.replace("ext4", "nfs4")},
            {"mounts": ON_A_DISK.replace(" / / ", " /images/torch / ")},
            {"mounts": f"{ON_A_DISK}\n{IN_A_CONTAINER}"},
            {"mounts": f"{ON_A_DISK}\n90 22 0:26 /machine-id /etc/machine-id ro - tmpfs tmpfs rw"},
            {"mounts": "damaged"},
            {"mounts": ON_A_DISK.split(" - ")[0]},
            {"marks": [".dockerenv"]},
            {"marks": ["run/.containerenv"]},
            {"marks": [".singularity.d/env"]},
            {"machine_id": ""},
            {"machine_id": "uninitialized"},
            {"machine_id": "0" * 32},
            {"machine_id": MACHINE_ID[:-1]},
        ],
    )
    def test_of_a_container_a_node_without_a_disk_or_an_unfinished_system_is_none(self, tmp_path, changes):
        assert kind(make_machine(tmp_path, **{"machine_id": MACHINE_ID} | changes)) == BY_NAME

    @pytest.mark.parametrize(
        "mounts",
        [
            ON_A_DISK,
            ON_A_DISK.replace("shared:1 ", ""),
            ON_A_DISK.replace("ext4", "xfs"),
            ON_A_DISK.replace(" / / ", " /@ / ").replace("ext4", "btrfs"),
        ],
    )
    def test_of_a_system_on_a_disk_counts(self, tmp_path, mounts):
        assert kind(make_machine(tmp_path, machine_id=MACHINE_ID, mounts=mounts)) == BY_SYSTEM


NVML = """
import json
from harness.machine import identity as machine
print(json.dumps(machine._nvidia_uuids()))
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile a stub of NVML with")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ["GPU-0c1f", "GPU-9ab3"]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, ["GPU-0c1f", "GPU-9ab3"]),
        ({"STUB_FORBIDDEN": "1"}, []),
    ],
)
def test_nvml_tells_of_all_boards_or_of_none(tmp_path, variables, expected):
    source = REPOSITORY / "harness/rehearsal/stand_ins/libnvidia_ml_power.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "libnvidia-ml.so.1", source], check=True)
    gpus = "GPU-0c1f|A100|00000000:01:00.0|8.0|;GPU-9ab3|A100|00000000:41:00.0|8.0|"
    told = subprocess.run(
        [sys.executable, "-c", NVML],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "STUB_GPUS": gpus, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout) == expected


class TestAccelerators:
    def by_cards(self, root):
        return dict(machine.identities(root, {})).get(BY_CARDS)

    def test_their_order_and_other_devices_do_not_matter(self, tmp_path):
        first = make_machine(tmp_path / "a", pci=CARDS, mounts=IN_A_CONTAINER)
        second = make_machine(tmp_path / "b", pci=[CONSOLE, NETWORK, *reversed(CARDS)], mounts=IN_A_CONTAINER)
        assert self.by_cards(first) == self.by_cards(second) is not None

    def test_other_cards_are_another_machine(self, tmp_path):
        one = make_machine(tmp_path / "a", pci=CARDS)
        other = make_machine(tmp_path / "b", pci=[*CARDS[1:], amd("77c0a1b2d3e4f506")])
        assert self.by_cards(one) != self.by_cards(other)

    @pytest.mark.parametrize("name", ["unique_id", "serial_number"])
    def test_processing_accelerators_and_both_files_count(self, tmp_path, name):
        assert self.by_cards(make_machine(tmp_path, pci=[amd("21020A00QH77", name) | {"class": "0x120000"}]))

    def test_an_address_is_no_identity(self, tmp_path):
        assert self.by_cards(make_machine(tmp_path, pci=[{"class": "0x120000", "vendor": "0x19e5"}, NETWORK])) is None

    def test_a_job_that_sees_some_of_the_boards_has_no_identity_by_them(self, tmp_path, boards):
        root = make_machine(tmp_path, pci=[NVIDIA, NVIDIA, CONSOLE])
        boards.append("GPU-0c1f")
        assert self.by_cards(root) is None
        boards.append("GPU-9ab3")
        assert self.by_cards(root) is not None

    def test_parts_of_a_board_given_to_virtual_machines_are_not_counted(self, tmp_path, boards):
        boards.append("GPU-0c1f")
        part = NVIDIA | {"physfn/vendor": "0x10de"}
        assert self.by_cards(make_machine(tmp_path, pci=[NVIDIA, part])) is not None

    def test_boards_count_without_a_bus_that_can_be_seen(self, tmp_path, boards):
        boards.append("GPU-0c1f")
        assert self.by_cards(make_machine(tmp_path)) is not None

    def test_with_a_view_of_the_whole_machine_their_number_does_not_matter(self, tmp_path, boards):
        for name, changes in {"firmware": {"uuid": UUID}, "system": {"machine_id": MACHINE_ID}}.items():
            root = make_machine(tmp_path / name, pci=[NVIDIA, NVIDIA], **changes)
            found = set()
            for seen in ([], ["GPU-0c1f"], ["GPU-0c1f", "GPU-9ab3"]):
                boards[:] = seen
                found.add(machine.identity(root, {}))
            assert len(found) == 1


@pytest.mark.parametrize("damage", ["folder", "bytes", "nothing"])
def test_nothing_raises(tmp_path, damage):
    root = make_machine(tmp_path, uuid=UUID, board=BOARD, machine_id=MACHINE_ID, pci=CARDS)
    for path in [path for path in root.rglob("*") if path.is_file()]:
        path.unlink()
        if damage == "folder":
            path.mkdir()
        elif damage == "bytes":
            path.write_bytes(b"\xff\x00 1a2\n" * 99)
    assert [known.kind for known in machine.identities(root, {})] == [BY_NAME]


ASK = """
import json, socket, sys
from pathlib import Path
from harness.machine import identity as machine
machine._nvidia_uuids = lambda: ()
print(json.dumps([socket.gethostname(), *machine.identity(Path(sys.argv[1]), {})]))
"""


def test_containers_with_names_of_their_own_are_one_host_by_their_machine(tmp_path):
    """Two real UTS name spaces, as containers have them."""
    named = make_machine(tmp_path / "named", uuid=UUID, machine_id="a" * 32, mounts=IN_A_CONTAINER)
    nameless = make_machine(tmp_path / "nameless", machine_id=MACHINE_ID, mounts=IN_A_CONTAINER)

    def ask(host, root):
        own = ["unshare", "-ru", "sh", "-c", f'hostname {host} && exec "$@"', "sh"]
        probe = subprocess.run([*own, "true"], capture_output=True)
        if probe.returncode:
            pytest.skip(f"no host names of containers' own here: {probe.stderr.decode().strip()}")
        told = subprocess.run([*own, sys.executable, "-c", ASK, root], capture_output=True, text=True, check=True)
        return json.loads(told.stdout)

    ours, theirs = (ask(host, named) for host in ("torch", "mindspore"))
    assert (ours[0], theirs[0]) == ("torch", "mindspore")
    assert ours[1:] == theirs[1:] == [BY_UUID, digest(f"DMI product UUID\n{UUID}")]
    assert ask("torch", nameless)[1:] == [BY_NAME, digest("torch")]


def test_records_hold_the_identity_and_nothing_of_it_in_clear(monkeypatch):
    monkeypatch.setenv("CROSSCAST_HOST", "a-very-private-name")
    captured = environment.capture(None)
    assert captured.host == environment.host_digest() == digest("name given in CROSSCAST_HOST\na-very-private-name")
    assert captured.host_identity == BY_HAND
    assert "a-very-private-name" not in captured.model_dump_json()
