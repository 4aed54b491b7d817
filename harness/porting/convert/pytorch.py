"""PyTorch's checkpoints, and conversions from and to them, in a process of their own:

python -m harness.porting.convert.pytorch REQUEST
"""

import json
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.errors import UserError
from harness.porting.convert.about import WIDEST, checked_about, shown
from harness.porting.convert.dialects import MOST_STEPS, in_module_order
from harness.porting.convert.restricted_pickle import StandIn
from harness.porting.convert.tensors import MOMENTS, Role, State, Tensor, from_array, number
from harness.porting.convert.torch_file import load

PARAMETERS = ("model_state", "state_dict", "model_state_dict", "model", "net", "network")
AVERAGES = ("ema", "model_ema", "ema_state_dict", "state_dict_ema", "ema_model", "averaged_model", "swa_model")
"""Averaged weights, which are taken where there are no others."""
AVERAGED_COUNT = "n_averaged"
"""What torch.optim.swa_utils.AveragedModel counts beside its weights, which it names as DataParallel does."""
OPTIMISERS = ("optimizer_state_dict", "optimizer", "optimizer_state", "optimizer_states")
WRAPPERS = ("module.", "_orig_mod.")
"""What DistributedDataParallel and torch.compile put before every name."""

OF_STATE: dict[Role, str] = {
    "first_moment": "exp_avg",
    "second_moment": "exp_avg_sq",
    "max_second_moment": "max_exp_avg_sq",
}
_NOT_PLAIN = object()
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
ABOUT = "crosscast"
NO_OPTIMISER = "its optimiser's state is not that of torch.optim; give --weights-only"

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


def read(path: Path, weights_only: bool = False) -> State:
    """The state of a checkpoint: a state dict, or one in a dict with an optimiser's beside it.

    Nothing in the file is executed. Its tensors stay in the file until they are asked for, unless it was written in
    the format before PyTorch 1.6. The optimiser's state is passed over with `weights_only`. Raises UserError where the
    file is damaged or holds no tensors.
    """
    loaded = load(path)
    if not isinstance(loaded, Mapping) or (isinstance(loaded, StandIn) and not loaded):
        raise UserError(f"{path}: holds {shown(type(loaded).__name__)}, not a dict of tensors; save net.state_dict()")
    key = next((key for key in (*PARAMETERS, *AVERAGES) if isinstance(loaded.get(key), Mapping)), None)
    found = loaded if key is None else loaded[key]
    named = {str(name): _as_tensor(value) for name, value in found.items()}
    parameters = {name: value for name, value in named.items() if value is not None}
    if not parameters:
        raise UserError(
            f"{path}: no tensors under {', '.join(PARAMETERS)}; its keys: {shown(', '.join(map(str, loaded)))}"
        )
    about = {} if key is None else loaded.get(ABOUT, {})
    optimiser_key = None if key is None else next((key for key in OPTIMISERS if key in loaded), None)
    others = [] if key is None else [str(other) for other in loaded if other not in (key, optimiser_key, ABOUT)]
    left_out = [*others, *(name for name in named if name not in parameters)]
    averages = key in AVERAGES
    if AVERAGED_COUNT in parameters and len(parameters) > 1:
        del parameters[AVERAGED_COUNT]
        left_out.append(AVERAGED_COUNT)
        averages = True
    unwrapped = _unwrapped({name: _tensor(path, name, value) for name, value in parameters.items()})
    tensors: dict[Role, tuple[Tensor, ...]] = {"parameter": tuple(unwrapped)}
    hyperparameters: dict[str, Any] = {}
    if optimiser_key is not None and not weights_only:
        try:
            state, hyperparameters = _read_optimiser(path, loaded[optimiser_key], unwrapped)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError):
            raise UserError(f"{path}: {NO_OPTIMISER}") from None
        tensors |= state
    said, extras = _about(path, about)
    for name, value in extras.items():
        role: Role = "step" if name == "step" else "optimiser"
        tensors[role] = (*tensors.get(role, ()), _tensor(path, name, value))
    if said is None:
        said = {"optimiser": {"hyperparameters": hyperparameters}} if hyperparameters else {}
    remarks = tuple(_of_averages(averages, key, [each for each in AVERAGES if each != key and each in loaded]))
    return State(tensors, checked_about(said, path), tuple(left_out), remarks=remarks)


def _of_averages(averages: bool, key: str | None, others: Sequence[str]) -> Iterator[str]:
    """Which weights were taken where a file has averages of them over the training, whose forecasts differ."""
    if averages:
        yield f"the weights are averages over the training{f' (under {key!r})' if key else ''}"
    elif others:
        yield f"the weights under {key!r} were taken, not their averages over the training (under {others[0]!r})"


def _about(path: Path, about: Any) -> tuple[dict[str, Any] | None, dict[str, torch.Tensor]]:
    """What `write` said of a state, None where it said nothing, and the tensors that it put beside it."""
    if not isinstance(about, Mapping):
        raise UserError(f"{path}: its {ABOUT!r} is damaged: {type(about).__name__} where a dict was written")
    said, extras = about.get("about"), about.get("tensors", {})
    if not isinstance(extras, Mapping) or not all(isinstance(value, torch.Tensor) for value in extras.values()):
        raise UserError(f"{path}: its {ABOUT!r} is damaged: its tensors are none")
    return said, {str(name): value for name, value in extras.items()}


def _as_tensor(value: Any) -> torch.Tensor | None:
    """A tensor, also of a NumPy array; None of anything else."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return torch.from_numpy(np.ascontiguousarray(value.astype(value.dtype.newbyteorder("="))).reshape(value.shape))
    return None


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


def _tensor(path: Path, name: object, value: torch.Tensor) -> Tensor:
    if value.is_meta:
        raise UserError(f"{path}: {name} has a shape but no values (it was saved from the meta device)")
    if value.dtype not in DTYPES or value.layout is not torch.strided or value.is_quantized:
        kind = value.dtype if value.dtype not in DTYPES else value.layout
        raise UserError(f"{path}: {name} is {str(kind).removeprefix('torch.')}, which safetensors cannot hold")
    dtype, shape = DTYPES[value.dtype], tuple(value.shape)
    claimed, held = value.numel() * value.element_size(), value.untyped_storage().nbytes()
    if claimed > max(held, path.stat().st_size):
        raise UserError(f"{path}: {name} claims {value.numel():,} values, but has {held:,} bytes in the file")

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
        raise UserError(f"{path}: {NO_OPTIMISER}")
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
    settings = {str(key): _plain(value) for key, value in groups[0].items() if key not in skipped}
    return tensors, {key: value for key, value in settings.items() if value is not _NOT_PLAIN}


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
    steps = int(step)
    if not 0 <= steps < MOST_STEPS:
        raise UserError(f"{path}: its optimiser's count of steps is {steps}; give --weights-only")
    return steps


def _plain(value: Any) -> Any:
    """A setting as JSON has it: a number, a text, a list of them, without the classes that libraries give to them.

    _NOT_PLAIN where it is something else.
    """
    if isinstance(value, torch.Tensor | np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, tuple | list):
        values = [_single(each) for each in value]
        return _NOT_PLAIN if any(each is _NOT_PLAIN for each in values) else values
    return _single(value)


def _single(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and not -WIDEST <= value < WIDEST:
        return _NOT_PLAIN
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return _NOT_PLAIN


def _optimiser(state: State, parameters: Sequence[Tensor]) -> tuple[dict[str, Any], str | None]:
    """The state dict of a torch.optim.Adam over all parameters, and a remark where its settings are not known."""
    if not state.of("step"):
        raise UserError("the source has moments but no count of steps, without which Adam cannot go on; --weights-only")
    steps = float(number(state.of("step")[0]) or 0)
    settings = (state.about.get("optimiser") or {}).get("hyperparameters")
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
    from harness.porting.convert.convert import Request, convert_here

    try:
        return convert_here(Request.model_validate_json(request), read, write).model_dump(mode="json")
    except UserError as error:
        return {"reason": str(error)}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
