"""PyTorch's checkpoints, and conversions from and to them, in a process of their own:

python -m harness.migration.convert.pytorch REQUEST
"""

import json
import pickle
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.errors import UserError
from harness.migration.convert.dialects import in_module_order
from harness.migration.convert.tensors import MOMENTS, Role, State, Tensor, from_array, number

PARAMETERS = ("model_state", "state_dict", "model_state_dict", "model", "net", "network")
OPTIMISERS = ("optimizer_state_dict", "optimizer", "optimizer_state", "optimizer_states")
WRAPPERS = ("module.", "_orig_mod.")
"""What DistributedDataParallel and torch.compile put before every name."""

OF_STATE: dict[Role, str] = {
    "first_moment": "exp_avg",
    "second_moment": "exp_avg_sq",
    "max_second_moment": "max_exp_avg_sq",
}
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
ABOUT = "crosscast"

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    **{getattr(torch, f"uint{bits}"): f"U{bits}" for bits in (16, 32, 64) if hasattr(torch, f"uint{bits}")},
}
TORCH_DTYPES = {name: dtype for dtype, name in DTYPES.items()}


def read(path: Path) -> State:
    """The state of a checkpoint: a state dict, or one in a dict with an optimiser's beside it.

    Nothing in the file is executed. Its tensors stay in the file until they are asked for, unless it was written in
    the format before PyTorch 1.6. Raises UserError where it is damaged or holds more than tensors and plain values.
    """
    loaded = _load(path)
    if not isinstance(loaded, Mapping):
        raise UserError(f"{path}: holds {type(loaded).__name__}, not a dict of tensors; save net.state_dict()")
    key = next((key for key in PARAMETERS if isinstance(loaded.get(key), Mapping)), None)
    found = loaded if key is None else loaded[key]
    named = {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not named:
        raise UserError(f"{path}: no tensors under {', '.join(PARAMETERS)}; its keys: {', '.join(map(str, loaded))}")
    about = loaded.get(ABOUT, {}) if key is not None else {}
    optimiser_key = None if key is None else next((key for key in OPTIMISERS if key in loaded), None)
    others = [] if key is None else [str(other) for other in loaded if other not in (key, optimiser_key, ABOUT)]
    left_out = [*others, *(str(name) for name, value in found.items() if not isinstance(value, torch.Tensor))]
    parameters = _unwrapped({name: _tensor(path, name, value) for name, value in named.items()})
    tensors: dict[Role, tuple[Tensor, ...]] = {"parameter": tuple(parameters)}
    hyperparameters: dict[str, Any] = {}
    if optimiser_key is not None:
        state, hyperparameters = _read_optimiser(path, loaded[optimiser_key], parameters)
        tensors |= state
    for name, value in about.get("tensors", {}).items():
        role: Role = "step" if name == "step" else "optimiser"
        tensors[role] = (*tensors.get(role, ()), _tensor(path, name, value))
    said = about.get("about")
    if said is None:
        said = {"optimiser": {"hyperparameters": hyperparameters}} if hyperparameters else {}
    return State(tensors, said, tuple(left_out))


def write(path: Path, state: State) -> list[str]:
    """Write {model_state, optimizer_state_dict, crosscast}, as FourCastNet's training does; remarks.

    Raises OSError where the file cannot be written, UserError where moments have no count of steps.
    """
    parameters = in_module_order(state.of("parameter"))
    extras = {tensor.name: _torch(tensor) for tensor in state.of("optimiser")}
    content: dict[str, Any] = {"model_state": OrderedDict((each.name, _torch(each)) for each in parameters)}
    remarks = []
    if state.has_moments:
        content["optimizer_state_dict"], remark = _optimiser(state, parameters)
        remarks += [remark] if remark else []
    else:
        extras |= {tensor.name: _torch(tensor) for tensor in state.of("step")}
    content[ABOUT] = {"about": dict(state.about), "tensors": extras}
    try:
        torch.save(content, path)
    except RuntimeError as error:
        raise OSError(0, str(error).splitlines()[0]) from None
    return remarks


def _load(path: Path) -> Any:
    try:
        try:
            return torch.load(path, weights_only=True, mmap=True, map_location="cpu")
        except RuntimeError as error:
            if "mmap can only be used" not in str(error):
                raise
            return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        wanted = str(error).partition("Unsupported global: GLOBAL ")[2].split(" ", 1)[0]
        what = f"it wants to run {wanted}" if wanted else "it holds more than tensors and plain values"
        raise UserError(
            f"{path}: {what}, so it is not loaded; where it was made, save net.state_dict() alone"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = str(error).split(". ")[0].splitlines()
        raise UserError(f"{path}: not a whole PyTorch checkpoint: {reason[0] if reason else 'it ends early'}") from None


def _tensor(path: Path, name: object, value: torch.Tensor) -> Tensor:
    if value.dtype not in DTYPES or value.layout is not torch.strided or value.is_quantized:
        kind = value.dtype if value.dtype not in DTYPES else value.layout
        raise UserError(f"{path}: {name} is {str(kind).removeprefix('torch.')}, which safetensors cannot hold")
    dtype, shape = DTYPES[value.dtype], tuple(value.shape)

    def bits() -> Any:
        plain = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
        return plain.view(f"<u{value.element_size()}").reshape(shape)

    return Tensor(str(name), dtype, shape, bits, ((str(name), shape),))


def _torch(tensor: Tensor) -> torch.Tensor:
    plain = np.ascontiguousarray(tensor.bits()).reshape(-1).view(np.uint8)
    return torch.from_numpy(plain).view(TORCH_DTYPES[tensor.dtype]).reshape(tensor.shape)


def _unwrapped(tensors: Mapping[str, Tensor]) -> list[Tensor]:
    """Tensors without what wraps every name; their sources keep it."""
    names = list(tensors)
    while wrapper := next((each for each in WRAPPERS if all(name.startswith(each) for name in names)), None):
        names = [name.removeprefix(wrapper) for name in names]
    return [
        Tensor(name, tensor.dtype, tensor.shape, tensor.bits, tensor.sources)
        for name, tensor in zip(names, tensors.values(), strict=True)
    ]


def _read_optimiser(
    path: Path, saved: Any, parameters: Sequence[Tensor]
) -> tuple[dict[Role, tuple[Tensor, ...]], dict[str, Any]]:
    """Moments by the names of their parameters, the count of steps, and the settings of the first group."""
    saved = saved[0] if isinstance(saved, Sequence) and len(saved) == 1 else saved
    if not isinstance(saved, Mapping) or not saved.get("param_groups"):
        raise UserError(f"{path}: its optimiser's state is not that of torch.optim; give --weights-only")
    groups, state = saved["param_groups"], saved.get("state", {})
    by_number = _numbered(path, groups, parameters)
    found: dict[Role, list[Tensor]] = {}
    steps = set()
    for place, values in state.items():
        owner = by_number.get(place)
        for role, key in OF_STATE.items():
            if owner is None or key not in values:
                continue
            moment = _tensor(path, owner.name, values[key])
            if moment.shape != owner.shape:
                raise UserError(
                    f"{path}: number {place} of the optimiser has shape {moment.shape}, but {owner.name} has "
                    f"{owner.shape}: the order of its parameters is not that of the network; give --weights-only"
                )
            found.setdefault(role, []).append(moment)
        steps.add(_steps(path, values.get("step", groups[0].get("step"))))
    if len(steps) > 1:
        raise UserError(
            f"{path}: its parameters have made {min(map(int, steps))} to {max(map(int, steps))} steps, "
            "of which one number only can be carried; give --weights-only"
        )
    tensors: dict[Role, tuple[Tensor, ...]] = {role: tuple(group) for role, group in found.items()}
    if steps:
        tensors["step"] = (from_array("step", "I64", np.array(steps.pop(), "<i8")),)
    skipped = ("params", "param_names", "step")
    return tensors, {key: _plain(value) for key, value in groups[0].items() if key not in skipped}


def _numbered(path: Path, groups: Sequence[Any], parameters: Sequence[Tensor]) -> dict[int, Tensor]:
    """The parameters by the numbers that the optimiser gives them."""
    numbers = [number for group in groups for number in group["params"]]
    if all("param_names" in group for group in groups):
        by_name = {name: each for each in parameters for name in (each.name, each.sources[0][0])}
        names = [name for group in groups for name in group["param_names"]]
        return {place: by_name[name] for place, name in zip(numbers, names, strict=True) if name in by_name}
    owners = [each for each in parameters if each.name.rpartition(".")[2] not in BUFFERS]
    if len(groups) > 1 or len(owners) != len(numbers):
        why = f"{len(groups)} groups" if len(groups) > 1 else f"{len(numbers)} parameters for {len(owners)}"
        raise UserError(
            f"{path}: its optimiser has {why} and names none, so that nothing tells which is whose; give --weights-only"
        )
    return dict(zip(numbers, owners, strict=True))


def _steps(path: Path, step: Any) -> int:
    if step is None:
        raise UserError(f"{path}: its optimiser has no count of steps; give --weights-only")
    return int(step)


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.item()
    return list(value) if isinstance(value, tuple) else value


def _optimiser(state: State, parameters: Sequence[Tensor]) -> tuple[dict[str, Any], str | None]:
    """The state dict of a torch.optim.Adam over all parameters, and a remark where its settings are not known."""
    if not state.of("step"):
        raise UserError("the source has moments but no count of steps, without which Adam cannot go on; --weights-only")
    steps = float(number(state.of("step")[0]) or 0)
    settings = state.about.get("optimiser", {}).get("hyperparameters")
    owners = [each.name for each in parameters if each.name.rpartition(".")[2] not in BUFFERS]
    moments = {role: {each.name: each for each in state.of(role)} for role in MOMENTS}
    found = {}
    for place, name in enumerate(owners):
        own = {OF_STATE[role]: _torch(named[name]) for role, named in moments.items() if name in named}
        if own:
            found[place] = {"step": torch.tensor(steps), **own}
    group = settings or torch.optim.Adam([torch.zeros(1)]).state_dict()["param_groups"][0]
    group = {key: tuple(value) if isinstance(value, list) else value for key, value in group.items()}
    remark = (
        None if settings else "the optimiser's settings are not in the source: those written are PyTorch's defaults"
    )
    return {"state": found, "param_groups": [{**group, "params": list(range(len(owners)))}]}, remark


def main(request: str) -> dict[str, Any]:
    """Convert; what was done, or {"reason": ...} where it cannot be."""
    from harness.migration.convert.convert import Request, convert_here

    try:
        return convert_here(Request.model_validate_json(request), read, write).model_dump(mode="json")
    except UserError as error:
        return {"reason": str(error)}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
