"""A program named npu-smi on PATH that answers from a folder: recorded outputs, or outputs made for a test."""

from __future__ import annotations

import os
from pathlib import Path

PROGRAM = """#!/bin/sh
shift
case "$*" in
"") name=table ;;
-m) name=map ;;
-l) name=list ;;
watch*) name=watch ;;
*) name=$2 ;;
esac
for word; do [ "$last" = -i ] && card=$word; last=$word; done
for file in "$NPU_SMI_FOLDER/$name-$card" "$NPU_SMI_FOLDER/$name"; do
    if [ -x "$file" ]; then . "$file"; exit $?; fi
    if [ -f "$file" ]; then cat "$file"; exit 0; fi
done
echo "Error parameter of $name"
exit 1
"""


class FakeNpuSmi:
    """Answers by name (`map`, `list`, `table`, `watch`, `power`, `common`, `board`), `NAME-CARD` for one card."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.answers = folder / "answers"
        self.answers.mkdir()
        program = self.bin / "npu-smi"
        program.write_text(PROGRAM)
        program.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """Variables under which the program is found and answers; no device is chosen."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ASCEND_")}
        return {**kept, "PATH": f"{self.bin}:{os.environ['PATH']}", "NPU_SMI_FOLDER": str(self.answers)}

    def say(self, name: str, text: str | bytes | Path) -> None:
        """What it prints from now on, given or recorded."""
        content = text.read_bytes() if isinstance(text, Path) else text.encode() if isinstance(text, str) else text
        self._put(name, content, 0o644)

    def do(self, name: str, script: str) -> None:
        """A shell script that it runs from now on."""
        self._put(name, script.encode(), 0o755)

    def _put(self, name: str, content: bytes, mode: int) -> None:
        part = self.answers / f"{name}.part"
        part.write_bytes(content)
        part.chmod(mode)
        part.rename(self.answers / name)


def mapping(*rows: tuple[int, int, object, str]) -> str:
    """`npu-smi info -m` of the given card, chip, logic id and name, with the controller of each card."""
    titles = ("NPU ID", "Chip ID", "Chip Logic ID", "Chip Name")
    lines = [titles, *rows, *((card, 9, "-", "Mcu") for card in sorted({row[0] for row in rows}))]
    return "".join("\t" + "".join(f"{value!s:<31}" for value in line) + "\n" for line in lines)


def power_block(*watts: tuple[int, str], card: int = 0, label: str = "NPU Real-time Power(W)") -> str:
    """`npu-smi info -t power` with the chip after its power."""
    text = f"\t{'NPU ID':<30} : {card}\n\t{'Chip Count':<30} : {len(watts)}\n"
    return text + "".join(f"\n\t{label:<30} : {value}\n\t{'Chip ID':<30} : {chip}\n" for chip, value in watts)


WATCH_TITLES = "NpuID(Idx)  ChipId(Idx) Pwr(W)      AI Core(%)  "


def watch_row(card: int, chip: int, watts: str, use: str = "0") -> str:
    """A row of `npu-smi info watch -s pa`."""
    return "".join(f"{value!s:<12}" for value in (card, chip, watts, use))


def watch_script(*rows: str, delay_s: float = 0.05, after: str = "sleep 600") -> str:
    """A watch stream that prints its titles, the rows over and over, or what is given after one round."""
    said = "".join(f"echo '{row}'; " for row in rows)
    if after == "again":
        return f"echo '{WATCH_TITLES}'; while :; do {said} sleep {delay_s}; done\n"
    return f"echo '{WATCH_TITLES}'; {said} {after}\n"
