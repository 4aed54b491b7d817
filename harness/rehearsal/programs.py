"""Programs of the vendors' names, as shell scripts that print outputs in the form of recorded ones.

Their power is that of a card at rest, or of a busy one while a process that has opened the device computes.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

from harness.rehearsal.cards import Card

HEAD = """#!/bin/sh
power=%(rest)s share=0 opened=
for file in %(processes)s/*; do
    pid=${file##*/}
    [ -r "/proc/$pid/stat" ] || continue
    opened="$opened $pid"
    case $(cat "/proc/$pid/task/"*/stat 2> /dev/null) in *") R "*) power=%(busy)s share=97 ;; esac
done
none() { [ -n "$opened" ] || printf '%%s\\n' "$1"; }
each() { for pid in $opened; do printf "$1\\n" "$pid"; done; }
case "$*" in
"""
TAIL = """*) echo "unknown arguments: $*"; exit 2 ;;
esac
"""

NPU_TABLE = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 25.5.1                   Version: 25.5.1                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     %(name)-20s| OK            | $power       41                0    / 0             |
| 0                         | 0000:C1:00.0  | $share          0    / 0          3390 / %(memory_mib)s         |
+===========================+===============+====================================================+
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
$(each '| 0       0                 | %%-13s | python                   | 256                     |'
none '| No running processes found in NPU 0                                                            |')
+===========================+===============+====================================================+
"""
NPU_SMI = {
    "info": NPU_TABLE,
    "info -m": """\
        NPU ID                         Chip ID                        Chip Logic ID                  Chip Name
        0                              0                              0                              Ascend %(name)s
        0                              1                              -                              Mcu
""",
    "info -l": """\
        Total Count                    : 1

        NPU ID                         : 0
        Chip Count                     : 1
""",
    "info -t board *": """\
        NPU ID                         : 0
        Software Version               : 25.5.1
        Firmware Version               : 7.8.0.6.201
        PCIe Bus Info                  : 0000:C1:00.0
        Chip Count                     : 1
""",
    "info -t common *": """\
        NPU ID                         : 0
        Chip Count                     : 1

        Chip ID                        : 0
        Aicore Usage Rate(%%)           : $share
        Aicore Freq(MHZ)               : 1800
        Aicore curFreq(MHZ)            : 1800
        Temperature(C)                 : 41
        NPU Real-time Power(W)         : $power
""",
    "info -t power *": """\
        NPU ID                         : 0
        Chip Count                     : 1

        NPU Real-time Power(W)         : $power
        Chip ID                        : 0
""",
    "info -t usages *": """\
        NPU ID                         : 0
        Chip Count                     : 1

        HBM Capacity(MB)               : %(memory_mib)s
        HBM Usage Rate(%%)              : 5
        Aicore Usage Rate(%%)           : $share
        Chip ID                        : 0
""",
    "info -t proc-mem *": """\
        NPU ID                         : 0
        Chip Count                     : 1

$(each '        Process id:%%s  Process name:python  Process memory(MB):256'
none '        No process in device.')
        Chip ID                        : 0
""",
}
HY_SMI = {
    "": """\
================================= System Management Interface ==================================
================================================================================================
DCU     Temp     AvgPwr     Perf     PwrCap     VRAM%%      DCU%%      Mode
0       41.0C    ${power}W     auto     280.0W     4%%         ${share}.0%%      Normal
================================================================================================
======================================== End of SMI Log ========================================
""",
    "--showbus": "DCU[0]\t\t: PCI Bus: 0000:33:00.0\n",
    "--showdriverversion": "Driver Version: 6.3.13-V1.12.0\n",
    "--showproductname": "DCU[0]\t\t: Card Series:\t\t %(name)s\n",
    "--showmeminfo vram": "DCU[0]\t\t: vram Total Memory (B): %(memory_bytes)s\n",
    "--showvbios": "DCU[0]\t\t: VBIOS version: 5.0.A\n",
    "--showpids": """\
$(each 'PID             : %%s
HCU Index       : [0]
VRAM USED(MiB)  : 256')
$(none 'No KFD PIDs currently running')
""",
}
ANSWERS: Mapping[str, Mapping[str, str]] = {"npu-smi": NPU_SMI, "hy-smi": HY_SMI}
"""What a program prints, by its arguments, in which * stands for any end."""


def write_program(path: Path, processes: Path, card: Card) -> None:
    """Write the program of ANSWERS that the path names, for one card.

    `processes` is a folder of files that are named by the numbers of the processes on the device.
    """
    memory_mib = round(card.memory_gib * 1024)
    facts = {
        "name": card.name.removeprefix("Ascend"),
        "memory_mib": memory_mib,
        "memory_bytes": memory_mib << 20,
        "rest": card.rest_w,
        "busy": card.busy_w,
        "processes": shlex.quote(str(processes)),
    }
    cases = []
    for arguments, answer in ANSWERS[path.name].items():
        pattern = shlex.quote(arguments.removesuffix("*")) + ("*" if arguments.endswith("*") else "")
        cases.append(f"{pattern}) cat << END ;;\n{answer % facts}END\n")
    path.write_text(HEAD % facts + "".join(cases) + TAIL)
    path.chmod(0o755)
