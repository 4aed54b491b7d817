"""DeepMind's GraphCast files: an .npz of parameters, of the network's settings and of the variables it works on.

checkpoint.py there flattens a tree into names joined by colons: params:MODULE:w, model_config:mesh_size,
task_config:target_variables:0. The channels of the network are ordered by variable (graphcast.py,
_inputs_to_grid_node_features, with model_utils.dataset_to_stacked): the inputs sorted by name, each with its times and
within a time its levels, then the forcings at the time of the output, sorted by name; the outputs likewise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.config import Channel
from harness.errors import UserError
from harness.models.graphcast.config import NODE_FEATURES
from harness.porting.convert.expected import Expected
from harness.porting.convert.npz_file import read_npz
from harness.porting.convert.sizes import differing
from harness.porting.convert.tensors import State, Tensor, number

PARAMETERS, MODEL, TASK = "params:", "model_config:", "task_config:"
FORMULAS = {"toa_radiation": "toa_incident_solar_radiation"}
"""DeepMind's names of forcings by ours, where they differ."""
STATES = {"12h": 2}
"""States that go in, by the task's duration: a step is 6 h."""
HYPERPARAMETERS = {
    "mesh_size": ("refinements of the mesh", "mesh_refinement"),
    "latent_size": ("latent size", "latent_size"),
    "gnn_msg_steps": ("message steps", "message_steps"),
    "hidden_layers": ("hidden layers", "hidden_layers"),
    "radius_query_fraction_edge_length": ("radius fraction", "radius_fraction"),
    "mesh2grid_edge_normalization_factor": ("unit of length of edges from mesh to grid", "mesh_to_grid_length"),
}
"""What our network calls the settings of theirs, in words and by name; the last may be missing on either side."""
LENGTH = "mesh_to_grid_length"
ADJUSTED = ("radius_fraction", LENGTH)
"""Those that a user may have to take from the file: presets have what the publication says."""
FROM_CHANNELS = ("grid_embedding.layers.0.weight", "mesh_embedding.layers.0.weight")


class Field(NamedTuple):
    """A channel of the network: a variable at a level and a time in steps after the newest state, None without one."""

    variable: str
    level: float | None
    step: int | None


def read(path: Path) -> State:
    """The parameters, and what the file says of its network; any other .npz is taken as parameters by name.

    Raises UserError where the file is damaged.
    """
    arrays, texts = read_npz(path)
    if not any(array.name.startswith(PARAMETERS) for array in arrays):
        return State({"parameter": tuple(arrays)}, left_out=tuple(texts))
    parameters = [
        replace(array, name=array.name.removeprefix(PARAMETERS))
        for array in arrays
        if array.name.startswith(PARAMETERS)
    ]
    settings = [array for array in arrays if not array.name.startswith(PARAMETERS)]
    published: dict[str, str | float] = dict(texts)
    published |= {array.name: _value(path, array) for array in settings}
    return State({"parameter": tuple(parameters)}, published=published)


def in_our_order(
    parameters: Sequence[Tensor], published: Mapping[str, str | float], expected: Expected | None, path: Path
) -> list[Tensor]:
    """The parameters, by our names, with the channels in the order of our data.

    Raises UserError where no data are named, or the network or its variables are not the published ones.
    """
    if expected is None:
        raise UserError(
            f"{path}: DeepMind's files order channels by variable; give --model, --preset and --data (such as "
            "era5_graphcast13), so that they are put in the order of the data"
        )
    _refuse_another(published, expected, path)
    variables = _variables(published, path)
    ours, outputs = _our_inputs(expected, variables), _our_outputs(expected, variables)
    theirs, their_outputs = _their_inputs(variables, outputs), _their_outputs(variables, outputs)
    columns, rows = _places(theirs, ours, path), _places(their_outputs, outputs, path)
    columns = [*columns, *range(len(theirs), len(theirs) + NODE_FEATURES)]
    last = f"head.layers.{expected.network['hidden_layers']}."
    moved = []
    for tensor in parameters:
        if tensor.name in FROM_CHANNELS and tensor.shape[1] == len(columns):
            tensor = _taken(tensor, columns, 1)
        elif tensor.name.startswith(last) and tensor.shape[0] == len(rows):
            tensor = _taken(tensor, rows, 0)
        moved.append(tensor)
    return moved


class _Variables(NamedTuple):
    """The task of the file."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    forcings: tuple[str, ...]
    levels: tuple[float, ...]
    states: int


def _value(path: Path, array: Tensor) -> float:
    import numpy as np

    whole = number(array)
    if whole is not None:
        return whole
    if array.dtype not in ("F64", "F32") or array.shape not in ((), (1,)):
        raise UserError(f"{path}: {array.name} is no number; DeepMind's files have one there")
    bits = np.ascontiguousarray(array.bits()).reshape(-1)
    return float(bits.view("<f8" if array.dtype == "F64" else "<f4")[0])


def _variables(published: Mapping[str, str | float], path: Path) -> _Variables:
    def listed(name: str) -> tuple[Any, ...]:
        prefix = f"{TASK}{name}:"
        numbers = sorted(int(key[len(prefix) :]) for key in published if key.startswith(prefix))
        return tuple(published[f"{prefix}{each}"] for each in numbers)

    try:
        names = [tuple(map(str, listed(f"{kind}_variables"))) for kind in ("input", "target", "forcing")]
        levels = tuple(float(level) for level in listed("pressure_levels"))
        states = STATES[str(published[f"{TASK}input_duration"])]
    except (KeyError, ValueError):
        raise UserError(f"{path}: what it says of its variables (task_config) is damaged or not GraphCast's") from None
    inputs, targets, forcings = names
    if not targets or not inputs:
        raise UserError(f"{path}: says nothing of its variables (task_config)")
    if unseen := sorted(set(targets) - set(inputs)):
        raise UserError(
            f"{path}: it predicts {', '.join(unseen)} without taking it in, which our GraphCast does not; take a file "
            "with precipitation as input and output"
        )
    return _Variables(inputs, targets, forcings, levels, states)


def _refuse_another(published: Mapping[str, str | float], expected: Expected, path: Path) -> None:
    values: dict[str, tuple[float | None, float | None]] = {}
    settings = []
    for key, (words, ours) in HYPERPARAMETERS.items():
        value, needed = published.get(f"{MODEL}{key}"), expected.network.get(ours)
        known = isinstance(value, int | float) and isinstance(needed, int | float)
        if isinstance(value, str) or not (known or ours == LENGTH):
            raise UserError(f"{path}: says nothing of its {words} ({MODEL}{key}), or is not for {expected.title}")
        values[words] = _rounded(value), _rounded(needed)
        if ours in ADJUSTED and len(set(values[words])) > 1:
            settings.append(f"{ours}: {'null' if value is None else value}")
    if found := differing(values, expected):
        where = f"; give the network {', '.join(settings)}, in the preset or in model_overrides of the data"
        raise UserError(f"{path}: {found}{where if settings else ''}")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)


def _our_outputs(expected: Expected, variables: _Variables) -> list[Field]:
    return [_field(channel, variables.targets, 0) for channel in expected.data.channels]


def _our_inputs(expected: Expected, variables: _Variables) -> list[Field]:
    """As Domain orders them: the newest state, the older one, the forcings at each time, the static fields."""
    states = [
        _field(channel, variables.inputs, -age) for age in range(variables.states) for channel in expected.data.channels
    ]
    forcings = [
        _field(each, variables.forcings, step)
        for step in range(1 - variables.states, 2)
        for each in expected.data.forcings
    ]
    return [*states, *forcings, *(_field(each, variables.inputs, None) for each in expected.data.statics)]


def _field(channel: "Channel | str", names: Sequence[str], step: int | None) -> Field:
    """A channel of ours by the name, among these, that the published network has for it, else by its own."""
    if not isinstance(channel, Channel):
        return Field(FORMULAS.get(channel, channel), None, step)
    variable = next((each for each in channel.variable if each in names), channel.variable[0])
    return Field(variable, channel.level, step)


def _their_inputs(variables: _Variables, outputs: Sequence[Field]) -> list[Field]:
    times = range(1 - variables.states, 1)
    found = []
    for name in sorted(variables.inputs):
        if name in variables.forcings:
            found += [Field(name, None, step) for step in times]
        elif name in variables.targets:
            found += [Field(name, level, step) for step in times for level in _levels(name, variables, outputs)]
        else:
            found.append(Field(name, None, None))
    return [*found, *(Field(name, None, 1) for name in sorted(variables.forcings))]


def _their_outputs(variables: _Variables, outputs: Sequence[Field]) -> list[Field]:
    return [Field(name, level, 0) for name in sorted(variables.targets) for level in _levels(name, variables, outputs)]


def _levels(name: str, variables: _Variables, outputs: Sequence[Field]) -> Sequence[float | None]:
    """The task's levels of a variable that ours has on levels, else None alone."""
    on_levels = any(field.variable == name and field.level is not None for field in outputs)
    return variables.levels if on_levels else (None,)


def _places(theirs: Sequence[Field], ours: Sequence[Field], path: Path) -> list[int]:
    """Where among their channels each of ours lies."""
    by_field = {field: place for place, field in enumerate(theirs)}
    lacking = [field for field in ours if field not in by_field]
    unknown = [field for field in theirs if field not in set(ours)]
    if lacking or unknown:
        what = "the file has no" if lacking else "the data have no"
        first = (lacking or unknown)[0]
        level = "" if first.level is None else f" at {first.level:g} hPa"
        more = len(lacking or unknown) - 1
        raise UserError(
            f"{path}: other variables than the data: {what} {first.variable}{level}"
            f"{f' and {more} more channels' if more else ''}; give the --data (a mapping) that has the file's"
        )
    return [by_field[field] for field in ours]


def _taken(tensor: Tensor, places: Sequence[int], axis: int) -> Tensor:
    import numpy as np

    return replace(tensor, bits=lambda: np.take(tensor.bits(), places, axis), moved=True)
