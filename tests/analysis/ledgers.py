"""Write a ledger of one claim, test it on made records and read what came out."""

import io

import pandas as pd
import yaml
from made_records import make_measurements, make_record, make_scenario, make_skill, make_window
from rich.console import Console

from harness.analysis.claims.writing import write_claims
from harness.results.record import Energy, Phase, PhaseEnergy

NOISE = (0.0, 0.004, -0.004, 0.002, -0.002)
CLAIM = {
    "name": "as-fast",
    "says": "as fast",
    "reading": "within 10 %",
    "models": ["fourcastnet"],
    "cells": ["ascend910b/pytorch"],
    "baseline": "a100/pytorch",
    "quantity": "inference_step_s",
    "expect": {"at_least": 0.9, "at_most": 1.1},
}


def write_ledger(folder, *, title="Mine", suite="paper", more=(), **changes):
    content = {"title": title, "source": "me", "suite": suite, "claims": [CLAIM | changes, *more]}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def judge(results, tmp_path, **changes):
    """The claim's CSV rows and what the terminal shows."""
    console = Console(file=io.StringIO(), width=300)
    write_claims(results.path, str(write_ledger(tmp_path, **changes)), console, details=True)
    return pd.read_csv(results.path / "claims" / "mine.csv"), console.file.getvalue()


def add(
    results,
    chip,
    factor=1.0,
    *,
    launches=5,
    framework="pytorch",
    execution="eager",
    energy_j=None,
    scopes=("card",),
    host="aaaabbbbcccc",
    foreign=False,
    **changes,
):
    """Launches on a chip whose steps take `factor` times half a second, a little more or less."""
    scenario = make_scenario(framework, execution, chip=chip, **changes)
    for launch in range(launches):
        phase = Phase(name="inference", t0_ns=0, t1_ns=1, steps=10, samples=10)
        measured = make_measurements(
            launch=launch, step_s=0.5 * factor * (1 + NOISE[launch]), phases=(phase,), skill=make_skill(factor)
        )
        window = make_window(energy_j, 10.0, peak_power_w=1.0, scopes=scopes)
        entries = (PhaseEnergy(phase="inference", window=window),) if energy_j else ()
        energy = Energy(collector="nvml", reason=None if energy_j else "no sensor here", phases=entries)
        record = make_record(
            framework,
            launch,
            scenario=scenario,
            attempt=f"{chip}{launch}{host}",
            measurements=measured,
            energy=energy,
            host=host,
            foreign=foreign,
        )
        results.add(record)
