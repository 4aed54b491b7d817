"""One checkpoint into another: read, name as we do, check against the network, name as the target does, write."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from harness.errors import UserError
from harness.frozen import Frozen
from harness.porting.convert import deepmind
from harness.porting.convert.about import shown
from harness.porting.convert.ckpt_file import read_ckpt, write_ckpt
from harness.porting.convert.dialects import (
    TEXT,
    from_safetensors,
    from_texts,
    in_module_order,
    to_mindspore,
    to_neutral,
)
from harness.porting.convert.expected import Expected, expected_network, shapes_of
from harness.porting.convert.names import refuse_one_way, rename, with_fills
from harness.porting.convert.safetensors_file import read_safetensors, write_safetensors
from harness.porting.convert.same_network import check_computed
from harness.porting.convert.sizes import other_sizes
from harness.porting.convert.tensors import MOMENTS, Role, Shape, State, Tensor
from harness.scenario import catalogue
from harness.scenario.weights import WeightNames

Layout = Literal["pytorch", "mindspore", "neutral"]
FileKind = Literal["pytorch", "ckpt", "safetensors", "npz"]
Status = Literal["matched", "renamed", "rearranged", "filled", "unused", "unexpected", "other shape", "missing"]

UNFIT: tuple[Status, ...] = ("missing", "unexpected", "other shape")
LONGEST_NAME = 500
OF_MINDSPORE = "mindspore"
"""The names that are taken for a file of MindSpore where no others are given."""
OF_DEEPMIND = "graphcast-deepmind"


class Request(Frozen):
    """What is asked for; `place` is where the target is written before it gets its name, None for a dry run.

    `expected` is the network where it is not simply a preset's. With `find_names` the names of the source are those of
    scenarios/weights that fit, where ours do not.
    """

    source: Path
    source_kind: FileKind
    target: Path
    place: Path | None
    target_kind: FileKind
    target_layout: Layout
    source_names: str | None = None
    target_names: str | None = None
    model: str | None = None
    preset: str | None = None
    data: str | None = None
    expected: Expected | None = None
    find_names: bool = False
    partial: bool = False
    weights_only: bool = False


class TensorRow(Frozen):
    """One parameter: what became of it, its names and shapes in the source and in the target."""

    status: Status
    sources: tuple[tuple[str, Shape], ...] = ()
    target: tuple[str, Shape] | None = None


class Conversion(Frozen):
    """The name map, the tensors by role, remarks, the names that the source has, and whether the target is written."""

    rows: tuple[TensorRow, ...]
    counts: dict[Role, int]
    remarks: tuple[str, ...] = ()
    names: str | None = None
    refusal: str | None = None
    advice: str | None = None


Read = Callable[[Path, bool], State]
Write = Callable[[Path, State], list[str]]


def convert_here(request: Request, read_pytorch: Read | None = None, write_pytorch: Write | None = None) -> Conversion:
    """Convert in this process, which must offer PyTorch's two functions where the request needs them.

    Raises UserError where the source cannot be read or the names do not fit it; a partial match is a Conversion with a
    refusal, and nothing is written then.
    """
    state = _read(request, read_pytorch)
    expected = request.expected
    if request.model is not None and request.preset is not None:
        expected = expected_network(request.model, request.preset, request.data)
    shapes = None if expected is None else shapes_of(expected)
    names, found = _source_names(request, state), request.source_names
    if request.find_names and expected is not None and shapes is not None and not _fits(state, names, shapes):
        found = _fitting(state, shapes, expected.architecture)
        names = names if found is None else catalogue.weights(found)
    mapped, rows = _to_ours(state, names, shapes, checked=request.source_names is not None)
    if state.published is not None:
        mapped["parameter"] = deepmind.in_our_order(mapped["parameter"], state.published, expected, request.source)
    elif names is not None and names == catalogue.weights(OF_DEEPMIND):
        raise UserError(
            f"{request.source}: its names are DeepMind's, whose channels are in an order of their own, and it does not "
            f"say which ({deepmind.TASK.rstrip(':')}); give the .npz file that was published"
        )
    if expected is not None and not request.partial:
        check_computed(mapped["unused"], expected, request.source)
    target_names = None if request.target_names is None else _names(request.target_names, request.model)
    if target_names is not None and target_names.rules and all(rule.one_way for rule in target_names.rules):
        raise UserError(f"{target_names.title}: these names lead from the file to ours only")
    rows += [TensorRow(status="unused", sources=tensor.sources) for tensor in mapped.pop("unused")]
    ours = State({role: tuple(group) for role, group in mapped.items()}, _about(state, request))  # type: ignore[misc]
    final = ours if target_names is None else _to_file(ours, target_names)
    rows = [_row(tensor) for tensor in final.of("parameter")] + rows
    remarks = [f"not carried: {', '.join(map(shown, state.left_out))}"] if state.left_out else []
    remarks += [*state.remarks, *_other_formats(final.of("parameter"))]
    remarks += [f"{each.title}: {' '.join(each.note.split())}" for each in (names, target_names) if each and each.note]
    refusal = None if request.partial else _refusal(rows)
    if refusal is not None and expected is not None and shapes is not None:
        refusal = _other_network(state, names, shapes, expected) or refusal
    advice = None if refusal is None else _advice(state, shapes)
    if request.target_kind == "pytorch" and ours.has_moments:
        _refuse_unnumbered(target_names, ordered=shapes is not None or "names" not in state.about.get("optimiser", {}))
    if refusal is None and request.place is not None:
        try:
            remarks += _write(request, request.place, final, target_names, write_pytorch)
        except OSError as error:
            reason = error.strerror or "no space, or the disk failed"
            raise UserError(f"{request.target}: cannot be written: {reason}; free space or choose another") from None
    counts = {role: len(final.of(role)) for role in ("parameter", *MOMENTS, "step", "optimiser") if final.of(role)}
    return Conversion(
        rows=tuple(rows), counts=counts, remarks=tuple(remarks), names=found, refusal=refusal, advice=advice
    )


def _read(request: Request, read_pytorch: Read | None) -> State:
    if request.source_kind == "pytorch":
        assert read_pytorch is not None
        state = read_pytorch(request.source, request.weights_only)
    elif request.source_kind == "ckpt":
        tensors, texts = read_ckpt(request.source)
        state = from_texts(tensors, texts, request.source)
        state = replace(state, left_out=tuple(name for name in texts if name != TEXT))
    elif request.source_kind == "npz":
        state = deepmind.read(request.source)
    else:
        state = from_safetensors(*read_safetensors(request.source), request.source)
    if not state.of("parameter"):
        raise UserError(f"{request.source}: holds no parameters")
    for tensor in (each for group in state.tensors.values() for each in group):
        if not tensor.name.isprintable() or len(tensor.name) > LONGEST_NAME:
            name = ascii(tensor.name[:LONGEST_NAME])
            raise UserError(f"{request.source}: {name} is no name of a tensor; write the file again")
    if request.weights_only:
        said = {key: value for key, value in state.about.items() if key != "optimiser"}
        return replace(state, tensors={"parameter": state.of("parameter")}, about=said)
    return state


def _write(
    request: Request, place: Path, state: State, names: WeightNames | None, write_pytorch: Write | None
) -> list[str]:
    if request.target_kind == "pytorch":
        assert write_pytorch is not None
        return write_pytorch(place, state)
    if request.target_layout == "mindspore":
        tensors, texts, remarks = to_mindspore(state, names.moments if names else None)
        if request.target_kind == "ckpt":
            write_ckpt(place, tensors, texts)
        else:
            write_safetensors(place, tensors, {"format": "ms", **texts})
        return remarks
    if request.target_layout == "pytorch":
        write_safetensors(place, in_module_order(state.of("parameter")), {"format": "pt"})
        return ["the optimiser's state is not written: torch reads it from .pt"] if state.has_moments else []
    write_safetensors(place, *to_neutral(state))
    return []


def _names(name: str, model: str | None) -> WeightNames:
    names = catalogue.weights(name)
    if model is not None and names.model is not None:
        wanted = catalogue.model(model).architecture
        if names.model != wanted:
            raise UserError(f"the names {name!r} are those of {names.model}, not of {wanted}")
    return names


def _source_names(request: Request, state: State) -> WeightNames | None:
    if request.source_names is not None:
        return _names(request.source_names, request.model)
    if state.published is not None:
        return catalogue.weights(OF_DEEPMIND)
    of_mindspore = request.source_kind == "ckpt" or "names" in (state.about.get("optimiser") or {})
    return catalogue.weights(OF_MINDSPORE) if of_mindspore else None


def _to_ours(
    state: State, names: WeightNames | None, shapes: Mapping[str, Shape] | None, *, checked: bool
) -> tuple[dict[str, Sequence[Tensor]], list[TensorRow]]:
    """Our tensors by role and those not used, under `unused`; rows for what does not fit the network.

    `checked` names must lead back to those of the file.
    """
    mapped: dict[str, Sequence[Tensor]] = {"unused": ()}
    rows: list[TensorRow] = []
    for role in ("parameter", *MOMENTS):
        group, fits = state.of(role), list(state.of(role))
        if names is not None:
            renamed = rename(group, names, "to_ours", shapes)
            fits = list(renamed.tensors)
            if role == "parameter":
                mapped["unused"] = renamed.unused
                rows += [TensorRow(status="unexpected", sources=tensor.sources) for tensor in renamed.incomplete]
                if checked:
                    refuse_one_way(group, renamed, names)
        if shapes is not None:
            fits, unfit = _checked(fits, shapes)
            rows += unfit if role == "parameter" else []
        kept = {tensor.name for tensor in mapped.get("parameter", fits)}
        mapped[role] = [tensor for tensor in fits if tensor.name in kept]
    return {**mapped, "step": state.of("step"), "optimiser": state.of("optimiser")}, rows


def _checked(tensors: Sequence[Tensor], shapes: Mapping[str, Shape]) -> tuple[list[Tensor], list[TensorRow]]:
    """The tensors that the network has, in its order, and rows for the others and for those that are missing."""
    rows = []
    for tensor in tensors:
        if tensor.name not in shapes:
            rows.append(TensorRow(status="unexpected", sources=tensor.sources))
        elif tensor.shape != shapes[tensor.name]:
            target = (tensor.name, shapes[tensor.name])
            rows.append(TensorRow(status="other shape", sources=tensor.sources, target=target))
    found = {tensor.name for tensor in tensors}
    rows += [TensorRow(status="missing", target=each) for each in shapes.items() if each[0] not in found]
    fitting = {tensor.name: tensor for tensor in tensors if shapes.get(tensor.name) == tensor.shape}
    return [fitting[name] for name in shapes if name in fitting], rows


def _to_file(ours: State, names: WeightNames) -> State:
    """Our state under the target's names, with what only the target has."""
    found: dict[Role, tuple[Tensor, ...]] = {"step": ours.of("step"), "optimiser": ours.of("optimiser")}
    for role in ("parameter", *MOMENTS):
        group: Sequence[Tensor] = in_module_order(ours.of(role))
        group = with_fills(group, names) if role == "parameter" else group
        found[role] = rename(group, names, "to_file").tensors
    return State(found, ours.about)


def _refuse_unnumbered(names: WeightNames | None, *, ordered: bool) -> None:
    """PyTorch numbers moments by the place of their parameters, also of those that are not written."""
    if not ordered:
        raise UserError(
            "PyTorch gives moments to parameters by their order in its network, which MindSpore's is not; give --model "
            "and --preset, or --weights-only"
        )
    if names is not None and (unwritten := [unused.name for unused in names.unused if unused.fill is None]):
        raise UserError(
            f"{names.title} has {', '.join(unwritten)} too, which are not written, so that PyTorch would give the "
            "moments to wrong parameters; give --weights-only"
        )


def _advice(state: State, shapes: Mapping[str, Shape] | None) -> str:
    """The names of scenarios/weights that make everything fit, where there are any."""
    fitting = None if shapes is None else _fitting(state, shapes, None)
    if fitting is not None:
        return f"it fits with --names {fitting}"
    return "give the --names that it has, or --partial to go on with what fits"


def _other_network(
    state: State, names: WeightNames | None, shapes: Mapping[str, Shape], expected: Expected
) -> str | None:
    """How the network of the file differs in its sizes, by the first names with which the file tells them."""
    published = (catalogue.weights(name) for name in catalogue.names("weights"))
    for each in (names, *(each for each in published if each.model == expected.architecture)):
        try:
            tensors = state.of("parameter") if each is None else rename(state.of("parameter"), each, "to_ours").tensors
        except UserError:
            continue
        found = other_sizes({tensor.name: tensor.shape for tensor in tensors}, shapes, expected)
        if found is not None:
            return found
    return None


def _fitting(state: State, shapes: Mapping[str, Shape], architecture: str | None) -> str | None:
    """The first names of scenarios/weights, for this architecture where one is given, with which everything fits."""
    for name in catalogue.names("weights"):
        names = catalogue.weights(name)
        if architecture in (None, names.model or architecture) and _fits(state, names, shapes):
            return name
    return None


def _fits(state: State, names: WeightNames | None, shapes: Mapping[str, Shape]) -> bool:
    try:
        return not _refusal(_to_ours(state, names, shapes, checked=False)[1])
    except UserError:
        return False


def _about(state: State, request: Request) -> dict[str, Any]:
    said = dict(state.about)
    if request.model is not None:
        said |= {"model": Path(request.model).stem, "preset": str(request.preset)}
    return said


def _other_formats(parameters: Sequence[Tensor]) -> list[str]:
    """A remark where weights are not in float32, as those of a checkpoint that was halved to be shared are not."""
    found = Counter(tensor.dtype for tensor in parameters if tensor.dtype != "F32")
    named = ", ".join(f"{dtype} ({count} of {len(parameters)})" for dtype, count in sorted(found.items()))
    return [f"parameters in other formats than float32: {named}"] if found else []


def _row(tensor: Tensor) -> TensorRow:
    status: Status = "matched"
    if not tensor.sources:
        status = "filled"
    elif tensor.moved:
        status = "rearranged"
    elif tensor.sources[0][0] != tensor.name:
        status = "renamed"
    return TensorRow(status=status, sources=tensor.sources, target=(tensor.name, tensor.shape))


def _refusal(rows: Sequence[TensorRow]) -> str | None:
    """What does not fit, in a line; None where everything does."""
    unfit = {status: [row for row in rows if row.status == status] for status in UNFIT}
    parts = []
    for status, found in unfit.items():
        if found:
            first = found[0].target or found[0].sources[0]
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            parts.append(f"{status}: {first[0]} {first[1]}{more}")
    return "; ".join(parts) or None
