"""Folders like those in which a machine tells who it is: sys, proc and etc below a root of their own."""

from pathlib import Path

UUID = "4c4c4544-0051-3410-8051-b5c04f375931"
BOARD = ".51F4Y7Q1.CNFCP0012300AB."
MACHINE_ID = "6f1d2c3b4a5968778695a4b3c2d1e0f9"
ON_A_DISK = "22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw"
IN_A_CONTAINER = "812 700 0:55 / / rw,relatime - overlay overlay rw,lowerdir=/l/A,upperdir=/u,workdir=/w"


def write(path: Path, text: str) -> None:
    """A file with this text, in folders that are made for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def make_machine(root, *, uuid=None, board=None, machine_id=None, mounts=ON_A_DISK, marks=(), pci=()):
    """A machine below `root`; `pci` lists devices as dictionaries of their files."""
    for name, text in (("product_uuid", uuid), ("board_serial", board)):
        if text is not None:
            write(root / "sys/class/dmi/id" / name, text)
    if machine_id is not None:
        write(root / "etc/machine-id", machine_id)
    write(root / "proc/self/mountinfo", f"21 22 0:21 / /proc rw - proc proc rw\n{mounts}")
    for mark in marks:
        write(root / mark, "")
    for number, files in enumerate(pci):
        for name, text in files.items():
            write(root / f"sys/bus/pci/devices/0000:{number:02x}:00.0" / name, text)
    return root


def amd(serial: str, name: str = "unique_id") -> dict[str, str]:
    """An accelerator whose driver shows a serial number."""
    return {"class": "0x038000", "vendor": "0x1002", name: serial}


NVIDIA = {"class": "0x030200", "vendor": "0x10de"}
CONSOLE = {"class": "0x030000", "vendor": "0x1a03"}
NETWORK = {"class": "0x020000", "vendor": "0x15b3", "serial_number": "94-6d-ae-ff-ff-12-90-a8"}
