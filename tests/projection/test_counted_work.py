"""Work counted by hand: operators of whole steps, what is fused, rounded, exchanged and updated."""

import pytest

from harness.errors import UserError
from harness.models import fourcastnet
from harness.models.operations import Layers, Part, added, gathered, gelu, moved, normalised
from harness.projection.work import Sum, prediction_work, step_work
from harness.scenario.execution import EAGER, Compilation, Execution, Precision, World
from harness.scenario.schema import OptimiserConfig
from tests.models.domains import make_domain
from tests.projection.cases import CASES, training

GRAPH = Execution(compilation=Compilation(mode="graph"))
BF16 = Execution(precision=Precision(autocast="bf16"))


def test_the_published_fourcastnet_by_hand():
    """90 x 180 patches of 8 x 8 of 20 fields, width 768, 12 blocks; 46 of 91 columns and all 90 rows of modes pass."""
    network, domain = fourcastnet.Network(patch_size=8, embed_dim=768, depth=12), make_domain((720, 1440), 20)
    found = prediction_work(fourcastnet, network, domain, 1, EAGER).by_class()
    tokens, width = 90 * 180, 768
    dense = 2 * tokens * (1280 * width + 12 * 2 * width * 3072 + width * 1280)
    assert found["matrix product", "fp32"].flops == dense
    columns, rows = 2 * (2 * 46) * 180 * 90 * width, 46 * 2 * (2 * 90) * (2 * 90) * width
    mixer = 2 * 2 * (46 * 90) * 8 * (2 * 96) ** 2
    real_form = 2 * 2 * 4 * 2 * 8 * 96**2
    assert found["spectral", "fp32"].flops == 12 * (2 * (columns + rows) + mixer + real_form)
    assert set(found) == {(kind, "fp32") for kind in ("matrix product", "spectral", "elementwise", "normalisation")}


def test_a_dense_layer_by_hand():
    """5 rows from 3 to 2 values with a bias, and the three products of its two passes."""
    layer = Layers(EAGER).linear(5, 3, 2)
    (product,) = layer.forward
    assert (product.flops, product.bytes) == (2 * 5 * 3 * 2, 4 * (15 + 6 + 10 + 2))
    of_input, of_weights, of_bias = layer.backward
    assert of_input.flops == of_weights.flops == 60
    assert of_weights.bytes == 4 * (15 + 10 + 6)
    assert of_bias.bytes == 4 * (10 + 2)
    assert len(Layers(EAGER).linear(5, 3, 2, needed=False).backward) == 2


def test_a_lower_format_halves_products_and_rounds_operands_first():
    rounded, weights, product, widened = Layers(BF16).linear(5, 3, 2).forward
    assert (product.number_format, product.bytes) == ("bf16", 2 * (15 + 6 + 10))
    assert (rounded.bytes, weights.bytes, widened.bytes) == (6 * 15, 6 * 6, 6 * 10)
    spectral = {key for key in step_work(*CASES["fourcastnet"], training(), BF16).by_class() if key[0] == "spectral"}
    assert spectral == {("spectral", "fp32")}


@pytest.mark.parametrize(("layer", "values"), [(moved(6), 12), (gelu(6), 12), (added(6), 18), (normalised(2, 3), 22)])
def test_values_that_an_operator_moves(layer, values):
    assert layer.forward[0].bytes == 4 * values


def test_rows_are_gathered_and_their_gradient_added_up():
    """7 rows of width 4 from a table of 3."""
    layer = gathered(7, 4, 3)
    assert layer.forward[0].bytes == 4 * 2 * 28
    zeros, scatter = layer.backward
    assert (zeros.bytes, scatter.bytes) == (4 * 12, 4 * 3 * 28)


def test_what_is_computed_anew_ends_with_what_the_last_layer_kept():
    dense = Layers(EAGER).linear(5, 3, 3)
    part = Part((dense, gelu(15), dense, added(15)))
    assert part.computed_anew == (*dense.forward, *gelu(15).forward)


def test_a_compiler_fuses_operators_that_follow_one_another():
    """Of a norm between two products nothing is saved; of gelu after an addition the array between them."""
    case = CASES["fourcastnet"]
    eager, fused = (prediction_work(*case, 2, execution).by_class() for execution in (EAGER, GRAPH))
    products = ("matrix product", "fp32")
    assert fused[products] == eager[products]
    plain, joined = (each["elementwise", "fp32"] for each in (eager, fused))
    assert joined.bytes < plain.bytes
    assert joined.launches < plain.launches
    assert joined.flops == plain.flops
    kept = prediction_work(*case, 2, GRAPH, "mindspore").by_class()
    assert kept == eager


def test_the_update_by_hand():
    """Seven values a parameter, in one kernel, or in one for each tensor; clipping reads gradients twice and writes
    them once, in two kernels for each tensor; shards divide the update, and gradients too where these are divided.
    """
    package, network, domain = CASES["fourcastnet"]
    parameters = package.parameters(network, domain)
    number = sum(parameter.size for parameter in parameters)
    plain = step_work(package, network, domain, training(), EAGER).by_class()["optimiser", "fp32"]
    assert plain == Sum(14 * number, 4 * 7 * number, 1)
    of_mindspore = step_work(package, network, domain, training(), EAGER, "mindspore").by_class()["optimiser", "fp32"]
    assert of_mindspore == Sum(14 * number, 4 * 7 * number, len(parameters))
    clipped = training(optimiser=OptimiserConfig(clip_norm=1.0))
    found = step_work(package, network, domain, clipped, EAGER).by_class()["optimiser", "fp32"]
    assert (found.bytes, found.launches) == (plain.bytes + 4 * 3 * number, 1 + 2 * len(parameters))
    part = -(-number // 4)
    for parallel, held in (("sharded_optimiser", number), ("sharded", part)):
        sharded = Execution(world=World(devices=4, parallel=parallel))
        found = step_work(package, network, domain, clipped, sharded).by_class()["optimiser", "fp32"]
        assert found.bytes == 4 * (3 * held + 7 * part)


@pytest.mark.parametrize(
    ("parallel", "rollout_steps", "micro_batches", "passes"),
    [
        ("data", 1, 1, 2),
        ("data", 3, 2, 2),
        ("sharded_optimiser", 1, 1, 3),
        ("sharded_optimiser", 3, 2, 3),
        ("sharded", 1, 1, 1 + 1 + 1),
        ("sharded", 3, 1, 3 + 3 + 1),
        ("sharded", 1, 2, 2 + 2 + 1),
        ("sharded", 3, 2, 6 + 6 + 2),
    ],
)
def test_what_devices_send_by_hand(parallel, rollout_steps, micro_batches, passes):
    """In a ring of 4 each device sends three quarters of the parameters a pass, in three steps.

    Averaged gradients take two passes and dealt-out weights one more. Sharded weights are gathered forward and backward
    in every use. Gradients are reduced once, and twice where a rollout has micro-batches. Those that are averaged are
    fewer than a bucket holds; a message tells which parameters were used.
    """
    package, network, domain = CASES["fourcastnet"]
    number = sum(parameter.size for parameter in package.parameters(network, domain))
    world = Execution(world=World(devices=4, parallel=parallel), accumulation=micro_batches)
    work = step_work(package, network, domain, training(), world, rollout_steps=rollout_steps)
    found = work.by_class()["collective", "fp32"]
    assert found == Sum(0, passes * 3 * 4 * number // 4, passes * 3 * (2 if parallel == "data" else 1))
    predicted = prediction_work(package, network, domain, 1, world).by_class().get(("collective", "fp32"))
    assert predicted == (Sum(0, 3 * number, 3) if parallel == "sharded" else None)
    assert ("collective", "fp32") not in step_work(package, network, domain, training(), EAGER).by_class()


@pytest.mark.parametrize(("width", "buckets"), [(64, 1), (192, 2), (1536, 5)])
def test_gradients_are_averaged_in_buckets(width, buckets):
    """The first holds 1 MiB, the others 25: here 0.3, 2.6 and 81 MB."""
    package, _, domain = CASES["fourcastnet"]
    network = package.Network(patch_size=4, embed_dim=width, depth=2 if width < 1000 else 1)
    world = Execution(world=World(devices=2))
    for framework, arrays in (("pytorch", buckets + 1), ("mindspore", 1)):
        found = step_work(package, network, domain, training(), world, framework).by_class()["collective", "fp32"]
        assert found.launches == 2 * arrays


def test_micro_batches_do_the_same_products_and_add_up_gradients():
    case = CASES["aigoms"]
    whole = step_work(*case, training(batch_size=4), EAGER)
    halves = step_work(*case, training(batch_size=4), Execution(accumulation=2))
    dense = ("matrix product", "fp32")
    assert halves.by_class()[dense].flops == whole.by_class()[dense].flops
    assert halves.by_class()[dense].launches == 2 * whole.by_class()[dense].launches
    assert halves.by_class()["optimiser", "fp32"] == whole.by_class()["optimiser", "fp32"]


def test_hidden_tokens_are_no_work():
    package, network, domain = CASES["aigoms"]
    seen, hidden = (step_work(package, network, domain, training(), EAGER, epoch=epoch) for epoch in (1, 10))
    assert hidden.total.flops < 0.6 * seen.total.flops


def test_an_architecture_that_says_nothing_is_refused_by_name():
    import numpy

    with pytest.raises(UserError, match="numpy does not say what its operators do"):
        prediction_work(numpy, None, CASES["aigoms"][2], 1, EAGER)
