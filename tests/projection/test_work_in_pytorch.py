"""The counted work is that of the real networks: products by PyTorch's own count, bytes by its profiler's shapes."""

import importlib
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from harness.models.parameters import draw
from harness.projection.work import prediction_work, step_work
from harness.scenario.execution import EAGER, Execution, Operators, Precision, Recompute
from tests.projection.cases import CASES, training, with_edges_of_the_graph

BLOCKS = Recompute(unit="blocks")
PRODUCTS = ("mm", "bmm", "baddbmm")
MOST_MASKED = 10
"""An epoch in which AI-GOMS hides three of four tokens."""

EXECUTIONS = {
    "eager": EAGER,
    "blocks-bf16": Execution(recompute=BLOCKS, precision=Precision(autocast="bf16")),
    "accumulation": Execution(accumulation=2),
    "fft": Execution(operators=Operators(spectral="fft")),
}
RUNS = [
    ("fourcastnet", "eager", 2, None),
    ("fourcastnet", "blocks-bf16", 1, None),
    ("fourcastnet", "fft", 1, None),
    ("graphcast", "eager", 2, None),
    ("graphcast", "blocks-bf16", 1, None),
    ("graphcast", "accumulation", 1, None),
    ("aigoms", "eager", 1, MOST_MASKED),
    ("aigoms", "blocks-bf16", 2, None),
    ("aigoms", "accumulation", 1, None),
]


class Run:
    """A step and a prediction of a real network on a CPU, with inputs of its own."""

    def __init__(self, package, network, domain, execution, rollout_steps=1, epoch=None):
        import torch

        open_device = importlib.import_module("harness.frameworks.pytorch.trainer").open_device
        self.framework = open_device("cpu", execution)
        self.framework.build(package, network, domain)
        self.framework.load(draw(package.parameters(network, domain), 0))
        config = training(rollout_steps)
        self.framework.start_stage(config.optimiser, np.full(3, 1e-3), rollout_steps)
        layout = domain.layout(package.input_spec(network))
        self.x = torch.randn(2, layout.inputs, *domain.grid)
        self.targets = torch.randn(rollout_steps, 2, domain.outputs, *domain.grid)
        later = rollout_steps > 1 and not layout.state_alone
        self.forcings = torch.randn(rollout_steps - 1, 2, layout.forcings, *domain.grid) if later else None
        random = np.random.default_rng(0)
        drawn = () if epoch is None else package.training_extras(network, domain, 2, epoch, random)
        self.extras = tuple(map(torch.from_numpy, drawn))

    def step(self):
        self.framework.train_step(self.x, self.targets, self.forcings, self.extras)


def product_flops(work):
    return sum(times * each.flops for each, times in work.operations if each.name in PRODUCTS)


def counted_by_pytorch(run):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@pytest.mark.parametrize(("name", "how", "rollout_steps", "epoch"), RUNS)
def test_products_are_those_that_pytorch_counts(monkeypatch, name, how, rollout_steps, epoch):
    package, network, domain = CASES[name]
    execution = EXECUTIONS[how]
    if name == "graphcast":
        with_edges_of_the_graph(monkeypatch, network, domain)
    run = Run(package, network, domain, execution, rollout_steps, epoch)
    config = training(rollout_steps)
    work = step_work(package, network, domain, config, execution, rollout_steps=rollout_steps, epoch=epoch)
    assert product_flops(work) == counted_by_pytorch(run.step)
    prediction = prediction_work(package, network, domain, 2, execution)
    assert product_flops(prediction) == counted_by_pytorch(lambda: run.framework.predict(run.x))


def test_products_of_ranges_differ_by_the_rounding_of_their_sizes_alone(monkeypatch):
    package, network, domain = CASES["graphcast"]
    with_edges_of_the_graph(monkeypatch, network, domain)
    execution = Execution(recompute=Recompute(unit="ranges", ranges=4))
    work = step_work(package, network, domain, training(), execution)
    of_pytorch = counted_by_pytorch(Run(package, network, domain, execution).step)
    assert of_pytorch <= product_flops(work) <= 1.002 * of_pytorch


def test_the_mean_number_of_edges_is_near_that_of_the_graph():
    package, network, domain = CASES["graphcast"]
    of_pytorch = counted_by_pytorch(Run(package, network, domain, EAGER).step)
    work = step_work(package, network, domain, training(), EAGER)
    assert product_flops(work) == pytest.approx(of_pytorch, rel=0.03)


NAMES = {
    "gelu": ("gelu", 2),
    "gelu_backward": ("gelu backward", 3),
    "silu": ("silu", 2),
    "silu_backward": ("silu backward", 3),
    "softshrink": ("softshrink", 2),
    "native_layer_norm": ("native_layer_norm", 2),
    "native_layer_norm_backward": ("native_layer_norm_backward", 3),
}
"""Of an operator that maps values to as many: what the work calls it, and arrays that it reads and writes."""


def moved_by_pytorch(run):
    """Bytes and calls of the largest operators, by the shapes that the profiler records."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        run()
    found = defaultdict(lambda: [0, 0])
    for event in profiler.events():
        name, shapes = event.name.removeprefix("aten::"), event.input_shapes
        if name in ("mm", "addmm", "bmm", "baddbmm"):
            left, right = [shape for shape in shapes if len(shape) > 1][-2:]
            values = sum(map(math.prod, filter(None, shapes[:3]))) + math.prod(left[:-1]) * right[-1]
            key = "products"
        elif name in NAMES:
            key, arrays = NAMES[name]
            values = arrays * math.prod(shapes[0])
        elif name == "index_select":
            key, values = name, 2 * math.prod(shapes[2]) * math.prod(shapes[0][1:])
        elif name == "index_add_":
            key, values = "index_add", 3 * math.prod(shapes[3])
        else:
            continue
        found[key][0] += 4 * values
        found[key][1] += 1
    return found


@pytest.mark.parametrize("name", CASES)
def test_bytes_of_the_largest_operators_are_those_of_the_shapes_in_the_profile(monkeypatch, name):
    """Operator by operator, as on a device."""
    package, network, domain = CASES[name]
    monkeypatch.setattr("harness.models.tiling.pytorch.TILED", frozenset())
    if name == "graphcast":
        with_edges_of_the_graph(monkeypatch, network, domain)
    of_pytorch = moved_by_pytorch(Run(package, network, domain, EAGER).step)
    counted = defaultdict(lambda: [0, 0])
    for operation, times in step_work(package, network, domain, training(), EAGER).operations:
        key = "products" if operation.name in ("mm", "bmm", "baddbmm") else operation.name
        counted[key][0] += times * operation.bytes
        counted[key][1] += times * operation.launches
    assert {"products", "native_layer_norm"} < set(of_pytorch)
    for key, (size, calls) in of_pytorch.items():
        assert counted[key][1] == calls, key
        assert counted[key][0] == pytest.approx(size, rel=0.05 if "norm" in key else 0.01), key


@pytest.mark.parametrize("autocast", ["none", "fp16"])
def test_the_update_is_as_many_kernels_as_pytorch_starts(autocast):
    """Adam and the scaling back of gradients are one kernel each, whatever the number of tensors."""
    from torch.profiler import ProfilerActivity, profile

    package, network, domain = CASES["fourcastnet"]
    execution = Execution(precision=Precision(autocast=autocast))
    run = Run(package, network, domain, execution)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run.step()
    named = {"aten::_fused_adam_": "adam", "aten::_amp_foreach_non_finite_check_and_unscale_": "unscale"}
    started = Counter(named[event.name] for event in profiler.events() if event.name in named)
    counted = step_work(package, network, domain, training(), execution).operations
    assert started == {each.name: times * each.launches for each, times in counted if each.kind == "optimiser"}
