"""Nights one after the other: suspected, confirmed or cleared, known, and silent about what is known."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from harness.errors import UserError
from harness.history.error_rates import Suite, false_alarms, power, series_of
from harness.history.error_rates import main as error_rates
from harness.history.gate import Options, gate
from harness.history.state import load_state
from harness.history.statuses import DID_NOT_RUN, NOTHING, REGRESSED, UNDECIDED
from tests.analysis.made_records import ResultsFolder, make_certificate, make_failure, make_scenario
from tests.history.made_nights import AFTER, PHASES, made_energy, make_night


class Nights:
    """Nights that share a state."""

    def __init__(self, folder):
        self.folder, self.state, self.number = folder, folder / "state" / "gate.json", -1

    def __call__(self, **changes):
        self.number += 1
        return gate(*make_night(self.folder / str(self.number), night=self.number, **changes), self.state)

    def again(self):
        night = self.folder / str(self.number)
        return gate(night / "baseline", night / "candidate", self.state)


@pytest.fixture
def nights(tmp_path):
    return Nights(tmp_path)


def said(result):
    return {each.change.title: each.status for each in result.findings if each.change}


def test_a_change_is_suspected_then_confirmed_then_known(nights):
    assert nights().exit_status == NOTHING
    first = nights(slower=1.08)
    assert said(first) == {"epoch": "suspected", "train step": "suspected", "infer step": "suspected"}
    assert first.exit_status == UNDECIDED
    assert "the next run confirms or clears it" in first.summary
    second = nights(slower=1.08)
    assert set(said(second).values()) == {"confirmed"}
    assert second.exit_status == REGRESSED
    assert {each.since for each in second.findings} == {"2026-03-02"}
    for _ in range(2):
        third = nights(slower=1.08)
        assert set(said(third).values()) == {"known"}
        assert third.exit_status == NOTHING


def test_what_ran_of_another_suite_is_not_missed(tmp_path):
    """Nights of two suites share a folder, and so their state."""
    state = tmp_path / "state.json"
    for number, suite in enumerate(("timing", "smoke", "timing")):
        changes = {"scenario": make_scenario(suite=suite)}
        sides = make_night(tmp_path / str(number), night=number, candidate=changes, baseline=changes)
        result = gate(*sides, state, Options(suite=suite))
        assert (result.findings, result.exit_status) == ((), NOTHING)
    assert {name.partition("/")[0] for name in load_state(state).ran} == {"timing", "smoke"}
    assert gate(*sides, state).exit_status == DID_NOT_RUN


def test_a_single_night_is_cleared_and_stays_listed(nights):
    nights(slower=1.08)
    result = nights()
    assert result.exit_status == NOTHING
    assert {each.status for each in result.findings} == {"cleared"}
    assert "suspected in 2026-03-01, not confirmed in 2026-03-02" in result.findings[0].text
    assert {each.status for each in nights().findings} == {"cleared"}


def test_the_same_run_twice_confirms_nothing_and_says_the_same(nights):
    nights(slower=1.08)
    assert set(said(nights.again()).values()) == {"suspected"}
    nights(slower=1.08)
    again = nights.again()
    assert set(said(again).values()) == {"confirmed"}
    assert again.exit_status == REGRESSED


def test_launches_that_raised_a_suspicion_do_not_confirm_it_among_new_ones(nights):
    """The second run holds the six slow launches of the first and four that are as fast as the baseline."""
    nights(slower=1.08)
    more = nights.folder / "more"
    sides = make_night(more, night=1, launches=4, first=6)
    shutil.copytree(nights.folder / "0", more, dirs_exist_ok=True)
    result = gate(*sides, nights.state)
    assert {each.launches for each in result.cells[0].changes} == {10}
    assert {each.status for each in result.findings} == {"cleared"}


def test_a_known_change_that_grows_is_a_new_finding(nights):
    for slower in (1.08, 1.08, 1.08):
        nights(slower=slower)
    assert said(nights(slower=1.25))["train step"] == "suspected"
    result = nights(slower=1.25)
    assert said(result)["train step"] == "confirmed"
    assert result.exit_status == REGRESSED
    assert said(nights(slower=1.25))["train step"] == "known"


def test_a_known_change_that_goes_is_told_once_and_forgotten(nights):
    for slower in (1.08, 1.08, 1.0):
        nights(slower=slower)
    result = nights()
    assert said(result)["train step"] == "confirmed"
    assert not any(each.worse for each in result.findings)
    assert result.exit_status == NOTHING
    assert load_state(nights.state).known == ()
    assert "train step" not in {title for title, status in said(nights()).items() if status != "cleared"}


def test_another_baseline_forgets_what_was_known(nights):
    for _ in range(2):
        nights(slower=1.08)
    result = nights(commits=(AFTER, "d" * 40))
    assert result.findings == ()
    assert load_state(nights.state).known == ()


def test_what_ran_against_another_baseline_alone_is_not_missed_and_not_kept(nights):
    nights(baseline={"scenario": make_scenario(seed=7)}, candidate={"scenario": make_scenario(seed=7)})
    gone = nights()
    assert gone.exit_status == DID_NOT_RUN
    (cell,) = nights(commits=(AFTER, "d" * 40)).cells
    assert set(load_state(nights.state).ran) == {cell.cell}
    assert nights(commits=(AFTER, "d" * 40)).exit_status == NOTHING


def test_a_known_loss_is_told_with_the_digits_that_differ(nights):
    for _ in range(2):
        nights(loss=0.4 * 1.00005)
    (known,) = load_state(nights.state).known
    assert known.text == "loss of the first epoch 1.00005 times the baseline"


def test_a_night_in_which_the_baseline_did_not_run_forgets_nothing(nights):
    for _ in range(2):
        nights(slower=1.08)
    shutil.rmtree(nights.folder / "1" / "baseline" / "smoke")
    failed = ResultsFolder(nights.folder / "failed")
    failed.add(make_failure("pytorch", 0))
    failed.path.rename(nights.folder / "1" / "baseline" / "failed")
    assert nights.again().exit_status == DID_NOT_RUN
    assert load_state(nights.state).known != ()


def test_a_slow_drift_beyond_the_margin_is_found(nights):
    """Against a baseline that stays: no night is much slower than the one before."""
    found = [said(nights(slower=1 + 0.004 * night)).get("train step") for night in range(7)]
    assert found[:2] == [None, None]
    assert "confirmed" in found


def test_what_ran_yesterday_and_today_on_neither_side_is_found(nights):
    with_energy = {"energy": made_energy(100.0), "measured": {"phases": PHASES}}
    nights(baseline=with_energy, candidate=with_energy)
    result = nights()
    assert result.exit_status == DID_NOT_RUN
    assert "measured in 2026-03-01 and now on neither side: energy_training_whole_j" in result.findings[0].text


def test_both_sides_on_another_node_are_compared_and_it_is_said(nights):
    nights()
    elsewhere = {"environment": {"host": "ffffeeeedddd"}}
    result = nights(baseline=elsewhere, candidate=elsewhere)
    assert result.exit_status == NOTHING
    assert [each.text for each in result.findings] == ["another node: on ffffeeeedddd; in 2026-03-01 on aaaabbbbcccc"]


def test_a_departed_port_alarms_once(nights, tmp_path):
    from harness.porting.parity.certificate import save

    statuses = []
    for number in range(2):
        baseline, candidate = make_night(tmp_path / f"night{number}", night=number)
        save(make_certificate(), baseline)
        save(make_certificate("failed"), candidate)
        statuses.append(gate(baseline, candidate, nights.state).exit_status)
    assert statuses == [REGRESSED, NOTHING]


def test_a_damaged_state_is_refused_and_left_as_it_is(nights):
    nights()
    for text in ("{", json.dumps({"version": 9})):
        nights.state.write_text(text)
        with pytest.raises(UserError, match="no state of the gate"):
            nights()
        assert nights.state.read_text() == text


class TestErrorRates:
    """Small samples of what `python -m harness.history.error_rates` measures in full."""

    def test_one_commit_against_itself_is_silent_in_99_of_100_nights(self):
        rates = false_alarms(Suite(launches=8, cells=5), nights=100, seed=3)
        assert rates.confirmed <= 0.01
        assert rates.suspected <= 0.05

    def test_twice_the_noise_of_the_machine_in_the_middle_of_a_block_is_no_finding(self):
        rates = false_alarms(Suite(launches=6, cells=2, shift=0.5, disturbed=0.1), nights=40, seed=5)
        assert rates.confirmed == 0

    def test_the_noise_of_records_is_that_of_consecutive_launches_of_one_commit(self, tmp_path):
        """Steps as they were made: noise of 3 %, in two nights of 10 launches of one commit and one of another."""
        for night, commit in enumerate("aab"):
            make_night(tmp_path / str(night), night=night, launches=10, noise=0.03, commits=("c" * 40, commit * 40))
        sizes = sorted(len(each) for each in series_of(tmp_path))
        quantities = len(sizes) // 3
        assert sizes == [10] * quantities + [20] * quantities + [30] * quantities
        made = []
        for night in range(2):
            paths = (tmp_path / str(night) / "candidate").rglob("record.json")
            records = sorted((json.loads(path.read_text()) for path in paths), key=lambda each: each["started_at"])
            made += [each["measurements"]["training"][0]["steady_steps"]["median_s"] for each in records]
        expected = np.log(made) - np.mean(np.log(made))
        assert any(len(each) == 20 and np.allclose(each, expected) for each in series_of(tmp_path))
        assert np.std(expected) == pytest.approx(0.03, rel=0.5)

    def test_both_tables_have_the_noise_of_the_records(self, tmp_path):
        make_night(tmp_path, launches=10, noise=0.0)
        done = CliRunner().invoke(error_rates, ["--records", str(tmp_path), "--nights", "2", "--studies", "2"])
        assert done.exit_code == 0, done.output
        rows = [line for line in done.output.splitlines() if "of the records" in line]
        assert [row.split("|")[-2].strip() for row in rows] == ["100.0%"] * 3

    def test_records_that_hold_no_series_are_refused(self, tmp_path):
        make_night(tmp_path, launches=7)
        for folder in (tmp_path, tmp_path / "absent"):
            done = CliRunner().invoke(error_rates, ["--records", str(folder)])
            assert (done.exit_code, done.output.count("\n")) == (2, 1)

    def test_a_slow_down_of_5_percent_is_confirmed_in_its_second_night(self):
        _, confirmed = power(Suite(launches=12, cells=10), 0.05, 0.02, studies=25, seed=2)
        assert confirmed >= 0.9
