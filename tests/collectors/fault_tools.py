"""The vendors' programs for the table of faults: one entry a tool, made of what it prints for a power given as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fake_tools import FOREVER, Block, Reply

LOOP_DELAY_S = 0.05


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

    `outputs(power, lost)` gives its calls when each device draws `power`, a number as the tool prints it in bytes;
    `lost` asks for what it prints when its last device has gone. `power` and `n_devices` are the truth: their product
    is what the job draws. `errors` is what the real tool prints where it fails, on stdout and with status 0.
    `never_valid` says why even the faultless tool gives no valid window.
    """

    program: str
    power: bytes
    n_devices: int
    outputs: Callable[[bytes, bool], list[Output]]
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


def nvidia_smi(power: bytes, lost: bool) -> list[Output]:
    """Two boards of nvidia-smi 550, after the recorded CSV; a lost one answers as a recorded one that needs a reset."""
    loop_head = b"uuid, power.draw.instant [W], power.draw [W], utilization.gpu [%], pci.bus_id\n"
    head = b"uuid, name, power.draw.instant [W], power.draw [W], utilization.gpu [%], enforced.power.limit [W], "
    head += b"mig.mode.current, compute_cap, driver_version, pci.bus_id\n"
    rows, loop_rows = b"", b""
    for number, uuid in enumerate(GPUS):
        gone = lost and number == len(GPUS) - 1
        draw = b"[GPU requires reset], [GPU requires reset]" if gone else b"%s W, %s W" % (power, power)
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


def ipmitool(power: bytes, lost: bool) -> list[Output]:
    """A node after the layout of ipmitool 1.8; what is lost is its measurement."""
    told = b"    Instantaneous power reading:                   %s Watts\n" % power
    told += b"    Minimum during sampling period:                 68 Watts\n"
    told += b"    Power reading state is:                   %s\n\n" % (b"deactivated" if lost else b"activated")
    return [Output("dcmi power reading", told), Output("-V", b"ipmitool version 1.8.18\n")]


TOOLS = {
    "nvidia-smi": Tool(
        "nvidia-smi",
        b"208.36",
        len(GPUS),
        nvidia_smi,
        b"Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system to recover\n",
    ),
    "ipmi": Tool(
        "ipmitool",
        b"220",
        1,
        ipmitool,
        b"    DCMI request failed because: Node busy (c0)\n",
        spike=b"65535",
        zero=b"0",
        never_valid="shared",
    ),
}
"""By the name of the collector."""

NO_PROGRAM = frozenset({"dcmi", "null", "nvml", "rapl", "replay"})
"""Collectors that read no program's output, or only beside a library that is not here."""
