"""Nights made by hand: two folders of results whose launches ran in turn, with chosen changes."""

from datetime import datetime, timedelta, timezone

import numpy as np

from harness.results.record import Energy, Phase, PhaseEnergy
from tests.analysis.made_records import (
    ResultsFolder,
    make_environment,
    make_epoch,
    make_measurements,
    make_record,
    make_stage,
    make_window,
)

BEFORE, AFTER = "b" * 40, "a" * 40
EVENING = datetime(2026, 3, 1, 22, tzinfo=timezone.utc)
LAUNCHES = 6
PHASES = (Phase(name="training", t0_ns=0, t1_ns=10, steps=6, samples=48),)


def made_energy(joules):
    """Of the whole training, the phase in PHASES."""
    window = PhaseEnergy(phase="training", window=make_window(joules))
    return Energy(collector="nvml", reason=None, phases=(window,))


def make_night(
    folder,
    *,
    slower=1.0,
    loss=0.4,
    rmse=1.0,
    launches=LAUNCHES,
    night=0,
    noise=0.002,
    in_turn=True,
    candidate=None,
    baseline=None,
    leave=frozenset(),
    seed=0,
    first=0,
    commits=(BEFORE, AFTER),
):
    """Both sides of a night below `folder`: launches A B B A ..., a candidate `slower` times as slow.

    `candidate` and `baseline` replace fields of the records; `leave` holds numbers of launches without a candidate's,
    `first` is the number of the first.
    Returns the two folders.
    """
    random = np.random.default_rng([seed, night])
    folder.mkdir(parents=True, exist_ok=True)
    sides = ResultsFolder(folder / "baseline"), ResultsFolder(folder / "candidate")
    start = EVENING + timedelta(days=night)
    for launch in range(first, first + launches):
        for place in range(2):
            ours = place ^ (launch % 2) if in_turn else place
            if ours and launch in leave:
                continue
            step_s = 0.5 * float(random.lognormal(0, noise)) * (slower if ours else 1.0)
            minutes = 2 * launch + place if in_turn else launch + launches * place
            changes = (candidate if ours else baseline) or {}
            epoch = make_epoch(step_s=(step_s, step_s), loss=(loss, loss / 2) if ours else (0.4, 0.2))
            measured = make_measurements(
                launch=launch,
                step_s=step_s,
                rmse=rmse if ours else 1.0,
                training=(make_stage(epoch, epoch, epoch),),
                **changes.get("measured", {}),
            )
            record = make_record(
                "pytorch",
                launch,
                measurements=measured,
                attempt=f"n{night}s{ours}l{launch}",
                started_at=(start + timedelta(minutes=minutes)).isoformat(),
                environment=make_environment(git_commit=commits[ours], **changes.get("environment", {})),
                **{name: value for name, value in changes.items() if name not in ("measured", "environment")},
            )
            sides[ours].add(record)
    return sides[0].path, sides[1].path


def titles(result, *statuses):
    """What is found of changes: titles of the quantities."""
    return {each.change.title for each in result.having(*statuses) if each.change}


def texts(result, kind):
    """What is said in the findings of a kind."""
    return [each.text for each in result.findings if each.kind == kind]
