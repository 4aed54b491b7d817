"""The vendors' programs for the table of faults: one entry a tool, made of what it prints for a power given as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fake_tools import FOREVER, Block, Reply

from collectors.vendors.command import clean

LOOP_DELAY_S = 0.05
Fate = Literal["works", "fails", "is not listed"]
"""What became of the last device of a tool: it is there, it is there without a power, or nothing is said of it."""


@dataclass(frozen=True)
class Output:
    """What one call prints: `head` once, then `body`, which a looping call repeats for ever."""

    arguments: str
    body: bytes
    head: bytes = b""
    loops: bool = False

    def block(self, body: bytes, *, until_marked: bool = False) -> Block:
        return Block(body, FOREVER if self.loops else 1, LOOP_DELAY_S if self.loops else 0.0, 0.0, until_marked)


@dataclass(frozen=True)
class Tool:
    """A program and the collector that reads it.

    `outputs(power, last)` gives its calls when each device draws `power`, a number as the tool prints it in bytes, and
    `last` is the fate of its last device. `power` and `n_devices` are the truth: their product
    is what the job draws. `errors` is what the real tool prints where it fails, on stdout and with status 0.
    `never_valid` says why even the faultless tool gives no valid window.
    """

    collector: str
    program: str
    power: bytes
    n_devices: int
    outputs: Callable[[bytes, Fate], list[Output]]
    errors: bytes
    spike: bytes = b"65535.00"
    zero: bytes = b"0.00"
    environ: Mapping[str, str] = field(default_factory=dict)
    never_valid: str | None = None

    @property
    def power_w(self) -> float:
        return float(self.power) * self.n_devices


def replies(outputs: list[Output]) -> list[Reply]:
    """A tool that prints this from beginning to end."""
    return [Reply(output.arguments, Block(output.head), output.block(output.body)) for output in outputs]


def then(first: list[Output], later: Callable[[Output], Reply]) -> list[Reply]:
    """A tool that prints `first` until it is marked, and then what `later` makes of each output.

    The first block of such a reply is the head, which a running loop has printed already.
    """
    changing = []
    for output in first:
        after, head = later(output), Block(output.head)
        if output.loops:
            blocks = head, output.block(output.body, until_marked=True), *after.blocks[1:]
            changing.append(Reply(output.arguments, *blocks, status=after.status, hang=after.hang))
        else:
            changing += [Reply(output.arguments, head, output.block(output.body), until_marked=True), after]
    return changing


GPUS = (b"GPU-aaaaaaaa-1111", b"GPU-bbbbbbbb-2222")


def listed(n_devices: int, last: Fate) -> list[tuple[int, bool]]:
    """Numbers of the devices that a tool lists, and whether each has a power."""
    numbers = range(n_devices - (last == "is not listed"))
    return [(number, last == "works" or number < n_devices - 1) for number in numbers]


def padded(cell: bytes, width: int) -> bytes:
    """A cell filled with spaces to what a terminal shows as `width` places."""
    return cell + b" " * (width - len(clean(cell)))


def nvidia_smi(power: bytes, last: Fate) -> list[Output]:
    """Two boards of nvidia-smi 550, after the recorded CSV; a lost one answers as a recorded one that needs a reset."""
    loop_head = b"uuid, power.draw.instant [W], power.draw [W], utilization.gpu [%], pci.bus_id\n"
    head = b"uuid, name, power.draw.instant [W], power.draw [W], utilization.gpu [%], enforced.power.limit [W], "
    head += b"mig.mode.current, compute_cap, driver_version, pci.bus_id\n"
    rows, loop_rows = b"", b""
    for number, works in listed(len(GPUS), last):
        uuid = GPUS[number]
        draw = b"%s W, %s W" % (power, power) if works else b"[GPU requires reset], [GPU requires reset]"
        bus_id = b"00000000:%02d:00.0" % (number + 1)
        rows += b"%s, A100, %s, 97 %%, 400.00 W, Disabled, 8.0, 550.90.12, %s\n" % (uuid, draw, bus_id)
        loop_rows += b"%s, %s, 97 %%, %s\n" % (uuid, draw, bus_id)
    fields = (b'"%s"\n' % title.split()[0] for title in head.split(b", "))
    return [
        Output("--help-query-gpu", b"".join(fields)),
        Output("^-h", b"NVIDIA System Management Interface -- v550.90.12\n"),
        Output("-lms", loop_rows, loop_head, loops=True),
        Output("enforced.power.limit", rows, head),
        Output("--query-gpu", loop_rows, loop_head),
    ]


def ipmitool(power: bytes, last: Fate) -> list[Output]:
    """A node after the layout of ipmitool 1.8; what fails or is not listed is its measurement."""
    told = b"    Instantaneous power reading:                   %s Watts\n" % power if last != "is not listed" else b""
    told += b"    Minimum during sampling period:                 68 Watts\n"
    told += b"    Power reading state is:                   %s\n\n" % (
        b"deactivated" if last == "fails" else b"activated"
    )
    return [Output("dcmi power reading", told), Output("-V", b"ipmitool version 1.8.18\n")]


BOARDS = (b"0000:03:00.0", b"0000:26:00.0")


def rocm_smi(power: bytes, last: Fate) -> list[Output]:
    """Two Z100L of a DTK before 24, after the recorded table."""
    rows, buses = b"", b""
    for number, works in listed(len(BOARDS), last):
        draw = padded(power + b"W" if works else b"N/A", 6)
        rows += b"%d    30.0c  %s  0.0%%  auto  280.0W    0%%   0%%\n" % (number, draw)
        buses += b"DCU[%d]\t\t: PCI Bus: %s\n" % (number, BOARDS[number])
    head = b"============System Management Interface ============\n" + b"=" * 52
    head += b"\nDCU  Temp   AvgPwr  Fan   Perf  PwrCap  VRAM%  DCU%\n"
    end = b"=" * 52 + b"\n===================End of SMI Log===================\n"
    return [Output("--showbus", buses), Output("^$", rows + end, head)]


def hy_smi(power: bytes, last: Fate) -> list[Output]:
    """Two K100 of DTK 25.04, after the recorded table."""
    rows, buses = b"", b""
    for number, works in listed(len(BOARDS), last):
        draw = padded(power + b"W" if works else b"N/A", 10)
        rows += b"%d       63.0C    %s auto     400.0W     0%%         0.0%%      Normal\n" % (number, draw)
        buses += b"HCU[%d]\t\t: PCI Bus: %s\n" % (number, BOARDS[number])
    head = b"================================= System Management Interface ==================================\n"
    head += b"=" * 96 + b"\nHCU     Temp     AvgPwr     Perf     PwrCap     VRAM%      HCU%      Mode\n"
    end = b"=" * 96 + b"\n" + b"=" * 40 + b" End of SMI Log " + b"=" * 40 + b"\n"
    return [Output("--showbus", buses), Output("^$", rows + end, head)]


def amd_smi(power: bytes, last: Fate) -> list[Output]:
    """Two boards of amd-smi of ROCm 6, made from the description of its JSON."""
    gpus, boards = [], []
    for number, works in listed(len(BOARDS), last):
        draw = b'{"value": %s, "unit": "W"}' % power if works else b'"N/A"'
        use = b'{"gfx_activity": {"value": 97, "unit": "%"}}'
        gpus.append(b'{"gpu": %d, "usage": %s,\n  "power": {"socket_power": %s}}' % (number, use, draw))
        boards.append(b'{"gpu": %d, "bdf": "%s"}' % (number, BOARDS[number]))
    return [
        Output("^metric", b"[\n" + b",\n".join(gpus) + b"\n]\n"),
        Output("^list", b"[\n" + b",\n".join(boards) + b"\n]\n"),
    ]


NPU_MODES = ("watch", "-t power", "-t common", "info$")
NPUS = (0, 5)
NPU_ADDRESSES = (b"0000:C1:00.0", b"0000:C2:00.0")
NPU_RULE = b"+===========================+===============+====================================================+\n"
NPU_TITLES = (
    b"+---------------------------+---------------+----------------------------------------------------+\n"
    b"| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|\n"
    b"| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |\n"
) + NPU_RULE
WATCH_TITLES = (b"NpuID(Idx)", b"ChipId(Idx)", b"Pwr(W)", b"Temp(C)", b"AI Core(%)", b"AI Cpu(%)")
WATCH_TITLES += (b"Ctrl Cpu(%)", b"Memory(%)", b"Memory BW(%)")
MAPPING_TITLES = (b"NPU ID", b"Chip ID", b"Chip Logic ID", b"Chip Name")


def row(width: int, *cells: bytes) -> bytes:
    return b"".join(padded(cell, width) for cell in cells) + b"\n"


def labelled(label: bytes, value: bytes) -> bytes:
    return b"\t%-30s : %s\n" % (label, value)


def npu_smi(*modes: str) -> Callable[[bytes, Fate], list[Output]]:
    """Two cards of a 910B, after the recorded outputs, of a version that knows these modes of giving power."""

    def outputs(power: bytes, last: Fate) -> list[Output]:
        works = dict(listed(len(NPUS), last))
        draws = [(power if works[logic] else b"NA") if logic in works else None for logic in range(len(NPUS))]
        calls = [call for logic, draw in enumerate(draws) for call in npu_calls(logic, draw)]
        calls += [
            Output("info -m$", b"".join(npu_mapping(logic) for logic in works), row(31, *MAPPING_TITLES)),
            Output("info$", b"".join(npu_table(logic, draw) for logic, draw in enumerate(draws)), NPU_TITLES),
        ]
        unknown = set(NPU_MODES) - set(modes)
        return [call for call in calls if not any(mode in call.arguments for mode in unknown)]

    return outputs


def npu_calls(logic: int, draw: bytes | None) -> list[Output]:
    """What is asked of one card; `draw` None is a card that is not listed."""
    card, head = NPUS[logic], labelled(b"NPU ID", b"%d" % NPUS[logic])
    if draw is None:
        head, watched, power, common = head + labelled(b"Chip Count", b"0") + b"\n", b"", b"", b""
    else:
        head += labelled(b"Chip Count", b"1") + b"\n"
        watched = row(12, b"%d" % card, b"0", draw, b"34", b"0", b"0", b"2", b"5", b"0")
        chip, power = labelled(b"Chip ID", b"0"), labelled(b"NPU Real-time Power(W)", draw)
        common = chip + labelled(b"Aicore Usage Rate(%)", b"0") + power + b"\n"
        common += labelled(b"Chip Name", b"mcu") + labelled(b"NPU Real-time Power(W)", b"45.2")
        power += chip
    return [
        Output(f"watch -i {card} ", watched, row(12, *WATCH_TITLES), loops=True),
        Output(f"-t power -i {card}$", power, head),
        Output(f"-t common -i {card}$", common, head),
        Output(f"-t board -i {card}$", labelled(b"PCIe Bus Info", NPU_ADDRESSES[logic]), head),
    ]


def npu_mapping(logic: int) -> bytes:
    card = b"%d" % NPUS[logic]
    return row(31, card, b"0", b"%d" % logic, b"Ascend xxx") + row(31, card, b"1", b"-", b"Mcu")


def npu_table(logic: int, draw: bytes | None) -> bytes:
    if draw is None:
        return b""
    first = b"| %d     910B4               | OK            | " % NPUS[logic] + padded(draw, 12)
    second = b"| 0                         | %s  | 0           0    / 0          " % NPU_ADDRESSES[logic]
    return first + b"47                0    / 0             |\n" + second + b"3127 / 32768         |\n" + NPU_RULE


NO_DEVICE = b"dcmi module initialize failed. ret is -8008\n"

TOOLS = {
    "nvidia-smi": Tool(
        "nvidia-smi",
        "nvidia-smi",
        b"208.36",
        len(GPUS),
        nvidia_smi,
        b"Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system to recover\n",
    ),
    "ipmi": Tool(
        "ipmi",
        "ipmitool",
        b"220",
        1,
        ipmitool,
        b"    DCMI request failed because: Node busy (c0)\n",
        spike=b"65535",
        zero=b"0",
        never_valid="shared",
    ),
    "rocm-smi": Tool("rocm-smi", "rocm-smi", b"138.0", len(BOARDS), rocm_smi, b"ERROR: driver not loaded\n"),
    "hy-smi": Tool("hy-smi", "hy-smi", b"109.0", len(BOARDS), hy_smi, b"ERROR: 2 devices, GPU[1] is lost\n"),
    "amd-smi": Tool(
        "amd-smi",
        "amd-smi",
        b"142",
        len(BOARDS),
        amd_smi,
        b'{"error": "AMDSMI_STATUS_BUSY", "code": 30}\n',
        spike=b"65535",
        zero=b"0",
    ),
    "npu-smi": Tool("npu-smi", "npu-smi", b"90.1", len(NPUS), npu_smi(*NPU_MODES), NO_DEVICE),
    "npu-smi -t power": Tool("npu-smi", "npu-smi", b"103.5", len(NPUS), npu_smi("-t power"), NO_DEVICE),
    "npu-smi -t common": Tool("npu-smi", "npu-smi", b"69.0", len(NPUS), npu_smi("-t common"), NO_DEVICE),
    "npu-smi table": Tool("npu-smi", "npu-smi", b"82.6", len(NPUS), npu_smi("info$"), NO_DEVICE),
}
"""By the name of the collector, and of the mode where a version of the tool knows only that one."""

NO_PROGRAM = frozenset({"dcmi", "null", "nvml", "rapl", "replay"})
"""Collectors that read no program's output, or only beside a library that is not here."""
