"""The table of faults: each tool with each fault beside a timed workload, which must not notice, and no wrong joule.

The real sampler process runs the tool from PATH. An energy is right (within 3 % of what the tool said was drawn), or
there is none, or it is not valid and says why.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from fake_tools import FakeTool, Reply, write_tool
from fault_tools import NO_PROGRAM, TOOLS, Fate, Output, Tool, replies, then

from collectors.accounting.energy import QualityLimits, WindowEnergy, window_energy
from collectors.base import Reading
from collectors.registry import Registry
from collectors.samples import read_samples
from collectors.sampling.process import SamplerOutcome, SamplerProcess

pytestmark = pytest.mark.alone

LIMITS = QualityLimits(min_window_s=0.0, min_updates=0, min_averaging_windows=0, max_gap_s=1.3)
STEP_S, N_STEPS = 0.05, 30
SLACK_S = 1.0
READY_LIMIT_S = 10.0
STOP_LIMIT_S = 10.0
TOLERANCE = 0.03
UTILITIES = ("sh", "cat", "sleep", "grep", "stdbuf")
GB2312 = "警告 功率传感器\n".encode("gb2312")
N_AT_ONCE = 10

Faulty = Callable[[Tool], list[Reply] | None]


def good(tool: Tool) -> list[Output]:
    return tool.outputs(tool.power, "works")


def always(change: Callable[[Tool], list[Output]]) -> Faulty:
    return lambda tool: replies(change(tool))


def in_mid_run(later: Callable[[Tool, Output], Reply]) -> Faulty:
    return lambda tool: then(good(tool), lambda output: later(tool, output))


def changed_body(change: Callable[[bytes], bytes]) -> Callable[[Tool], list[Output]]:
    def outputs(tool: Tool) -> list[Output]:
        return [Output(output.arguments, change(output.body), output.head, output.loops) for output in good(tool)]

    return outputs


def goes_on(output: Output, body: bytes) -> Reply:
    return Reply(output.arguments, output.head, output.block(body))


def instead(tool: Tool, power: bytes, last: Fate = "works") -> dict[str, bytes]:
    return {output.arguments: output.body for output in tool.outputs(power, last)}


def last_device(fate: Fate) -> Faulty:
    return in_mid_run(lambda tool, output: goes_on(output, instead(tool, tool.power, fate)[output.arguments]))


def spike(tool: Tool) -> list[Reply]:
    """One tick of the impossible value in mid-run, the good one before and after."""
    impossible = instead(tool, tool.spike)
    changing = []
    for output in good(tool):
        bad, after = impossible[output.arguments], goes_on(output, output.body)
        if output.loops:
            before = output.block(output.body, until_marked=True)
            changing.append(Reply(output.arguments, output.head, before, bad, *after.blocks[1:]))
        else:
            before = Reply(output.arguments, *after.blocks, until_marked=True)
            changing += [before, Reply(output.arguments, output.head, bad, calls=1), after]
    return changing


def half_line(tool: Tool, output: Output) -> Reply:
    """Ends within the digits of the last power, as when the pipe or the program breaks, so that another number is left.

    An output without a power ends somewhere else in the middle.
    """
    place = output.body.rfind(tool.power)
    length = len(output.body) * 2 // 3 if place < 0 else place + len(tool.power.split(b".")[0]) - 1
    return Reply(output.arguments, output.head, output.body[:length])


FAULTS: dict[str, Faulty] = {
    "none": always(good),
    "absent": lambda tool: None,
    "not executable": always(good),
    "hangs at once with a grandchild": lambda tool: [Reply("", hang=True)],
    "hangs in mid-run with a grandchild": in_mid_run(lambda tool, output: Reply(output.arguments, b"", hang=True)),
    "prints errors with status 0": lambda tool: [Reply("", tool.errors)],
    "prints errors with status 0 in mid-run": in_mid_run(lambda tool, output: goes_on(output, tool.errors)),
    "loses a device in mid-run": last_device("fails"),
    "a row vanishes in silence": last_device("is not listed"),
    "one device without power throughout": always(lambda tool: tool.outputs(tool.power, "fails")),
    "one device not listed throughout": always(lambda tool: tool.outputs(tool.power, "is not listed")),
    "emits half a line in mid-run": in_mid_run(half_line),
    "decimal comma": always(lambda tool: tool.outputs(decimal_comma(tool.power), "works")),
    "GB2312 bytes": always(changed_body(lambda body: GB2312 + body)),
    "ANSI codes": always(lambda tool: tool.outputs(b"\x1b[1;32m" + tool.power + b"\x1b[0m", "works")),
    "an impossible spike": spike,
    "0.0 W throughout": always(lambda tool: tool.outputs(tool.zero, "works")),
    "0.0 W in mid-run": in_mid_run(lambda tool, output: goes_on(output, instead(tool, tool.zero)[output.arguments])),
}
"""What each fault makes of a tool's replies; None is no program at all."""

MUST_BE_RIGHT = {"none", "ANSI codes"}
MUST_FAIL = set(FAULTS) - {"none", "GB2312 bytes", "ANSI codes", "decimal comma", "an impossible spike"}
"""Faults that leave nothing to measure; with the others a right value may be found."""

READ_NONE_THE_LESS = {"decimal comma": set(TOOLS) - {"amd-smi"}, "GB2312 bytes": set(TOOLS) - {"nvidia-smi"}}
"""Tools of which every reading must be right. With decimal commas JSON is none (amd-smi). A line of nvidia-smi that is
no row is a failed reading, since errors come as such lines."""

DROPS_SPIKES = {name for name, tool in TOOLS.items() if tool.collector == "npu-smi"}
"""Tools of which an impossible power is a failed reading; with the others it makes the window invalid."""


def decimal_comma(power: bytes) -> bytes:
    return power.replace(b".", b",") if b"." in power else power + b",0"


@dataclass(frozen=True)
class Cell:
    """What became of one tool with one fault."""

    steps_s: list[float]
    stop_s: float
    outcome: SamplerOutcome
    energy: WindowEnergy
    readings: tuple[Reading, ...]
    grandchildren: list[int]


def run(name: str, fault: str, folder: Path) -> Cell:
    """Runs the sampler on the faulty tool beside the workload, which is half done when the tool is marked."""
    tool, programs = TOOLS[name], folder / "bin"
    programs.mkdir()
    for utility in UTILITIES:
        if found := shutil.which(utility):
            (programs / utility).symlink_to(found)
    faulty = FAULTS[fault](tool)
    fake: FakeTool | None = None
    if faulty is not None:
        fake = write_tool(programs, tool.program, *faulty, mode=0o644 if fault == "not executable" else 0o755)
    hidden = ("CUDA_", "ASCEND_", "HIP_", "ROCR_")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    environ |= {"PATH": str(programs), **tool.environ}
    sampler = SamplerProcess.start(folder / "power.jsonl", [tool.collector], environ)
    sampler.wait_ready(READY_LIMIT_S)
    time.sleep(STEP_S)
    t0_ns, steps_s = time.monotonic_ns(), []
    for step in range(N_STEPS):
        if fake is not None and step == N_STEPS // 2:
            fake.mark()
        began_s = time.monotonic()
        time.sleep(STEP_S)
        steps_s.append(time.monotonic() - began_s)
    t1_ns = time.monotonic_ns()
    outcome = sampler.stop(STOP_LIMIT_S)
    stop_s = (time.monotonic_ns() - t1_ns) / 1e9
    log = read_samples(folder / "power.jsonl")
    energy = window_energy(log, t0_ns, t1_ns, tool.n_devices, LIMITS)
    return Cell(steps_s, stop_s, outcome, energy, tuple(log.readings), fake.grandchildren if fake else [])


@pytest.fixture(scope="module")
def cells(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[dict[tuple[str, str], Future[Cell]]]:
    """The cells of the tests selected, some at once: most of their time is waiting."""
    mine = [item for item in request.session.items if item.path == Path(__file__)]
    wanted = [item.callspec.params for item in mine if hasattr(item, "callspec")]
    with ThreadPoolExecutor(N_AT_ONCE) as pool:
        yield {
            (each["name"], each["fault"]): pool.submit(
                run, each["name"], each["fault"], tmp_path_factory.mktemp("fault")
            )
            for each in wanted
        }


def verdict(energy: WindowEnergy) -> str:
    if energy.valid:
        return f"valid: {energy.mean_power_w:.2f} W"
    return f"{'none' if energy.energy_j is None else 'invalid'}: {'; '.join(energy.reasons)}"


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", TOOLS)
def test_the_timing_survives_and_the_energy_is_right_or_refused(name, fault, cells, note_fault):
    cell, tool = cells[name, fault].result(timeout=120), TOOLS[name]
    note_fault(name, fault, verdict(cell.energy))

    assert len(cell.steps_s) == N_STEPS
    assert max(cell.steps_s) < STEP_S + SLACK_S
    assert cell.stop_s < STOP_LIMIT_S
    assert not cell.outcome.sampler_died
    assert bool(cell.grandchildren) == ("grandchild" in fault)
    assert all(map(is_gone, cell.grandchildren))

    truth_j = tool.power_w * cell.energy.duration_s
    if cell.energy.valid:
        assert cell.energy.energy_j == pytest.approx(truth_j, rel=TOLERANCE)
    else:
        assert cell.energy.reasons
        assert all(cell.energy.reasons)
    if fault in MUST_FAIL:
        assert [reason for reason in cell.energy.reasons if tool.never_valid is None or tool.never_valid not in reason]
    if name in READ_NONE_THE_LESS.get(fault, ()):
        assert {reading.power_w for reading in cell.readings} == {float(tool.power)}
        assert len({reading.sensor for reading in cell.readings}) == tool.n_devices
    elif fault in READ_NONE_THE_LESS:
        assert not cell.energy.valid
    if fault == "an impossible spike" and name in DROPS_SPIKES:
        assert {reading.power_w for reading in cell.readings} <= {float(tool.power), None}
        assert "not_physical" in {reading.status for reading in cell.readings}
    elif fault == "an impossible spike":
        assert not cell.energy.valid
    if fault in MUST_BE_RIGHT:
        assert cell.energy.energy_j == pytest.approx(truth_j, rel=TOLERANCE)
        assert cell.energy.valid or tool.never_valid in str(cell.energy.reasons)


def test_every_collector_of_a_program_is_in_the_table():
    assert set(Registry.installed().names) - NO_PROGRAM == {tool.collector for tool in TOOLS.values()}
