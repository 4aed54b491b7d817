"""Records of older schemas in the form of the newest: from JSON content to JSON content, before anything is checked.

A function each for the step from one schema to the next. What is missing or of the wrong kind is left as it is, for the
check of the record to name; only what has to be computed of must be there, and ValueError names it where it is not.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from harness.results.series import Latency, TrainingStage
from harness.scenario.execution import OLD_WORDS

Content = Mapping[str, Any]

OLD_DEVICE_FIELDS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "name": ("name", str),
    "memory_bytes": ("memory_bytes", int),
    "sm_mhz_max": ("clock_mhz_max", float),
    "power_cap_mw": ("power_cap_w", lambda text: int(text) / 1000),
}
"""What schema 2 called a property of an NVIDIA board, its name since, and its value from the text."""


def upgrade(content: Content) -> dict[str, Any]:
    """The content of a record of schema 1 or 2 as one of schema 3; that of another is returned as it is."""
    found = dict(content)
    if found.get("schema_version") == 1:
        found = from_1_to_2(found)
    if found.get("schema_version") == 2:
        found = from_2_to_3(found)
    return found


def from_1_to_2(content: Content) -> dict[str, Any]:
    """Schema 2 added second opinions to windows, and idle phases, net energy and the sampler's pace, which may lack."""
    found = {**content, "schema_version": 2}
    if isinstance(content.get("energy"), Mapping):
        found["energy"] = _energy(content["energy"])
    return found


def from_2_to_3(content: Content) -> dict[str, Any]:
    """Schema 3 keeps summaries of steps, executions and the accelerator by type, and ranks.

    Which calls compiled was not noted before: `compile_s` of epochs is None where the framework ran other than eagerly.
    Raises ValueError where steps cannot be summed up.
    """
    found = {**content, "schema_version": 3}
    scenario, measured, environment = (content.get(name) for name in ("scenario", "measurements", "environment"))
    if isinstance(measured, Mapping):
        found["measurements"] = _measurements(measured)
    if isinstance(environment, Mapping):
        found["environment"] = {**environment, "accelerator": _accelerator(environment.get("accelerator"))}
    if isinstance(scenario, Mapping):
        found["scenario"] = upgrade_scenario(scenario)
    if isinstance(measured, Mapping) and isinstance(environment, Mapping) and isinstance(scenario, Mapping):
        found["ranks"] = [_only_rank(scenario, environment, measured)]
    return found


def upgrade_scenario(scenario: Content) -> dict[str, Any]:
    """A scenario whose execution was the word "eager" or "compiled", with `precision: fp32` beside it, the only one.

    What networks said of how they are run moves to its execution.
    """
    if not isinstance(scenario.get("execution"), str):
        return dict(scenario)
    found = {name: value for name, value in scenario.items() if (name, value) != ("precision", "fp32")}
    execution = OLD_WORDS.get(found["execution"])
    if execution is None:
        return found
    settings = execution.settings()
    if isinstance(found.get("network"), Mapping):
        found["network"], moved = moved_to_execution(found["network"])
        settings |= moved
    groups: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        group, _, field = name.partition(".")
        groups.setdefault(group, {})[field] = value
    return {**found, "execution": groups}


def moved_to_execution(network: Content) -> tuple[dict[str, Any], dict[str, Any]]:
    """The hyperparameters of an old record, split into those of a network and its execution.

    The second gives what was set away from its default, by dotted names as in `Execution.settings()`. `spectral` and
    `segment_sum` are operators; `pieces` of 2 or more, in which GraphCast computed every range of grid points and every
    message step anew, are `recompute: {unit: ranges, ranges: n}`.
    """
    kept = dict(network)
    settings: dict[str, Any] = {
        f"operators.{name}": value
        for name in ("spectral", "segment_sum")
        if (value := kept.pop(name, "auto")) != "auto"
    }
    if (pieces := kept.pop("pieces", 1)) != 1:
        settings |= {"recompute.unit": "ranges", "recompute.ranges": pieces}
    return kept, settings


def _measurements(measured: Content) -> dict[str, Any]:
    found = dict(measured)
    training, framework = measured.get("training"), measured.get("framework")
    if isinstance(training, list):
        found["training"] = [
            _summary(TrainingStage, stage, f"measurements.training.{number}") for number, stage in enumerate(training)
        ]
        if not isinstance(framework, Mapping) or framework.get("execution") != "eager":
            for epoch in (epoch for stage in found["training"] for epoch in stage["epochs"]):
                epoch["compile_s"] = None
    if measured.get("inference") is not None:
        found["inference"] = _summary(Latency, measured["inference"], "measurements.inference")
    return found


def _summary(model: type[TrainingStage] | type[Latency], content: Any, where: str) -> dict[str, Any]:
    try:
        return model.model_validate(content).summary().model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join([where, *map(str, first['loc'])])}: {first['msg']}") from None
    except (ArithmeticError, LookupError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def _energy(energy: Content) -> dict[str, Any]:
    phases = energy.get("phases")
    if not isinstance(phases, list):
        return dict(energy)
    return {**energy, "phases": [_phase(phase) for phase in phases]}


def _phase(phase: Any) -> Any:
    window = phase.get("window") if isinstance(phase, Mapping) else None
    if not isinstance(window, Mapping):
        return phase
    devices = window.get("devices")
    if isinstance(devices, list):
        devices = [{**device, "second_opinion": None} if isinstance(device, Mapping) else device for device in devices]
        window = {**window, "devices": devices}
    return {**phase, "window": {**window, "second_opinion": None}}


def _accelerator(told: Any) -> Any:
    """Schema 2 had the driver and every NVIDIA board of the machine as texts, `gpu0_name` and the like."""
    if not isinstance(told, Mapping):
        return told
    if not told:
        return {}
    devices: dict[int, dict[str, Any]] = {}
    unread = []
    for name, text in told.items():
        board, _, field = name.partition("_")
        number = board.removeprefix("gpu")
        if field in OLD_DEVICE_FIELDS and number.isdecimal():
            new, value = OLD_DEVICE_FIELDS[field]
            devices.setdefault(int(number), {"index": int(number)})[new] = value(text)
        elif name != "driver":
            unread.append(f"{name}: {text}")
    found = {"vendor": "nvidia", "driver": told.get("driver"), "missing": unread}
    return {**found, "devices": [devices[number] for number in sorted(devices)]}


def _only_rank(scenario: Content, environment: Content, measured: Content) -> dict[str, Any]:
    framework = measured.get("framework")
    name = framework.get("device_name") if isinstance(framework, Mapping) else None
    on_cpu = str(scenario.get("device")).lower() == "cpu"
    return {"rank": 0, "host": environment.get("host"), "device": None if on_cpu else 0, "device_name": name}
