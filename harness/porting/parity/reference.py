"""The truth and the yardstick, in a child process: `python -m harness.porting.parity.reference FOLDER`."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from harness.errors import UserError
from harness.frameworks.pytorch.trainer import PyTorch, open_device
from harness.porting.parity import probing
from harness.porting.parity.exchange import ModuleCall, ParityPlan, Reference, write_arrays
from harness.porting.parity.probing import Call
from harness.porting.parity.pytorch import Probe
from harness.porting.parity.quantities import Array, ComparedArray, Quantities, deviation
from harness.porting.parity.sample import Sample
from harness.porting.parity.sources import described
from harness.scenario.execution import Autocast, Execution, Precision
from harness.worker.subject import prepare


def main(folder: Path) -> dict[str, Any]:
    """Write NAME.npz and NAME.json for every seed of the plan."""
    plan = ParityPlan.read(folder)
    try:
        subject = prepare(plan.scenario)
        for seed in plan.seeds:
            answer(plan.autocast, Sample(subject, plan.scenario, seed, plan.batch_size, plan.steps), folder)
    except UserError as error:
        return {"reason": str(error)}
    return {}


def answer(autocast: Autocast, sample: Sample, folder: Path) -> None:
    """The truth of one seed, what modules alone are given, and the yardstick."""
    single, double = _open(sample, torch.float32), _open(sample, torch.float64)
    calls, prediction = single.record(sample)
    firsts = probing.first_calls(calls)
    parameters = probing.owned(list(sample.weights), list(firsts))
    given = [
        ModuleCall(
            name=name,
            kind=call.kind,
            outputs=tuple(values.shape for values in call.outputs),
            parameters=tuple(parameters[name]),
        )
        for name, call in firsts.items()
    ]
    met = [firsts[call.name].inputs for call in given]

    def modules_alone(probe: Probe, calls: Sequence[Call]) -> Quantities:
        own = probing.first_calls(calls)
        for number, call in enumerate(given):
            yield from probing.alone(probe, own[call.name], call, number, met[number], sample.seed)

    if autocast == "none":
        double_calls, double_prediction = double.record(sample)
        truth = dict(probing.in_place(double_calls, double_prediction))
        truth.update(modules_alone(double, double_calls))
        truth.update(probing.whole(double.framework, sample))
        yardstick = dict.fromkeys(truth, 0.0)
        _widen(yardstick, truth, probing.in_place(calls, prediction))
        for variation in (_as_it_is, _one_thread, _without_mkldnn):
            with variation():
                _widen(yardstick, truth, modules_alone(single, calls))
                _widen(yardstick, truth, probing.in_place(*single.record(sample)))
                _widen(yardstick, truth, probing.whole(_open(sample, torch.float32).framework, sample))
        _widen(yardstick, truth, probing.whole(_open(sample, torch.float32).framework, sample, reverse=True))
    else:
        truth = dict(probing.lowered(double.framework, sample))
        yardstick = dict.fromkeys(truth, 0.0)
        _widen(yardstick, truth, probing.lowered(_open(sample, torch.float32, autocast).framework, sample))
    write_arrays(folder / f"truth-{sample.seed}.npz", truth)
    inputs = {
        ComparedArray("input", call.name, str(position)): values
        for call, arrays in zip(given, met, strict=True)
        for position, values in enumerate(arrays)
    }
    write_arrays(folder / f"inputs-{sample.seed}.npz", inputs)
    Reference(
        described=described(single.framework.describe(), sample.subject.package),
        architecture_fingerprint=sample.subject.architecture_fingerprint,
        calls=tuple(given),
        yardstick={quantity.key: value for quantity, value in yardstick.items()},
    ).write(folder, sample.seed)


def _open(sample: Sample, dtype: torch.dtype, autocast: Autocast = "none") -> Probe:
    subject = sample.subject
    execution = Execution(precision=Precision(autocast=autocast))
    framework: PyTorch = open_device("cpu", execution, dtype=dtype)
    framework.build(subject.package, subject.network, subject.domain)
    framework.load(sample.weights)
    return Probe(framework)


def _widen(yardstick: dict[ComparedArray, float], truth: Mapping[ComparedArray, Array], found: Quantities) -> None:
    for quantity, values in found:
        yardstick[quantity] = max(yardstick[quantity], deviation(quantity, values, truth[quantity]))


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _without_mkldnn() -> Iterator[None]:
    with torch.backends.mkldnn.flags(enabled=False):
        yield


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
