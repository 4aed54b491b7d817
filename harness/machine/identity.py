"""Which machine this is: one identity that all its containers share and that a reboot keeps.

The host of a record, and of a calibration, is the first of these that can be read here:

1. The name that the environment variable CROSSCAST_HOST gives: whoever sets it knows better than any rule.
2. The product UUID of the firmware's DMI tables, else the serial number of the board. They are of the whole machine,
   the same for a job that sees two of eight cards, and containers see those of their host. The kernel shows them to
   root alone, which containers mostly run as. What makers leave in them for all their boards is no identity.
3. The machine id of the operating system: of the whole machine, too, and everybody may read it. Containers of one image
   share it or lack it, and nodes without a disk share it or draw one at each boot: it counts only where the root file
   system is a disk's, outside a container, and nothing is mounted over the file.
4. UUIDs or serial numbers of all accelerators: containers share them. They count only where every accelerator of the
   kind on the PCI bus tells its own: a job that sees some of the cards has no identity by them, rather than one of its
   own. A PCI address is none, as other machines have the same. Tools that take seconds to answer, such as npu-smi, are
   not asked.
5. The host name, which each container may have for itself.

Of an identity the digest alone is kept. Nothing here raises, or opens a context on a device.
"""

import contextlib
import hashlib
import os
import re
import socket
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

HOST_VARIABLE = "CROSSCAST_HOST"
"""Environment variable that names the machine by hand."""

Kind = Literal[
    "name given in CROSSCAST_HOST",
    "DMI product UUID",
    "DMI board serial number",
    "machine id of the operating system",
    "UUIDs or serial numbers of all accelerators",
    "host name",
]
"""What kind of identity a digest was made of. The words are part of the digest and never change."""

SHARED_UUIDS = frozenset(
    {
        "00010203-0405-0607-0809-0a0b0c0d0e0f",
        "03000200-0400-0500-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
    }
)
"""Product UUIDs of many boards, whose makers left in what the firmware's maker had put there."""

DISK_FILE_SYSTEMS = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "reiserfs", "xfs", "zfs"})
CONTAINER_MARKS = (".dockerenv", "run/.containerenv", ".singularity.d")
NVIDIA = "0x10de"
ACCELERATOR_CLASSES = re.compile(r"0x(0300|0302|0380|12)")
"""PCI classes of displays, 3D controllers and processing accelerators."""

SERIAL_FILES = ("unique_id", "serial_number")
"""What the AMD and Hygon drivers, and newer kernels for every device, call the serial number of a PCI device."""


class Identity(NamedTuple):
    """A machine as records name it: `digest` is a SHA-256 cut to 12 hex digits, `kind` says of what."""

    kind: Kind
    digest: str


def identity(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> Identity:
    """The identity of this machine by the order above. `root` is the folder that holds sys, proc and etc."""
    return next(identities(root, environ))


def identities(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> Iterator[Identity]:
    """Every identity by which this machine may be known, the one that records name first and the host name last.

    The digest of the host name has no salt: records had it before there were other kinds.
    """
    if name := environ.get(HOST_VARIABLE, "").strip():
        yield _salted("name given in CROSSCAST_HOST", name)
    if product := _uuid(_text(root / "sys/class/dmi/id/product_uuid")):
        yield _salted("DMI product UUID", product)
    if board := _serial(_text(root / "sys/class/dmi/id/board_serial")):
        yield _salted("DMI board serial number", board)
    if (installed := _machine_id(root)) is not None:
        yield _salted("machine id of the operating system", installed)
    if accelerators := _accelerators(root):
        yield _salted("UUIDs or serial numbers of all accelerators", "\n".join(accelerators))
    yield Identity("host name", _digest(os.fsencode(socket.gethostname())))


def _salted(kind: Kind, value: str) -> Identity:
    return Identity(kind, _digest(os.fsencode(f"{kind}\n{value}")))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _text(path: Path) -> str:
    """The text of a file without space around it, empty where it cannot be read."""
    with contextlib.suppress(OSError), path.open("rb", buffering=0) as file:
        return file.readall().decode(errors="replace").strip()
    return ""


def _uuid(text: str) -> str | None:
    """A UUID in small letters; None where it is no UUID, one or two digits over and over, or one of SHARED_UUIDS."""
    uuid = text.lower()
    is_own = re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid) and len(set(uuid)) > 3
    return uuid if is_own and uuid not in SHARED_UUIDS else None


def _serial(text: str) -> str | None:
    """A serial number, None for what stands in its place on boards without one.

    Those are words ("Default string"), a character over and over ("0000000"), and digits counted up ("MB-1234567890").
    """
    characters = re.sub(r"[^0-9a-z]", "", text.lower())
    counted = "0123456" in characters or "1234567" in characters
    is_own = any(character.isdigit() for character in characters) and len(set(characters)) > 2 and not counted
    return text if is_own and "\ufffd" not in text else None


def _machine_id(root: Path) -> str | None:
    """The machine id of machine-id(5), where it is of this machine alone and lasts."""
    if any((root / mark).exists() for mark in CONTAINER_MARKS):
        return None
    mounts = [line.split() for line in _text(root / "proc/self/mountinfo").splitlines()]
    by_place = {fields[4]: fields for fields in mounts if len(fields) > 6 and "-" in fields[6:-1]}
    above = by_place.get("/")
    if above is None or "/etc/machine-id" in by_place:
        return None
    file_system = above[above.index("-", 6) + 1]
    is_whole = above[3] == "/" or file_system == "btrfs"
    found = _text(root / "etc/machine-id").lower()
    is_id = re.fullmatch(r"[0-9a-f]{32}", found) and len(set(found)) > 2
    return found if file_system in DISK_FILE_SYSTEMS and is_whole and is_id else None


def _accelerators(root: Path) -> tuple[str, ...]:
    """UUIDs and serial numbers of the accelerators, sorted; none where any NVIDIA board of the bus is not told."""
    serials, nvidia = set(), 0
    with contextlib.suppress(OSError):
        for device in (root / "sys/bus/pci/devices").iterdir():
            if not ACCELERATOR_CLASSES.match(_text(device / "class")) or (device / "physfn").exists():
                continue
            if _text(device / "vendor") == NVIDIA:
                nvidia += 1
            elif serial := next(filter(None, (_serial(_text(device / name)) for name in SERIAL_FILES)), None):
                serials.add(serial)
    boards = _nvidia_uuids()
    return () if len(boards) < nvidia else tuple(sorted({*serials, *boards}))


@cache
def _nvidia_uuids() -> tuple[str, ...]:
    """UUIDs of the NVIDIA boards that NVML shows, whatever CUDA_VISIBLE_DEVICES says."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError, OSError):
        return ()
    found: list[str] = []
    with contextlib.suppress(pynvml.NVMLError, OSError):
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        found = [pynvml.nvmlDeviceGetUUID(handle) for handle in handles]
    with contextlib.suppress(pynvml.NVMLError, OSError):
        pynvml.nvmlShutdown()
    return tuple(found)
