"""Which processes on a device are another job's, from looks made by hand, and what that does to an energy."""

from __future__ import annotations

import pytest
from power_logs import ANY_LENGTH, at_ns, every, log_of, readings

from collectors.accounting.energy import EnergyAccount
from collectors.occupancy.occupant_watch import ChangeWriter
from collectors.occupancy.occupants import DeviceOccupants, DeviceProcess, Look, OccupantLog, judge

BEGUN_S, ENDED_S = 10.0, 110.0
OWN = DeviceProcess(100, 1 << 30, "own")


def other(pid: int = 4242, whose="other", memory_bytes: int | None = 2 << 30) -> DeviceProcess:
    return DeviceProcess(pid, memory_bytes, whose)


def look(t_s: float, *processes: DeviceProcess, device: int | None = 0, **fields) -> Look:
    held = (DeviceOccupants(device, "GPU-a", processes),)
    return Look(at_ns(t_s), at_ns(t_s + 0.5), () if fields.get("problem") else held, **fields)


def judged(*looks: Look, same_namespace: bool = True, device_count: int = 1):
    log = OccupantLog("nvml", looks, same_namespace)
    return judge(log, at_ns(BEGUN_S), at_ns(ENDED_S), device_count)


def test_a_device_of_ones_own_has_no_stranger_and_nothing_is_unknown():
    found = judged(look(5), look(20, OWN), look(80, OWN), look(110.5))
    assert (found.strangers, found.reason, found.looks) == ((), None, (1, 2, 1))


def test_a_process_beside_the_launch_is_a_stranger_from_the_look_before_to_the_look_after():
    found = judged(look(5), look(20, OWN), look(50, OWN, other()), look(80, OWN), look(110.5))
    (stranger,) = found.strangers
    assert (stranger.pid, stranger.device, stranger.memory_bytes) == (4242, 0, 2 << 30)
    assert (stranger.t0_ns, stranger.t1_ns, stranger.seen) == (at_ns(20), at_ns(80.5), ("during",))
    assert found.reason is None


@pytest.mark.parametrize("whose", ["other", "unknown"])
@pytest.mark.parametrize("same_namespace", [True, False])
def test_whatever_is_there_before_the_work_is_a_stranger(whose, same_namespace):
    there = other(whose=whose)
    found = judged(look(5, there), look(80, OWN, there), look(110.5, there), same_namespace=same_namespace)
    (stranger,) = found.strangers
    assert stranger.seen == ("before", "during", "after")
    assert stranger.told == "process 4242 of another job (before, during, after)"


def test_a_process_on_another_device_is_no_stranger():
    found = judged(look(5, other(), device=1), look(80, OWN), look(110.5))
    assert found.strangers == ()
    assert len(judged(look(5, other(), device=None), look(80, OWN), look(110.5)).strangers) == 1


def test_a_process_that_cannot_be_found_is_a_stranger_where_numbers_are_those_of_this_machine():
    gone = other(whose="unknown")
    assert len(judged(look(5), look(80, OWN, gone), look(110.5)).strangers) == 1
    assert len(judged(look(5), look(80, gone), look(110.5)).strangers) == 1


def test_what_is_left_of_the_launch_afterwards_is_no_stranger():
    assert judged(look(5), look(80, OWN), look(110.5, other(whose="unknown"))).strangers == ()
    assert len(judged(look(5), look(80, OWN), look(110.5, other())).strangers) == 1


def test_in_another_namespace_the_count_decides():
    """In a container the worker has another number for the driver, which may by chance be that of a process here."""
    host = [DeviceProcess(9001, None, "unknown"), DeviceProcess(9002, None, "other")]
    for one in host:
        alone = judged(look(5), look(80, one), look(110.5), same_namespace=False)
        assert alone.strangers == ()
        assert "numbers processes of another namespace" in alone.reason
    both = judged(look(5), look(80, *host), look(110.5), same_namespace=False)
    (stranger,) = both.strangers
    assert (stranger.pid, stranger.processes, stranger.told) == (None, 1, "1 process(es) of another job (during)")


def test_in_a_container_whose_driver_knows_its_numbers_the_numbers_decide():
    found = judged(look(5), look(80, OWN, other(whose="unknown")), look(110.5), same_namespace=False)
    assert [each.pid for each in found.strangers] == [4242]
    assert found.reason is None


def test_a_tool_that_does_not_show_the_launch_itself_shows_nothing():
    found = judged(look(5), look(20), look(80), look(110.5))
    assert found.strangers == ()
    assert found.reason == "nvml did not list the launch's own process, so that others may not be listed either"
    assert judged(look(5), look(15), look(110.5)).reason is None


def test_looks_that_failed_are_told_and_end_no_presence():
    failed = look(50, problem="Driver Not Loaded")
    found = judged(look(5), look(20, OWN, other()), failed, look(80, OWN), look(110.5))
    assert found.reason == "nvml did not answer at 1 of 5 looks (Driver Not Loaded)"
    assert found.strangers[0].t1_ns == at_ns(80.5)
    none = judge(OccupantLog(None, reason="npu-smi is not on PATH"), 0, 1, 1)
    assert (none.strangers, none.reason) == ((), "npu-smi is not on PATH")


def test_processes_without_a_device_are_told():
    found = judged(look(5), look(80, OWN, unplaced=2), look(110.5))
    assert found.reason == "nvml does not tell on which device 2 process(es) of others are"


def test_only_changes_are_written_and_nothing_that_counts_is_lost():
    looks = [look(5), look(20, OWN), *[look(30 + k, OWN) for k in range(40)], look(80, OWN, other()), look(90, OWN)]
    written: list[dict] = []
    writer = ChangeWriter(written.append)
    for each in looks:
        writer.add(each)
    writer.add(look(110.5), last=True)
    kept = [Look.from_dict(record) for record in written]
    assert len(kept) == 6
    assert judged(*kept) == judged(*looks, look(110.5))


def test_windows_that_a_stranger_may_have_touched_are_invalid_and_others_are_not():
    found = judged(look(5), look(20, OWN), look(50, OWN, other()), look(80, OWN), look(110.5))
    account = EnergyAccount(
        log_of(readings(every(0.1, 120), lambda t: 250.0)), 1, ANY_LENGTH, strangers=found.strangers
    )
    for t0_s, t1_s, shared in [(10, 19, False), (15, 25, True), (21, 79, True), (81, 110, False)]:
        window = account.window(at_ns(t0_s), at_ns(t1_s))
        assert window.energy_j == pytest.approx(250 * (t1_s - t0_s))
        assert (window.shared_device, window.valid) == (shared, not shared)
        assert window.reasons == (("shared device: process 4242 of another job (during)",) if shared else ())
