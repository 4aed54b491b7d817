"""Inference: latency of a single step, and an autoregressive rollout scored by lead time."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np

from harness.data.dealing import Share
from harness.data.land import land_of
from harness.data.source import Source
from harness.data.windows import Fields, Rollout, Windows
from harness.frameworks.base import Framework
from harness.results import error_maps, forecast, spectra
from harness.results.record import Latency, Skill, SkillScore
from harness.runners.agreement import slowest
from harness.runners.error_maps import ErrorMap
from harness.runners.reporter import Reporter
from harness.runners.skill import FORECASTERS, Scorer, SkillTable
from harness.runners.spectra import DegreeSpectra, Spectral, ZonalSpectra, no_spectra, none_by_degree
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

    Ranks do so beside each other, each on a batch of its own, and the time of a step is that of the slowest.
    `on_step` is called after each of them, once its time has been taken. The phase "inference" holds those and as many
    untimed repeats as fill `min_window_s`; "warm-up" what went before.
    """
    x = framework.put(next(windows.rollouts("test", (1,), config.batch_size)).inputs)
    framework.synchronise()
    times_s: list[float] = []
    steady: int | None = None

    ranks = framework.ranks
    samples = config.batch_size * ranks.rank.size

    def step() -> float:
        begun_s = perf_counter()
        framework.predict(x)
        framework.synchronise()
        return slowest(ranks, perf_counter() - begun_s)

    with reporter.phase("warm-up") as work:
        while steady is None and len(times_s) < max(1, config.max_steps - config.min_steps):
            times_s.append(step())
            steady = steady_from(times_s, start=1)
            reporter.tell("inference", steps=1)
            on_step()
        work.count(len(times_s), samples)
    first = len(times_s) if steady is None else steady
    with reporter.phase("inference") as work:
        begun_s = perf_counter()
        for _ in range(config.min_steps):
            times_s.append(step())
            reporter.tell("inference", steps=1)
            on_step()
        repeats = 0
        while slowest(ranks, perf_counter() - begun_s) < min_window_s:
            step()
            repeats += 1
        work.count(config.min_steps + repeats, samples)
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
    folder: Path | None = None,
) -> Skill:
    """Forecast from every start of the test period and score model, persistence and climatology at each lead time.

    All points are scored, and those of each region of the config.

    Ranks deal the starts among them and add up what the scores are made of. In the `folder` the first start's forecast
    at the longest lead is kept, the squared errors of each point and, where the grid goes round the globe, the zonal
    spectra; where it reaches from pole to pole, those by degree, too. A forecast that blows up has scores that are
    infinite or NaN, and the others are what they are.
    """
    source, ranks = windows.source, framework.ranks
    tables, beside = _skill_tables(source, config), _kept_beside(source)
    share = Share(ranks.rank.number, ranks.rank.size)
    for start in windows.rollouts("test", config.lead_steps, config.rollout_batch_size, share):
        x = start.inputs
        for lead in range(1, config.lead_steps[-1] + 1):
            state = np.where(source.mask, framework.get(framework.predict(framework.put(x))), np.float32(0))
            if lead < config.lead_steps[-1]:
                x = start.next_inputs(x, state, lead)
            if lead not in config.lead_steps or not start.samples:
                continue
            path = folder / forecast.FILE_NAME if folder and lead == config.lead_steps[-1] else None
            _score(tables, tuple(beside.values()), start, lead, state, path)
        reporter.tell("rollout", steps=1)
    if share.size > 1:
        leads_h = [windows.lead_h(lead) for lead in config.lead_steps]
        for table in tables:
            table.sum_over(ranks, [(forecaster, lead_h) for lead_h in leads_h for forecaster in FORECASTERS])
        for each in beside.values():
            each.sum_over(ranks, leads_h)
    if folder is not None:
        for name, each in beside.items():
            each.kept().save(folder / name)
    return Skill(**tables[0].scorer.described(windows.climatology.kind), scores=tuple(_scores_of(tables, source)))


def _skill_tables(source: Source, config: InferenceConfig) -> list[SkillTable]:
    """Empty tables of all points and of each region of the config."""
    method: Literal["masked", "published"] = "published" if config.skill == "published" else "masked"
    land = land_of(source) if any(region.surface for region in config.bounded_regions) else None
    place = source.channels, source.latitude, source.mask
    return [
        SkillTable(Scorer(*place, longitude=source.longitude, method=method, region=region, land=land))
        for region in (None, *config.bounded_regions)
    ]


def _kept_beside(source: Source) -> dict[str, ErrorMap | Spectral]:
    """By the name of its file, what is kept of the forecasts beside their scores, and is empty yet."""
    beside: dict[str, ErrorMap | Spectral] = {error_maps.FILE_NAME: ErrorMap(source)}
    spectral = source.channels, source.units, source.latitude, source.mask
    if no_spectra(source.longitude, source.mask) is None:
        beside[spectra.FILE_NAME] = ZonalSpectra(*spectral)
    if none_by_degree(source.latitude, source.longitude, source.mask) is None:
        beside[spectra.BY_DEGREE_FILE_NAME] = DegreeSpectra(*spectral)
    return beside


def _scores_of(tables: Sequence[SkillTable], source: Source) -> Iterator[SkillScore]:
    units = dict(zip(source.channels, source.units, strict=True))
    for table in tables:
        for score in table.scores():
            yield SkillScore(
                forecaster=score.forecaster,
                variable=score.channel,
                units=units[score.channel],
                lead_h=score.lead_h,
                samples=score.samples,
                rmse=score.rmse,
                acc=score.acc,
                bias=score.bias,
                mae=score.mae,
                activity=score.activity,
                region=table.scorer.region,
            )


def _score(
    tables: Sequence[SkillTable],
    beside: Sequence[ErrorMap | Spectral],
    start: Rollout,
    lead: int,
    state: Fields,
    forecast_path: Path | None,
) -> None:
    """Add what the normalised state (B, C, H, W) forecast for `lead` brings; the first one is kept at the path."""
    windows = start.windows
    truth, climatology, lead_h = start.truth(lead), start.climatology(lead), windows.lead_h(lead)
    predicted = windows.denormalise(state)[: start.samples]
    persistence = start.persistence()
    for table in tables:
        table.add("model", lead_h, predicted, truth, climatology)
        table.add("persistence", lead_h, persistence, truth, climatology)
        table.add("climatology", lead_h, climatology, truth, climatology)
    for each in beside:
        each.add(lead_h, predicted, truth)
    if forecast_path and not forecast_path.exists():
        forecast.keep_first(start, lead, predicted, truth).save(forecast_path)
