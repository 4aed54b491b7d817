"""A results folder of many made records, each of the size that a smoke run leaves: 12 epochs of 21 steps, 48 scores."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from harness.results.record import Energy, Epoch, Latency, Phase, PhaseEnergy, Skill, SkillScore
from tests.analysis.made_records import (
    make_measurements,
    make_record,
    make_scenario,
    make_skill,
    make_stage,
    make_window,
)

EPOCHS, STEPS, INFERENCE_STEPS = 12, 21, 100
VARIABLES, LEADS_H = ("u", "v", "z", "t"), (6.0, 12.0, 24.0, 48.0)
CHIPS = ("a100", "ascend910b", "cpu", "dcu-z100l", "rtx3090")
SETTINGS = (("pytorch", "eager"), ("pytorch", "compiled"), ("mindspore", "eager"), ("mindspore", "compiled"))
CELLS_PER_MODEL = len(CHIPS) * len(SETTINGS)


def write_many(folder: Path, count: int, launches: int = 5, nights: int = 1) -> None:
    """Write `count` records, a multiple of 20 times `launches` and `nights`: models by chip, framework and execution.

    Each night has the same launches of the same cells, of which only the newest count.
    """
    random = np.random.default_rng(count)
    for number in range(count // (launches * nights * CELLS_PER_MODEL)):
        for chip in CHIPS:
            for framework, execution in SETTINGS:
                scenario = make_scenario(framework, execution, chip=chip, model=f"model{number:03d}")
                template = make_record(framework, scenario=scenario, energy=_energy()).model_dump(mode="json")
                for night, launch in product(range(nights), range(launches)):
                    _write(folder, template, launch, night, random)


def _write(folder: Path, template: dict[str, Any], launch: int, night: int, random: np.random.Generator) -> None:
    name = f"{launch:02d}-{night:02d}"
    place = folder / template["scenario"]["suite"] / template["cell"] / name
    place.mkdir(parents=True)
    content = {
        **template,
        "launch": launch,
        "attempt": f"{template['cell']}-{name}",
        "started_at": f"2026-01-{night + 1:02d}T00:00:00+00:00",
        "measurements": _measurements(launch, random).summary().model_dump(mode="json"),
    }
    (place / "record.json").write_text(json.dumps(content) + "\n")


def _measurements(launch: int, random: np.random.Generator) -> Any:
    pace = np.exp(0.01 * random.standard_normal())

    def times_s(typical_s: float, count: int) -> tuple[float, ...]:
        return tuple((typical_s * pace * np.exp(0.05 * random.standard_normal(count))).tolist())

    epochs = [
        Epoch(
            data_s=times_s(0.001, STEPS),
            step_s=times_s(0.01, STEPS),
            loss=times_s(0.3, STEPS),
            validation_loss=0.2,
            validation_s=0.1,
        )
        for _ in range(EPOCHS)
    ]
    return make_measurements(
        launch=launch,
        training=(make_stage(*epochs, steady_from_step=30),),
        inference=Latency(
            batch_size=1, first_step_s=0.1, warmup_steps=9, steady=True, step_s=times_s(0.002, INFERENCE_STEPS)
        ),
        skill=_skill(random),
        phases=tuple(
            Phase(name=name, t0_ns=0, t1_ns=10**10, steps=STEPS, samples=8 * STEPS) for name in _phase_names()
        ),
    )


def _skill(random: np.random.Generator) -> Skill:
    scores: list[SkillScore] = []
    for variable in VARIABLES:
        for lead_h in LEADS_H:
            made = make_skill(float(np.exp(0.01 * random.standard_normal())), variable=variable, lead_h=lead_h)
            scores += made.scores
    return made.model_copy(update={"scores": tuple(scores)})


def _phase_names() -> tuple[str, ...]:
    return ("training", *(f"train pretrain {number}" for number in range(EPOCHS)), "inference")


def _energy() -> Energy:
    window = make_window(100.0, 10.0, peak_power_w=20.0)
    phases = tuple(PhaseEnergy(phase=name, window=window, net_energy_j=60.0) for name in _phase_names())
    return Energy(collector="nvml", reason=None, phases=phases)
