"""What departs from the truth by more than roundings, and which layer it is that does."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from harness.porting.parity.certificate import Departure, Diagnosis, Level, LevelName
from harness.porting.parity.exchange import Answer, ModuleCall, Reference
from harness.porting.parity.quantities import ComparedArray, Kind

FACTOR = 32.0
"""How many times the yardstick a port may be off.

A right port sums in another order and rounds elementary functions otherwise: over seeds and models the largest ratio
is about 15, in sums of thousands of gradients that MindSpore adds one after the other; the smallest of the faults
planted in tests/porting is beyond 200.
"""
FACTOR_LOWERED = 4.0
"""The same in a lower format, where PyTorch's own deviation is that of the format and not of an order of sums."""
ROUNDING = 2.0**-24
"""Half a unit in the last place of float32: the smallest yardstick, where PyTorch happens to be exact."""
LISTED = 8
LEVEL_OF: Mapping[Kind, LevelName] = {
    "activation": "layers",
    "value": "layers",
    "prediction": "layers",
    "loss": "layers",
    "input gradient": "gradients",
    "parameter gradient": "gradients",
    "gradient": "gradients",
    "update": "trajectory",
    "loss of a step": "trajectory",
}


class Judged(NamedTuple):
    """A deviation and what it may be."""

    quantity: ComparedArray
    deviation: float
    tolerance: float

    @property
    def departs(self) -> bool:
        """Whether it is too large; never where float32 PyTorch itself cannot be told from anything."""
        return self.deviation > self.tolerance

    @property
    def share(self) -> float:
        """Deviation over tolerance."""
        return self.deviation / self.tolerance if math.isfinite(self.tolerance) else 0.0

    def finding(self) -> Departure:
        """As a certificate says it."""
        kind, name, part = self.quantity
        off = self.deviation if math.isfinite(self.deviation) else None
        return Departure(quantity=kind, name=name, part=part, deviation=off, tolerance=self.tolerance)


def judge(answer: Answer, reference: Reference, factor: float = FACTOR) -> list[Judged]:
    """Every deviation beside `factor` times its yardstick.

    The yardstick of a loss, one number that is exact now and then by chance, is at least that of the prediction. That
    of the loss of a step is the largest so far: what rounding does to a training only grows.
    """
    found = []
    so_far = of_prediction = max(ROUNDING, reference.yardstick.get(ComparedArray("prediction").key, 0.0))
    for key, deviation in answer.deviations.items():
        quantity, yardstick = ComparedArray.of_key(key), max(ROUNDING, reference.yardstick[key])
        if quantity.kind == "loss":
            yardstick = max(yardstick, of_prediction)
        if quantity.kind == "loss of a step":
            yardstick = so_far = max(so_far, yardstick)
        off = math.inf if deviation is None else deviation
        found.append(Judged(quantity, off, factor * yardstick))
    return found


def levels(judged: Sequence[Judged]) -> list[Level]:
    """Layers, gradients and trajectory, each with its worst deviation and the first of those that are too large."""
    found = []
    for name in ("layers", "gradients", "trajectory"):
        members = [each for each in judged if LEVEL_OF.get(each.quantity.kind) == name]
        departed = [each for each in members if each.departs]
        worst = max(members, key=lambda each: each.share, default=None)
        found.append(
            Level(
                name=name,
                verdict="failed" if departed else "passed" if members else "not applicable",
                reason=None if members else "nothing was compared",
                compared=len(members),
                departed=len(departed),
                worst=worst.finding() if worst else None,
                first=tuple(each.finding() for each in departed[:LISTED]),
            )
        )
    return found


def diagnose(judged: Sequence[Judged], calls: Sequence[ModuleCall]) -> Diagnosis | None:
    """The first layer that departs, at the lowest level that sees it; None where nothing departs.

    A module that departs alone, on the inputs that the reference met, is wrong itself. The innermost such module that
    ends first is named. Where none is run alone, it is the first whose output departs in the network, or the module
    around it where its input departs already.
    """
    departed = [each for each in judged if each.departs]
    compared = {each.quantity.name for each in judged if each.quantity.kind == "activation"}
    order = [call.name for call in calls if call.name in compared]
    wrong: dict[Kind, dict[str, list[Judged]]] = {}
    for each in departed:
        wrong.setdefault(each.quantity.kind, {}).setdefault(each.quantity.name, []).append(each)
    if (alone := _innermost(order, wrong.get("value", {}))) is not None:
        return _diagnosis("layers", alone, wrong["value"][alone][0], _between(alone, order, wrong))
    if outputs := wrong.get("activation"):
        name = next(each for each in order if each in outputs)
        around = name
        while around and around in wrong.get("input", {}):
            around = _around(around, order)
        return _diagnosis("layers", around, outputs[name][0], _between(around, order, wrong))
    if "prediction" in wrong:
        return _diagnosis("layers", "", wrong["prediction"][""][0], "")
    if "loss" in wrong:
        return _diagnosis("layers", "loss", wrong["loss"][""][0], "the prediction agrees")
    slopes = {**wrong.get("parameter gradient", {}), **wrong.get("input gradient", {})}
    if (alone := _innermost(order, slopes)) is not None:
        return _diagnosis("gradients", alone, slopes[alone][0], "its output agrees")
    if gradients := wrong.get("gradient"):
        owners = [call.name for call in calls if any(name in gradients for name in call.parameters)]
        everywhere = len(gradients) == sum(each.quantity.kind == "gradient" for each in judged)
        first = next(iter(gradients.values()))[0]
        where = "every gradient departs" if everywhere else "modules alone have the right gradients"
        return _diagnosis("gradients", "loss" if everywhere else owners[-1], first, where)
    if updates := wrong.get("update"):
        first = max((each for found in updates.values() for each in found), key=lambda each: each.share)
        return _diagnosis("trajectory", "optimiser", first, f"{len(updates)} parameters move otherwise in step 0")
    if losses := wrong.get("loss of a step"):
        return _diagnosis("trajectory", "training step", losses[""][0], f"from step {int(losses[''][0].quantity.part)}")
    return None


def _diagnosis(level: LevelName, layer: str, found: Judged, where: str) -> Diagnosis:
    return Diagnosis(level=level, layer=layer or "the network", where=where, finding=found.finding())


def _innermost(order: Sequence[str], wrong: Iterable[str]) -> str | None:
    """The first of `wrong`, in order, that has none of the others inside; None where there is none."""
    names = set(wrong)
    return next((n for n in order if n in names and not any(_inside(other, n) for other in names)), None)


def _around(name: str, order: Sequence[str]) -> str:
    return max((other for other in order if _inside(name, other)), key=len, default="")


def _between(name: str, order: Sequence[str], wrong: Mapping[Kind, Mapping[str, object]]) -> str:
    """Between which of the modules inside a module its own code departs, as words; "" where there are none."""
    parts = [each for each in order if _inside(each, name)]
    outermost = [each for each in parts if not any(_inside(each, other) for other in parts)]
    if not outermost:
        return ""
    reached = next((each for each in outermost if each in wrong.get("input", {})), None)
    before = outermost if reached is None else outermost[: outermost.index(reached)]
    agreed = [each for each in before if each not in wrong.get("activation", {})]
    words = [f"after {agreed[-1]}"] if agreed else []
    return " and ".join([*words, *([f"before {reached}"] if reached else [])])


def _inside(name: str, other: str) -> bool:
    return name != other and (other == "" or name.startswith(f"{other}."))
