"""What a step of an ablation brings: time, memory, energy and skill beside its base, and what may be claimed of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.cells import Cell
from harness.analysis.comparison.ablation import Step
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import AMOUNTS, TIMES, for_energy, for_skill, ratio, rmse_deviation
from harness.analysis.quantities.energy import WHOLE_TRAINING, energy_of
from harness.analysis.quantities.quantity import Measured, Quantity
from harness.analysis.quantities.skill import MODEL, NOT_SCORED, scores_of
from harness.analysis.quantities.speed import speed_of
from harness.analysis.summaries import ScoreKey

EQUIVALENT, NOT_EQUIVALENT, UNDECIDED = "equivalent", "not equivalent", "undecided"
NOT_COMPARABLE, REFUSED = "not comparable", "refused"

TIMES_SHOWN = ("epoch", "train step", "infer step")
COMPILING, COMPILING_TITLE = "training_compile_s", "compiling in training"
FIRST_STEP = "first train step"
"""How the titles of the times begin that hold compilation where it is not measured apart."""

MEMORIES = ("device_bytes", "process_rss_bytes")
TIME, MEMORY, ENERGY, COMPILATION = "time", "memory", "energy", "compilation"
WORDS = {TIME: TIMES["cost"], MEMORY: AMOUNTS, ENERGY: AMOUNTS}


@dataclass(frozen=True)
class Effect:
    """A ratio to the base of one quantity, and which sort of quantity that is; without a ratio it has a reason."""

    title: str
    sort: str
    ratio: Quantity


@dataclass(frozen=True)
class SkillChange:
    """The greatest relative change of an RMSE and where it is, and the verdict on all variables and lead times.

    Equivalent: every one is. Not equivalent: one is not, or the forecast of one blew up.
    """

    verdict: str
    largest: Quantity | None = None
    where: ScoreKey | None = None


@dataclass(frozen=True)
class Result:
    """All that a step brings. `gains` and `losses` are empty where the forecast is not shown to be the same."""

    step: Step
    effects: tuple[Effect, ...]
    skill: SkillChange
    gains: tuple[str, ...]
    losses: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """What may be claimed of the step: nothing that is not equivalent in skill is a gain."""
        if self.step.reason:
            return self.step.reason
        if self.skill.verdict == REFUSED:
            return REFUSED
        if self.skill.verdict != EQUIVALENT:
            return f"no gain is claimed: skill {self.skill.verdict}"
        return "; ".join((*self.gains, *self.losses)) or "no change is shown"


def quantities_of(base: Cell) -> Mapping[str, tuple[str, Measured]]:
    """What an ablation compares of a cell but compilation, by title: its sort and the measured values."""
    speed = speed_of(base)
    found: dict[str, tuple[str, Measured]] = {}
    for title in TIMES_SHOWN:
        of_title = [each for each in speed.values() if each.title == title or each.title.startswith(f"{title} (")]
        found |= {each.title: (TIME, each) for each in of_title if each.values}
    if memory := next((speed[name] for name in MEMORIES if name in speed and speed[name].values), None):
        found[f"peak {memory.title}"] = (MEMORY, memory)
    stages = [activity for activity, uses in energy_of(base).uses.items() if next(iter(uses.values())).unit == "epoch"]
    activity = stages[0] if len(stages) == 1 else WHOLE_TRAINING
    energy = energy_of(base).measured(activity, "sample_energy_j")
    if energy.values:
        found["energy per training sample"] = (ENERGY, energy)
    return found


def result_of(step: Step) -> Result:
    """What a step brings."""
    comparison = step.comparison
    if comparison is None or not comparison.cell.launches:
        return Result(step, (), SkillChange(NOT_SCORED), (), ())
    if not comparison.fair:
        return Result(step, (), SkillChange(REFUSED), (), ())
    of_base = quantities_of(step.base).items()
    effects = (
        *(_effect(comparison, title, sort, theirs) for title, (sort, theirs) in of_base),
        *_of_compilation(comparison, step.base),
    )
    skill = skill_change(comparison)
    if skill.verdict != EQUIVALENT:
        return Result(step, effects, skill, (), ())
    return Result(step, effects, skill, _said(effects, ("faster", "less")), _said(effects, ("slower", "more")))


def _said(effects: Sequence[Effect], words: Sequence[str]) -> tuple[str, ...]:
    """For each word the quantities of which it is said; of compilation nothing is."""
    titles = {word: [each.title for each in effects if each.ratio.verdict == word] for word in words}
    return tuple(f"{word}: {', '.join(of_word)}" for word, of_word in titles.items() if of_word)


def skill_change(comparison: Comparison) -> SkillChange:
    """How the scores of a cell differ from its base's."""
    baseline = comparison.baseline
    if baseline is None or not scores_of(comparison.cell).launches or not scores_of(baseline).launches:
        return SkillChange(NOT_SCORED)
    if for_skill(comparison).refusal:
        return SkillChange(NOT_COMPARABLE)
    verdicts, changes = set(), {}
    for key in dict.fromkeys((*scores_of(comparison.cell).keys, *scores_of(baseline).keys)):
        if scores_of(comparison.cell).not_finite(MODEL, key):
            verdicts.add(NOT_EQUIVALENT)
        elif (found := rmse_deviation(comparison.cell, baseline, key)) and found.value is not None:
            changes[key] = found
            verdicts.add(found.verdict or UNDECIDED)
        else:
            verdicts.add(UNDECIDED)
    verdict = next(word for word in (NOT_EQUIVALENT, UNDECIDED, EQUIVALENT) if word in verdicts)
    where = max(changes, key=lambda key: abs(changes[key].value or 0.0), default=None)
    return SkillChange(verdict, changes[where] if where else None, where)


def _effect(comparison: Comparison, title: str, sort: str, theirs: Measured) -> Effect:
    cell = comparison.cell
    if sort == ENERGY:
        refusal = for_energy(comparison).refusal
        if refusal:
            return Effect(title, sort, Quantity(None, sources=(cell,), reason="; ".join(refusal)))
        found = quantities_of(cell).get(title)
        ours = found[1] if found else None
    else:
        ours = speed_of(cell).get(theirs.name)
    if ours is None or not ours.values:
        reason = (ours.reason if ours else None) or "not measured"
        return Effect(title, sort, Quantity(None, sources=(cell,), reason=reason))
    return Effect(title, sort, ratio(ours, theirs, WORDS.get(sort)))


def _of_compilation(comparison: Comparison, base: Cell) -> tuple[Effect, ...]:
    """What compilation takes in training where it is measured apart in both, else the first step of each stage."""
    ours, theirs = speed_of(comparison.cell).get(COMPILING), speed_of(base).get(COMPILING)
    if ours and theirs and _above_zero(ours) and _above_zero(theirs):
        return (Effect(COMPILING_TITLE, COMPILATION, ratio(ours, theirs)),)
    first = [each for each in speed_of(base).values() if each.title.startswith(FIRST_STEP) and each.values]
    return tuple(_effect(comparison, each.title, COMPILATION, each) for each in first)


def _above_zero(measured: Measured) -> bool:
    return bool(measured.values) and min(measured.values.values()) > 0
