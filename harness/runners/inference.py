"""Inference: latency of a single step, and an autoregressive rollout scored by lead time."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np

from harness.data.windows import Windows
from harness.frameworks.base import Framework
from harness.results.forecast import keep_first
from harness.results.record import Latency, Skill, SkillScore
from harness.runners.reporter import Reporter
from harness.runners.skill import Scorer, SkillTable
from harness.runners.steady import steady_from
from harness.scenario.schema import InferenceConfig


def latency(
    framework: Framework,
    windows: Windows,
    config: InferenceConfig,
    reporter: Reporter,
    min_window_s: float = 0.0,
    on_step: Callable[[], None] = lambda: None,
) -> Latency:
    """Repeat one step from a state on the device until the times are steady, then `min_steps` times more.

    `on_step` is called after each of them, once its time has been taken. The phase "inference" holds those and as many
    untimed repeats as fill `min_window_s`; "warm-up" what went before.
    """
    x = framework.put(next(windows.rollouts("test", (1,), config.batch_size)).inputs)
    framework.synchronise()
    times_s: list[float] = []
    steady: int | None = None

    def step() -> float:
        begun_s = perf_counter()
        framework.predict(x)
        framework.synchronise()
        return perf_counter() - begun_s

    with reporter.phase("warm-up") as work:
        while steady is None and len(times_s) < max(1, config.max_steps - config.min_steps):
            times_s.append(step())
            steady = steady_from(times_s, start=1)
            reporter.tell("inference", steps=1)
            on_step()
        work.count(len(times_s), config.batch_size)
    first = len(times_s) if steady is None else steady
    with reporter.phase("inference") as work:
        until_s = perf_counter() + min_window_s
        for _ in range(config.min_steps):
            times_s.append(step())
            reporter.tell("inference", steps=1)
            on_step()
        repeats = 0
        while perf_counter() < until_s:
            step()
            repeats += 1
        work.count(config.min_steps + repeats, config.batch_size)
    return Latency(
        batch_size=config.batch_size,
        first_step_s=times_s[0],
        warmup_steps=first,
        steady=steady is not None,
        step_s=tuple(times_s[first:]),
    )


def rollout(
    framework: Framework,
    windows: Windows,
    config: InferenceConfig,
    reporter: Reporter,
    forecast_path: Path | None = None,
) -> Skill:
    """Forecast from every start of the test period and score model, persistence and climatology at each lead time.

    The first start's forecast at the longest lead is kept at `forecast_path`. A forecast that blows up has scores that
    are infinite or NaN, and the others are what they are.
    """
    source = windows.source
    method: Literal["masked", "published"] = "published" if config.skill == "published" else "masked"
    scorer = Scorer(source.channels, source.latitude, source.mask, longitude=source.longitude, method=method)
    table = SkillTable(scorer)
    units = dict(zip(source.channels, source.units, strict=True))
    for start in windows.rollouts("test", config.lead_steps, config.rollout_batch_size):
        x = start.inputs
        for lead in range(1, config.lead_steps[-1] + 1):
            state = np.where(source.mask, framework.get(framework.predict(framework.put(x))), np.float32(0))
            if lead < config.lead_steps[-1]:
                x = start.next_inputs(x, state, lead)
            if lead not in config.lead_steps:
                continue
            truth, climatology, lead_h = start.truth(lead), start.climatology(lead), windows.lead_h(lead)
            forecast = windows.denormalise(state)[: start.samples]
            table.add("model", lead_h, forecast, truth, climatology)
            table.add("persistence", lead_h, start.persistence(), truth, climatology)
            table.add("climatology", lead_h, climatology, truth, climatology)
            if forecast_path and lead == config.lead_steps[-1] and not forecast_path.exists():
                keep_first(start, lead, forecast, truth).save(forecast_path)
        reporter.tell("rollout", steps=1)
    return Skill(
        **table.scorer.described(windows.climatology.kind),
        scores=tuple(
            SkillScore(
                forecaster=score.forecaster,
                variable=score.channel,
                units=units[score.channel],
                lead_h=score.lead_h,
                samples=score.samples,
                rmse=score.rmse,
                acc=score.acc,
            )
            for score in table.scores()
        ),
    )
