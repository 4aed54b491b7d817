"""The gate on two folders of results whose truth is known: what it finds, what it leaves, what it says of it."""

import itertools
import json
import subprocess

import pytest

from harness.data.config import ArchiveConfig
from harness.errors import UserError
from harness.history.gate import Options, gate
from harness.history.statuses import DID_NOT_RUN, NOTHING, REGRESSED, UNDECIDED
from harness.results.record import Energy
from tests.analysis.made_records import (
    ResultsFolder,
    make_certificate,
    make_failure,
    make_measurements,
    make_record,
    make_scenario,
)
from tests.history.made_nights import AFTER, BEFORE, PHASES, made_energy, make_night, texts, titles

CELL = "smoke/fourcastnet-tiny.pytorch-eager.cpu.rossby."


def test_one_commit_on_both_sides_is_silent(tmp_path):
    result = gate(*make_night(tmp_path))
    assert result.findings == ()
    assert result.exit_status == NOTHING
    assert result.cells[0].cell.startswith(CELL)


def test_a_slower_step_is_named_with_its_size(tmp_path):
    result = gate(*make_night(tmp_path, slower=1.08))
    assert titles(result, "found") == {"epoch", "train step", "infer step"}
    step = next(each.change for each in result.findings if each.change.title == "train step")
    assert step.ratio == pytest.approx(1.08, rel=0.005)
    assert step.low < 1.08 < step.high
    assert step.paired
    assert result.exit_status == REGRESSED


def test_a_change_within_the_margin_is_none(tmp_path):
    assert gate(*make_night(tmp_path, slower=1.007)).exit_status == NOTHING


def test_a_wider_margin_lets_more_pass(tmp_path):
    sides = make_night(tmp_path, slower=1.08)
    from harness.history.gated import MARGINS

    assert gate(*sides, options=Options(margins={**MARGINS, "speed": 0.1})).exit_status == NOTHING


def test_a_faster_step_is_a_finding_and_no_regression(tmp_path):
    result = gate(*make_night(tmp_path, slower=0.9))
    assert "train step" in titles(result, "found")
    assert not any(each.worse for each in result.findings)
    assert result.exit_status == NOTHING
    assert "better" in result.summary


def test_losses_that_changed_by_little_are_another_network_in_either_direction(tmp_path):
    for number, loss in enumerate((0.4 * 1.00005, 0.4 * 0.996)):
        result = gate(*make_night(tmp_path / str(number), loss=loss))
        assert titles(result, "found") == {"loss of the first epoch"}
        assert result.exit_status == REGRESSED


def test_a_loss_that_differs_by_rounding_is_the_same_network(tmp_path):
    assert gate(*make_night(tmp_path, loss=0.4 * (1 + 1e-6))).exit_status == NOTHING


def test_a_worse_score_is_a_regression_and_a_better_one_is_not(tmp_path):
    worse, better = (gate(*make_night(tmp_path / str(rmse), rmse=rmse)) for rmse in (1.04, 0.96))
    assert titles(worse, "found") == titles(better, "found") == {"RMSE of u at 6 h"}
    assert (worse.exit_status, better.exit_status) == (REGRESSED, NOTHING)


def test_memory_and_joules_are_gated(tmp_path):
    from harness.results.record import Memory

    more = {"measured": {"memory": Memory(process_rss_bytes=600 * 2**20, device_bytes=None), "phases": PHASES}}
    less = {"measured": {"phases": PHASES}}
    result = gate(
        *make_night(
            tmp_path, candidate={**more, "energy": made_energy(120)}, baseline={**less, "energy": made_energy(100)}
        )
    )
    assert titles(result, "found") == {"process memory", "energy, training, whole, per run"}
    joules = next(each.change for each in result.findings if each.change.sort == "energy")
    assert joules.ratio == pytest.approx(1.2)


def test_the_time_of_compiling_is_gated_with_a_margin_of_its_own(tmp_path):
    from harness.results.record import Latency

    latency = Latency(batch_size=1, first_step_s=0.9, warmup_steps=3, steady=True, step_s=(0.05,) * 5)
    result = gate(*make_night(tmp_path, candidate={"measured": {"inference": latency}}))
    assert "first infer step" in titles(result, "found")


def test_two_launches_a_side_are_undecided_and_three_are_asked_for(tmp_path):
    result = gate(*make_night(tmp_path, launches=2, slower=1.5))
    assert result.exit_status == UNDECIDED
    assert [each.launches for each in result.findings] == [3]


def test_what_is_undecided_needs_more_launches_than_it_had_and_nothing_else_asks_for_any(tmp_path):
    studies, open_ones = 0, 0
    for seed, slower in itertools.product(range(8), (1.15, 0.85)):
        result = gate(*make_night(tmp_path / f"{seed} {slower}", slower=slower, noise=0.05, seed=seed))
        undecided = result.having("undecided")
        assert all(each.launches > 6 for each in undecided)
        assert {each.launches for each in result.findings if each.status != "undecided"} <= {None}
        open_ones += len(undecided)
        if result.exit_status == UNDECIDED:
            studies += 1
            most = max(each.launches for each in undecided if each.worse)
            assert result.summary.startswith(f"undecided: about {most} launches a side would decide")
    assert open_ones > studies > 0


def test_a_cell_that_stopped_running_is_found_with_its_reason(tmp_path):
    baseline, candidate = make_night(tmp_path)
    other = ResultsFolder(tmp_path / "more")
    for launch in range(3):
        record = make_record("mindspore", launch)
        other.add(record)
        (tmp_path / "candidate" / "failed").mkdir(exist_ok=True)
    other.path.rename(baseline / "more")
    holder = ResultsFolder(tmp_path / "failures")
    holder.add(make_failure("mindspore", 0, reason="killed: out of memory"))
    holder.path.rename(candidate / "failures")
    result = gate(baseline, candidate)
    assert result.exit_status == DID_NOT_RUN
    assert any(
        "no completed launch" in text and "killed: out of memory" in text for text in texts(result, "did not run")
    )


def test_a_missing_launch_is_found(tmp_path):
    result = gate(*make_night(tmp_path, leave={2, 4}))
    assert texts(result, "did not run") == ["launches 2, 4 are missing"]
    assert result.exit_status == DID_NOT_RUN


def test_what_neither_side_has_is_found_where_it_was_planned(tmp_path):
    """A block that was cut lacks the same launches on both sides, so that neither misses any of the other's."""
    sides = make_night(tmp_path, launches=4)
    assert gate(*sides).findings == ()
    result = gate(*sides, options=Options(launches=6, unfinished="8 of 12 rounds of the two commits are made"))
    lost = "launches 4, 5 completed on neither side"
    assert texts(result, "did not run") == [lost, "8 of 12 rounds of the two commits are made"]
    assert result.exit_status == DID_NOT_RUN


def test_a_cell_that_fails_on_both_sides_is_found(tmp_path):
    sides = make_night(tmp_path)
    for side, reason in zip(sides, ("out of memory", "no such file"), strict=True):
        holder = ResultsFolder(side.parent / "failures")
        holder.add(make_failure("mindspore", 0, reason=reason))
        holder.path.rename(side / "failures")
    result = gate(*sides)
    (told,) = texts(result, "did not run")
    assert told == "launch 0 completed on neither side (out_of_memory: out of memory) (out_of_memory: no such file)"
    assert result.exit_status == DID_NOT_RUN


def with_host(folder, host, **changes):
    """A night on a host of its own, of the same kind as all others."""
    there = {"environment": {"host": host}}
    return make_night(folder, candidate=there, baseline=there, **changes)


def two_hosts(folder, **changes):
    """A night on two hosts of one kind; `changes` are those of the second."""
    sides = make_night(folder / "first")
    for side, other in zip(sides, with_host(folder / "second", "ffffeeeedddd", **changes), strict=True):
        other.rename(side / "second")
    return sides


def test_two_hosts_that_ran_all_are_silent(tmp_path):
    result = gate(*two_hosts(tmp_path))
    assert result.findings == ()
    assert {each.launches for each in result.cells[0].changes} == {12}


@pytest.mark.parametrize("lost", [range(6), (1, 4)])
def test_launches_that_are_lost_with_their_host_are_found(tmp_path, lost):
    """The other host has completed launches of the same numbers."""
    result = gate(*two_hosts(tmp_path, leave=set(lost)))
    numbers = ", ".join(map(str, lost))
    assert texts(result, "did not run") == [f"launches {numbers} on ffffeeeedddd are missing"]
    assert result.exit_status == DID_NOT_RUN
    assert {each.launches for each in result.cells[0].changes} == {12 - len(lost)}


def test_launches_that_the_baseline_lost_with_a_host_are_found_with_the_reason(tmp_path):
    baseline, candidate = two_hosts(tmp_path)
    path = next((baseline / "second").rglob("00-*/record.json"))
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"status": "crashed", "reason": "by somebody", "measurements": {}}))
    result = gate(baseline, candidate)
    assert texts(result, "did not run") == ["launches of the baseline are missing (crashed: by somebody)"]


def test_a_launch_that_failed_and_ran_on_another_host_is_not_missed(tmp_path):
    baseline, candidate = make_night(tmp_path)
    holder = ResultsFolder(candidate / "more")
    holder.add(make_failure("pytorch", 2, host="ffffeeeedddd"))
    assert gate(baseline, candidate).exit_status == NOTHING


def test_a_regression_outranks_what_did_not_run(tmp_path):
    assert gate(*make_night(tmp_path, slower=1.2, leave={2})).exit_status == REGRESSED


def test_a_sensor_that_vanished_is_found_with_its_reason(tmp_path):
    measured = {"measured": {"phases": PHASES}}
    gone = Energy(collector=None, reason="no sensor: nvml: driver not loaded")
    result = gate(
        *make_night(tmp_path, baseline={**measured, "energy": made_energy(100)}, candidate={**measured, "energy": gone})
    )
    assert result.exit_status == DID_NOT_RUN
    assert texts(result, "did not run") == [
        "measured in the baseline alone: energy, training, whole, per run (no sensor: nvml: driver not loaded)"
    ]


def test_another_node_is_no_pair(tmp_path):
    result = gate(*make_night(tmp_path, slower=1.5, candidate={"environment": {"host": "ffffeeeedddd"}}))
    assert result.exit_status == DID_NOT_RUN
    assert texts(result, "did not run") == ["not compared: it ran on ffffeeeedddd, the baseline on aaaabbbbcccc"]


def test_other_data_are_no_pair(tmp_path):
    from harness.results.record import Fingerprints

    other = Fingerprints(data="e" * 64, initial_weights="f" * 64, architecture="a" * 64)
    result = gate(*make_night(tmp_path, slower=1.5, candidate={"measured": {"fingerprints": other}}))
    assert result.exit_status == DID_NOT_RUN
    assert "data: fingerprints differ" in texts(result, "did not run")[0]


@pytest.mark.parametrize("older", ["baseline", "candidate"])
def test_data_that_were_fingerprinted_in_two_ways_are_no_pair(tmp_path, older):
    """The fingerprint of an archive is part of the cell's name, which therefore differs, too."""
    archive = ArchiveConfig(kind="archive", files="*.nc", channels=({"name": "u", "variable": "u", "units": "1"},))
    sides = {
        side: {"scenario": make_scenario(data=archive, data_digest="d" * 64 if side == older else f"xxh3:{'d' * 64}")}
        for side in ("baseline", "candidate")
    }
    result = gate(*make_night(tmp_path, slower=1.5, **sides))
    assert result.exit_status == DID_NOT_RUN
    where = "in the baseline" if older == "baseline" else "here"
    told = f"not compared: data: fingerprinted in two ways, the older {where}, which must run again to be compared"
    assert [each.text for each in result.findings] == [told]


def test_a_port_that_departs_is_a_regression(tmp_path):
    baseline, candidate = make_night(tmp_path)
    from harness.porting.parity.certificate import save

    save(make_certificate(), baseline)
    save(make_certificate("failed"), candidate)
    result = gate(baseline, candidate)
    assert result.exit_status == REGRESSED
    assert "parity: departs" in texts(result, "parity")[0]


def test_sides_that_ran_one_after_the_other_are_compared_with_a_warning(tmp_path):
    result = gate(*make_night(tmp_path, in_turn=False, slower=1.2))
    assert "did not run in turn" in result.cells[0].remarks[0]
    step = next(each.change for each in result.findings if each.change and each.change.title == "train step")
    assert not step.paired


def test_a_drift_of_the_machine_cancels_where_the_sides_ran_in_turn(tmp_path):
    """Each launch takes 10 % longer than the one before; in pairs of opposite order that is no change."""
    from datetime import timedelta

    from tests.history.made_nights import EVENING

    folders = ResultsFolder(tmp_path / "baseline"), ResultsFolder(tmp_path / "candidate")
    for launch in range(6):
        for place in range(2):
            side = place ^ (launch % 2)
            order = 2 * launch + place
            folders[side].add(
                make_record(
                    "pytorch",
                    launch,
                    attempt=f"a{order}",
                    started_at=(EVENING + timedelta(minutes=order)).isoformat(),
                    measurements=make_measurements(launch=launch, step_s=0.5 * 1.1**order),
                )
            )
    result = gate(folders[0].path, folders[1].path)
    assert result.exit_status == NOTHING
    assert all(each.paired for each in result.cells[0].changes)


def test_a_silent_night_on_a_busy_machine_says_that_it_was_busy(tmp_path):
    assert gate(*make_night(tmp_path / "quiet")).cells[0].remarks == ()
    result = gate(*make_night(tmp_path / "busy", candidate={"foreign": True}))
    (remark,) = result.cells[0].remarks
    assert remark.startswith("6 of 6 launches, and 0 of 6 of the baseline, ran beside other work")
    assert (result.exit_status, result.findings) == (NOTHING, ())


def test_what_else_differs_stands_beside_a_finding(tmp_path):
    slow = {"environment": {"cpu_mhz": 1500.0, "python": "3.12.1", "packages": "q" * 64}}
    result = gate(*make_night(tmp_path, slower=1.2, candidate=slow))
    causes = next(each.causes for each in result.findings if each.change)
    assert "python: 3.12.1, 3.11.9 in the baseline" in causes
    assert "clock of the CPU: 1500 MHz, 2000 MHz in the baseline" in causes
    assert any(cause.startswith("packages:") for cause in causes)


def test_commits_between_are_those_of_a_real_repository(tmp_path):
    repository = tmp_path / "code"
    repository.mkdir()

    def git(*words):
        identity = ("-c", "user.name=An Author", "-c", "user.email=a@example.org")
        done = subprocess.run(["git", *identity, *words], cwd=repository, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    commits = []
    for number in range(3):
        (repository / "step.py").write_text(f"{number}\n")
        git("add", ".")
        git("commit", "-qm", f"Change number {number}")
        commits.append(git("rev-parse", "HEAD"))
    sides = make_night(tmp_path / "night", slower=1.2, commits=(commits[0], commits[2]))
    result = gate(*sides, options=Options(repository=repository))
    assert [line.partition(": ")[2] for line in result.between] == ["Change number 2", "Change number 1"]
    assert (
        "not known"
        in gate(
            *make_night(tmp_path / "other", commits=(BEFORE, AFTER)), options=Options(repository=repository)
        ).between[0]
    )


def test_a_folder_without_results_is_refused(tmp_path):
    baseline, _ = make_night(tmp_path)
    (tmp_path / "empty").mkdir()
    for other, words in (("nothing", "no such folder"), ("empty", "no record of a launch")):
        with pytest.raises(UserError, match=words):
            gate(baseline, tmp_path / other)
