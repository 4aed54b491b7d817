"""Names and layouts of a file of weights turned into ours and back, by the rules of scenarios/weights/."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from harness.errors import UserError
from harness.porting.convert.layout import Pieces, towards_file, towards_ours
from harness.porting.convert.tensors import Shape, Tensor
from harness.scenario.weights import PLACEHOLDER, Rule, WeightNames

Direction = Literal["to_ours", "to_file"]


@dataclass(frozen=True)
class Renamed:
    """Tensors under their new names, those that are not used, and the parts of a whole that lacks others."""

    tensors: tuple[Tensor, ...]
    unused: tuple[Tensor, ...]
    incomplete: tuple[Tensor, ...]


@dataclass(frozen=True)
class _Group:
    """Names that one application of a rule takes together, the given and the new ones."""

    rule: Rule | None
    given: tuple[str, ...]
    new: tuple[str, ...]


def rename(
    tensors: Sequence[Tensor], names: WeightNames, direction: Direction, shapes: Mapping[str, Shape] | None = None
) -> Renamed:
    """Every tensor under its new name, where its values lie as they do there.

    `shapes` are those of our network, for the rules that need them. A name that no rule takes stays as it is.
    Raises UserError where a tensor does not have the shape that its rule expects, or two get one name.
    """
    given = {tensor.name: tensor for tensor in tensors}
    unused = [name for name in given if direction == "to_ours" and _is_unused(name, names)]
    ranks = {name: len(tensor.shape) for name, tensor in given.items()}
    found, incomplete = [], []
    for group in _groups([name for name in given if name not in unused], names.rules, direction, ranks):
        if set(group.given) <= given.keys():
            found += _laid_out(group, [given[name] for name in group.given], direction, shapes or {})
        else:
            incomplete += [given[name] for name in group.given if name in given]
    _refuse_two_for_one(found)
    return Renamed(tuple(found), tuple(given[name] for name in unused), tuple(incomplete))


def new_names(names: Sequence[str], rules: Sequence[Rule], direction: Direction, ranks: Mapping[str, int]) -> list[str]:
    """What the names become, without their tensors; those of our tensors need their numbers of axes."""
    return [new for group in _groups(names, rules, direction, ranks) for new in group.new]


def refuse_one_way(tensors: Sequence[Tensor], renamed: Renamed, names: WeightNames) -> None:
    """Raise UserError where the names that were given are not what the rules make of the new ones."""
    ranks = {tensor.name: len(tensor.shape) for tensor in renamed.tensors}
    back = set(new_names(list(ranks), names.rules, "to_file", ranks))
    ways = [rule.file[0] for rule in names.rules if rule.one_way]
    for tensor in tensors:
        expected = tensor not in renamed.unused and tensor not in renamed.incomplete
        if expected and tensor.name not in back and not any(_pattern(way).fullmatch(tensor.name) for way in ways):
            raise UserError(
                f"{names.title}: {tensor.name} becomes another name on the way back; "
                "put the rule that takes it first, or make it one_way"
            )


def with_fills(tensors: Sequence[Tensor], names: WeightNames) -> list[Tensor]:
    """Our tensors and, in their places, those that only the file has and that are written with one value.

    Raises UserError where the tensor that one is made like is not there.
    """
    found = list(tensors)
    for unused in names.unused:
        if unused.fill is None or unused.like is None or unused.before is None:
            continue
        places = {tensor.name: place for place, tensor in enumerate(found)}
        if unused.like not in places or unused.before not in places:
            raise UserError(
                f"{names.title}: {unused.name} is like {unused.like} and stands before {unused.before}, "
                "of which one is missing here"
            )
        found.insert(places[unused.before], _filled(unused.name, unused.fill, found[places[unused.like]]))
    return found


def _filled(name: str, value: float, like: Tensor) -> Tensor:
    import numpy as np

    if like.dtype not in ("F64", "F32", "F16", "BF16"):
        raise UserError(f"{name}: cannot be filled with numbers of format {like.dtype}")
    if like.dtype == "BF16":
        bits = (np.full(like.shape, value, "<f4").view("<u4") >> 16).astype("<u2")
    else:
        bits = np.full(like.shape, value, f"<f{like.width}").view(f"<u{like.width}")
    return Tensor(name, like.dtype, like.shape, lambda: bits, ())


def _is_unused(name: str, names: WeightNames) -> bool:
    return any(_pattern(unused.name).fullmatch(name) for unused in names.unused)


def _groups(
    names: Sequence[str], rules: Sequence[Rule], direction: Direction, ranks: Mapping[str, int]
) -> Iterator[_Group]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            continue
        group = next(_applications(name, rules, direction, ranks), _Group(None, (name,), (name,)))
        seen.update(group.given)
        yield group


def _applications(name: str, rules: Sequence[Rule], direction: Direction, ranks: Mapping[str, int]) -> Iterator[_Group]:
    for rule in rules:
        given, new = (rule.file, rule.ours) if direction == "to_ours" else (rule.ours, rule.file)
        for template in given:
            if match := _pattern(template).fullmatch(name):
                parts = match.groupdict()
                if direction == "to_ours" or _goes_back(rule, name, parts, ranks):
                    yield _Group(rule, tuple(_fill_in(g, parts) for g in given), tuple(_fill_in(n, parts) for n in new))


def _goes_back(rule: Rule, name: str, parts: Mapping[str, str], ranks: Mapping[str, int]) -> bool:
    if rule.one_way:
        return False
    of = name if rule.rank_of is None else _fill_in(rule.rank_of, parts)
    return rule.rank is None or ranks.get(of) == rule.rank


def _laid_out(
    group: _Group, tensors: Sequence[Tensor], direction: Direction, shapes: Mapping[str, Shape]
) -> list[Tensor]:
    if group.rule is None:
        return list(tensors)
    rule, dtypes = group.rule, {tensor.dtype for tensor in tensors}
    if len(dtypes) > 1:
        raise UserError(f"{', '.join(group.given)}: parts of one tensor have the formats {', '.join(sorted(dtypes))}")
    pieces = Pieces(tuple(tensor.shape for tensor in tensors), lambda: [tensor.bits() for tensor in tensors])
    try:
        if direction == "to_ours":
            made = towards_ours(rule, pieces, [shapes.get(name) for name in group.new])
        else:
            made = towards_file(rule, pieces)
    except ValueError as error:
        raise UserError(f"{', '.join(group.given)}: {error}, as the rule for {', '.join(group.new)} expects") from None
    sources = tuple(source for tensor in tensors for source in tensor.sources)
    moved = made is not pieces or any(tensor.moved for tensor in tensors)
    return [
        Tensor(name, tensors[0].dtype, shape, made.reader(place), sources, moved)
        for place, (name, shape) in enumerate(zip(group.new, made.shapes, strict=True))
    ]


def _refuse_two_for_one(tensors: Sequence[Tensor]) -> None:
    by_name: dict[str, Tensor] = {}
    for tensor in tensors:
        if tensor.name in by_name:
            both = [", ".join(name for name, _ in each.sources) for each in (by_name[tensor.name], tensor)]
            raise UserError(f"{both[0]} and {both[1]} would both become {tensor.name}; name the file's names (--names)")
        by_name[tensor.name] = tensor


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts, end, seen = [], 0, set[str]()
    for match in PLACEHOLDER.finditer(template):
        star, name = match.groups()
        parts.append(re.escape(template[end : match.start()]))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{'.+' if star else '[^.]+'})")
        seen.add(name)
        end = match.end()
    return re.compile("".join([*parts, re.escape(template[end:])]))


def _fill_in(template: str, parts: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: parts[match[2]], template)
