"""A state as a flat list of tensors, as MindSpore and the framework-free form have it, and back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.porting.convert.about import checked_about, parsed, parsed_roles
from harness.porting.convert.tensors import MOMENTS, Role, State, Tensor, from_array, module_order, number
from harness.scenario.weights import MomentNames

if TYPE_CHECKING:
    import numpy as np

FORMAT, FORMAT_VERSION = "crosscast-weights", 1
LONGEST_VERSION = 9
MOST_STEPS, STEPS_AT_A_TIME = 2**31, 2**16
TEXT = "crosscast"
"""Name of the text in a file of MindSpore that holds what a state says of itself."""

PREFIXES: dict[str, Role] = {
    "first_moment": "first_moment",
    "second_moment": "second_moment",
    "max_second_moment": "max_second_moment",
    "moment1": "first_moment",
    "moment2": "second_moment",
    "vhat": "max_second_moment",
    "adam_m": "first_moment",
    "adam_v": "second_moment",
    "lamb_m": "first_moment",
    "lamb_v": "second_moment",
    "exp_avg": "first_moment",
    "exp_avg_sq": "second_moment",
    "max_exp_avg_sq": "max_second_moment",
}
"""What optimisers put before a parameter's name: ours, nn.Adam, nn.AdamWeightDecay, nn.Lamb, experimental, mint."""

STEPS = ("global_step", "state_step")
STEP_FORMATS = ("I32", "I64")
"""Counts of whole steps; the float state_step of mint.optim counts from 0 or from -1, so that it is only kept."""

OTHER_STATE = ("learning_rate", "beta1_power", "beta2_power", "state_step", "step_t", "epoch_num", "step_num")
BETA_POWERS = ("beta1_power", "beta2_power")


def from_flat(
    tensors: Sequence[Tensor], about: Mapping[str, Any] | None, roles: Mapping[str, Role] | None = None
) -> State:
    """Tensors by role: as `roles` says, else by the names of MindSpore's optimisers.

    A name is a moment's only where the parameter that it would belong to is there too. Where `about` is not known, it
    becomes what the optimiser's names were.
    """
    names = {tensor.name for tensor in tensors}
    found: dict[Role, list[Tensor]] = {}
    style: dict[str, str] = {}
    for tensor in tensors:
        prefix, _, rest = tensor.name.partition(".")
        role = roles[tensor.name] if roles is not None else _role(tensor, names)
        if role in MOMENTS or role == "optimiser":
            style |= {} if role == "optimiser" else {role: prefix}
            tensor = replace(tensor, name=rest if role in MOMENTS or roles is not None else tensor.name)
        elif role == "step":
            style["step"] = tensor.name
            tensor = _count(tensor)
        found.setdefault(role, []).append(tensor)
    if about is None:
        about = {"optimiser": {"names": style}} if style else {}
    kept = [tensor for tensor in found.pop("optimiser", []) if not _computed(tensor, found, about)]
    return State({**{role: tuple(group) for role, group in found.items()}, "optimiser": tuple(kept)}, about)


def to_mindspore(state: State, moments: MomentNames | None) -> tuple[list[Tensor], dict[str, str], list[str]]:
    """Tensors by MindSpore's names, texts, and remarks.

    Moments are named as `moments` says, else as they were in the MindSpore file that the state comes from, else as
    nn.Adam does, for which the powers of the betas are computed where PyTorch's settings give the betas.
    """
    carried = _optimiser(state.about).get("names") or {}
    names = moments or MomentNames(**carried)
    tensors = in_module_order(state.of("parameter"))
    for role in MOMENTS:
        prefix = getattr(names, role)
        tensors += [_renamed(tensor, f"{prefix}.{tensor.name}") for tensor in in_module_order(state.of(role))]
    remarks = []
    if state.of("step"):
        (step,) = state.of("step")
        tensors.append(_step(step, names))
    elif state.has_moments:
        remarks.append("the number of steps is not in the source, so that the file has none")
    tensors += state.of("optimiser")
    if names.first_moment == MomentNames().first_moment and state.has_moments:
        tensors += _beta_powers(state)
        if not {tensor.name for tensor in tensors} & set(BETA_POWERS):
            remarks.append(
                f"the betas are not in the source, so that nn.Adam's {' and '.join(BETA_POWERS)} are not written"
            )
    _refuse_repeated(tensors)
    return tensors, {TEXT: json.dumps(state.about, sort_keys=True)}, remarks


def to_neutral(state: State) -> tuple[list[Tensor], dict[str, str]]:
    """Tensors of the framework-free form and the metadata of its file.

    A moment has its role before the parameter's name, other state of the optimiser `optimiser`; `roles` says what
    every tensor is, in the order of the network.
    """
    tensors, roles = [], {}
    for role in ("parameter", *MOMENTS, "step", "optimiser"):
        group = state.of(role)
        for tensor in in_module_order(group) if role in ("parameter", *MOMENTS) else group:
            name = tensor.name if role in ("parameter", "step") else f"{role}.{tensor.name}"
            tensors.append(_renamed(tensor, name))
            roles[name] = role
    _refuse_repeated(tensors)
    metadata = {"format": FORMAT, "format_version": str(FORMAT_VERSION), "roles": json.dumps(roles)}
    for key, value in sorted(state.about.items()):
        metadata[key] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return tensors, metadata


def from_texts(tensors: Sequence[Tensor], texts: Mapping[str, str], path: object) -> State:
    """The state of a file with MindSpore's names or with no form of ours, which may hold a text of ours.

    Raises UserError where the text is damaged.
    """
    about = checked_about(parsed(texts[TEXT], f"text {TEXT!r}", path), path) if TEXT in texts else None
    return from_flat(tensors, about)


def from_safetensors(tensors: Sequence[Tensor], metadata: Mapping[str, str], path: object) -> State:
    """The state of a safetensors file: of the framework-free form, or with the names of a framework.

    Raises UserError where its metadata are damaged or it was written by a newer version.
    """
    if metadata.get("format") != FORMAT:
        return from_texts(tensors, metadata, path)
    version = metadata.get("format_version", "")
    if not version.isascii() or not version.isdigit() or len(version) > LONGEST_VERSION or "roles" not in metadata:
        raise UserError(f"{path}: its metadata are damaged: no format version or no roles; write it again")
    if int(version) > FORMAT_VERSION:
        raise UserError(f"{path}: format version {version}, but {FORMAT_VERSION} is the newest read; upgrade crosscast")
    about: dict[str, Any] = {key: metadata[key] for key in ("model", "preset") if key in metadata}
    if "optimiser" in metadata:
        about["optimiser"] = parsed(metadata["optimiser"], "description of the optimiser", path)
    roles = parsed_roles(metadata["roles"], path)
    by_name = {tensor.name: tensor for tensor in tensors}
    if by_name.keys() != roles.keys():
        raise UserError(f"{path}: its metadata names other tensors than it holds; write it again")
    return from_flat([by_name[name] for name in roles], checked_about(about, path), roles)


def in_module_order(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors as frameworks walk the network."""
    by_name = {tensor.name: tensor for tensor in tensors}
    return [by_name[name] for name in module_order(by_name)]


def _role(tensor: Tensor, names: set[str]) -> Role:
    prefix, _, rest = tensor.name.partition(".")
    if prefix in PREFIXES and rest in names:
        return PREFIXES[prefix]
    if tensor.name in STEPS and tensor.dtype in STEP_FORMATS:
        return "step"
    if tensor.name in OTHER_STATE or (tensor.name.startswith(OTHER_STATE[0]) and not rest):
        return "optimiser"
    return "parameter"


def _count(tensor: Tensor) -> Tensor:
    import numpy as np

    steps = number(tensor)
    if steps is None or not 0 <= steps < MOST_STEPS:
        raise UserError(f"{tensor.name}: the number of steps is no whole number from 0 to {MOST_STEPS - 1:,}")
    return replace(from_array("step", "I64", np.array(steps, "<i8")), sources=tensor.sources)


def _step(step: Tensor, names: MomentNames) -> Tensor:
    import numpy as np

    shape = (1,) if names.step == STEPS[0] else ()
    return from_array(names.step, "I32", np.full(shape, number(step), "<i4"))


def _betas(about: Mapping[str, Any]) -> Sequence[float] | None:
    betas: Sequence[float] | None = (_optimiser(about).get("hyperparameters") or {}).get("betas")
    return betas


def _optimiser(about: Mapping[str, Any]) -> Mapping[str, Any]:
    optimiser: Mapping[str, Any] | None = about.get("optimiser")
    return optimiser or {}


def _computed(tensor: Tensor, found: Mapping[Role, object], about: Mapping[str, Any]) -> bool:
    """Whether a tensor is what `_beta_powers` adds, so that it is added again where it is needed."""
    return tensor.name in BETA_POWERS and "step" in found and _betas(about) is not None


def _beta_powers(state: State) -> list[Tensor]:
    """The powers that nn.Adam corrects its moments with, multiplied up step by step in float32 as it does."""
    import numpy as np

    betas, steps = _betas(state.about), state.of("step")
    if betas is None or not steps:
        return []
    count = number(steps[0]) or 0
    powers = [_power(np.float32(beta), count) for beta in betas]
    return [from_array(name, "F32", np.array(power)) for name, power in zip(BETA_POWERS, powers, strict=True)]


def _power(beta: "np.float32", count: int) -> "np.float32":
    """A power multiplied up in float32, a block of steps at a time, until it changes no more."""
    import numpy as np

    power = np.float32(1)
    while count > 0 and power * beta != power:
        block = np.full(min(count, STEPS_AT_A_TIME) + 1, beta, np.float32)
        block[0] = power
        power = np.multiply.accumulate(block)[-1]
        count -= STEPS_AT_A_TIME
    return power


def _renamed(tensor: Tensor, name: str) -> Tensor:
    return tensor if tensor.name == name else replace(tensor, name=name)


def _refuse_repeated(tensors: Sequence[Tensor]) -> None:
    seen: set[str] = set()
    for tensor in tensors:
        if tensor.name in seen:
            raise UserError(f"{tensor.name} would be written twice, as a parameter and as state of the optimiser")
        seen.add(tensor.name)
