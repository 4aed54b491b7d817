"""Reads the power of one card through npu-smi in the background, going on in another mode where one fails."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, TypeVar

from collectors.base import STATUS_ERROR, STATUS_NOT_PHYSICAL, Reading, checked_reading
from collectors.vendors.ascend.ascend_cards import differ
from collectors.vendors.ascend.ascend_errors import error_in
from collectors.vendors.ascend.npu_smi_table import parse_table
from collectors.vendors.ascend.npu_smi_text import CardPower, ChipPower, WatchRows, parse_blocks
from collectors.vendors.command import Answer, Line, LineStream, ask, excerpt

PROGRAM = "npu-smi"
ResultT = TypeVar("ResultT")
Mode = Literal["watch", "power", "common", "table"]
MODES: tuple[Mode, ...] = ("watch", "power", "common", "table")
PERIOD_S = 1.0
"""Period of the watch stream, whose delay is in whole seconds, and of the single questions."""

POLL_S = 0.02
DRAIN_S = 0.1
"""How often a running stream is drained; its lines have their times already."""

LINE_LIMIT_S = 4.0
ASK_LIMIT_S = 3.0
FAILURES_BEFORE_FALLBACK = 3
MAX_PENDING_READINGS = 10_000
IMPLAUSIBLE_W = 3000.0
"""Above this no Ascend card draws power: its supply could not."""


def command_of(mode: Mode, card: int) -> list[str]:
    """The command that reads the power of a card; the table holds all cards."""
    if mode == "watch":
        return [PROGRAM, "info", "watch", "-i", str(card), "-s", "pa", "-d", f"{PERIOD_S:.0f}"]
    return [PROGRAM, "info", *([] if mode == "table" else ["-t", mode, "-i", str(card)])]


def title_of(mode: Mode) -> str:
    """A mode as a user types it."""
    return {"watch": "info watch", "table": "info"}.get(mode, f"info -t {mode}")


@dataclass(frozen=True)
class Round:
    """Powers of a card as read between `t0_ns` and `t1_ns`, or why there are none."""

    t0_ns: int
    t1_ns: int
    power: CardPower
    problem: str | None = None


def ask_card(mode: Mode, card: int) -> Round:
    """One question for the power of a card, for at most `ASK_LIMIT_S`. Not for the mode watch."""
    answer = ask(command_of(mode, card), ASK_LIMIT_S)
    if answer.problem:
        return Round(answer.t0_ns, answer.t1_ns, CardPower(), _told(answer))
    if mode == "table":
        rows = parse_table(answer.text).powers
        power = CardPower({chip: read for (owner, chip), read in rows.items() if owner == card})
    else:
        power = parse_blocks(answer.text)
    nothing = not power.chips and power.board is None
    return Round(answer.t0_ns, answer.t1_ns, power, _told(answer) if nothing else None)


def _told(answer: Answer) -> str:
    return error_in(answer.text) or answer.problem or excerpt(answer.text) or "no output"


class WatchStream:
    """`npu-smi info watch` on one card."""

    def __init__(self, card: int) -> None:
        """Starts it. Raises OSError where it cannot be started."""
        self._card = card
        self._rows = WatchRows()
        self._stream = LineStream(command_of("watch", card))
        self._last_s = time.monotonic()
        self._said = ""

    def poll(self) -> tuple[list[Round], str | None]:
        """Rows that came since the last call, and why no further one is to be expected, None where one is."""
        ended = self._stream.ended
        rounds = [found for line in self._stream.lines() if (found := self._round(line))]
        if ended:
            return rounds, f"{ended}: {error_in(self._said) or excerpt(self._said) or 'said nothing else'}"
        silent = time.monotonic() - self._last_s > LINE_LIMIT_S
        return rounds, f"{PROGRAM} info watch gave no row for {LINE_LIMIT_S:g} s" if silent else None

    def _round(self, line: Line) -> Round | None:
        row = self._rows.read(line.text)
        if row is None or row[0][0] != self._card:
            self._said = line.text.strip() or self._said
            return None
        self._last_s = time.monotonic()
        return Round(line.t_ns, line.t_ns, CardPower({row[0][1]: row[1]}))

    def stop(self) -> None:
        """Ends it."""
        self._stream.stop()


class CardReader:
    """A thread that reads one card once a second. A mode that fails is left for the next one, which is told once.

    `sensors` holds the sensor of each chip that has one; `board` that of the power of the whole card. `repeats` names
    for each chip that is believed to print another one's power that one: where they differ, that is a failed reading.
    """

    def __init__(
        self,
        card: int,
        sensors: Mapping[int, str],
        board: str | None = None,
        mode: Mode = MODES[0],
        repeats: Mapping[int, int] | None = None,
    ) -> None:
        self._card = card
        self._repeats = dict(repeats or {})
        self._last_w: dict[int, float] = {}
        self._sensors = dict(sensors)
        self._board = board
        self._modes = MODES[MODES.index(mode) :]
        self._readings: deque[Reading] = deque(maxlen=MAX_PENDING_READINGS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{PROGRAM} {card}", daemon=True)

    def start(self) -> None:
        """Starts reading."""
        self._thread.start()

    def readings(self) -> list[Reading]:
        """Readings since the last call, oldest first."""
        return [self._readings.popleft() for _ in range(len(self._readings))]

    def stop(self) -> None:
        """Ends reading and what was started for it. May be called twice."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(ASK_LIMIT_S + PERIOD_S)

    def _run(self) -> None:
        for mode, following in zip(self._modes, [*self._modes[1:], None], strict=True):
            failures = 0
            with closing(self._watch() if mode == "watch" else self._questions(mode)) as rounds:
                for found in rounds:
                    fine = self._take(found, every_chip=mode != "watch")
                    failures = failures if fine is None else 0 if fine else failures + 1
                    if following and (failures >= FAILURES_BEFORE_FALLBACK or (mode == "watch" and found.problem)):
                        problem = found.problem or f"no power by {title_of(mode)}"
                        self._fail(found, f"{problem}; going on with {PROGRAM} {title_of(following)}")
                        break
                    if found.problem:
                        self._fail(found, found.problem)
            if self._stop.is_set():
                return

    def _watch(self) -> Generator[Round, None, None]:
        try:
            stream = WatchStream(self._card)
        except OSError as error:
            now_ns = time.monotonic_ns()
            yield Round(now_ns, now_ns, CardPower(), f"{PROGRAM} cannot be started: {error.strerror}")
            return
        try:
            while not self._stop.wait(DRAIN_S):
                rounds, problem = stream.poll()
                yield from rounds
                if problem:
                    now_ns = time.monotonic_ns()
                    yield Round(now_ns, now_ns, CardPower(), problem)
                    return
        finally:
            stream.stop()

    def _questions(self, mode: Mode) -> Generator[Round, None, None]:
        due_s = time.monotonic()
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            due_s = max(due_s + PERIOD_S, time.monotonic())
            yield ask_card(mode, self._card)

    def _take(self, found: Round, every_chip: bool) -> bool | None:
        """Keeps the readings of a round. Whether one of them is a power, None where it holds none of our sensors."""
        if found.problem:
            return False
        readings = self._contradictions(found)
        for chip, sensor in self._sensors.items():
            if chip in found.power.chips:
                readings.append(reading_of(found, sensor, found.power.chips[chip]))
            elif every_chip:
                raw = f"chip {chip} of NPU {self._card} is not in the output"
                readings.append(Reading(found.t0_ns, found.t1_ns, sensor, None, STATUS_ERROR, raw))
        if self._board and every_chip:
            readings.append(
                reading_of(found, self._board, found.power.board or ChipPower(None, "no power of the card"))
            )
        self._readings.extend(readings)
        return any(reading.power_w is not None for reading in readings) if readings else None

    def _contradictions(self, found: Round) -> list[Reading]:
        """Failed readings of chips whose power another one was believed to print again, and no longer does."""
        powers_w = {chip: read.power_w for chip, read in found.power.chips.items() if read.power_w}
        self._last_w.update(powers_w)
        readings = []
        for chip, first in self._repeats.items():
            if chip in powers_w and first in self._last_w and differ(powers_w[chip], self._last_w[first]):
                raw = f"chips {first} and {chip} of NPU {self._card}, which printed one power at first, now print "
                raw += f"{self._last_w[first]:g} and {powers_w[chip]:g} W"
                readings.append(Reading(found.t0_ns, found.t1_ns, self._sensors[first], None, STATUS_ERROR, raw))
        return readings

    def _fail(self, found: Round, raw: str) -> None:
        for sensor in [*self._sensors.values(), *([self._board] if self._board else [])]:
            self._readings.append(Reading(found.t0_ns, found.t1_ns, sensor, None, STATUS_ERROR, raw))


def reading_of(found: Round, sensor: str, read: ChipPower) -> Reading:
    """A chip's power as a reading: no number, zero and what no card draws are failed reads."""
    beside = read.utilisation, read.taken_bytes
    if read.power_w is None:
        return Reading(found.t0_ns, found.t1_ns, sensor, None, STATUS_ERROR, read.raw, *beside)
    if read.power_w > IMPLAUSIBLE_W:
        return Reading(found.t0_ns, found.t1_ns, sensor, None, STATUS_NOT_PHYSICAL, read.raw, *beside)
    return checked_reading(found.t0_ns, found.t1_ns, sensor, read.power_w, read.raw, *beside)


def in_parallel(call: Callable[[int], ResultT], numbers: Iterable[int]) -> dict[int, ResultT]:
    """What a call that bounds its own time gives for each number, run side by side."""
    results: dict[int, ResultT] = {}
    threads = [
        threading.Thread(target=lambda number=number: results.update({number: call(number)}), daemon=True)
        for number in numbers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
