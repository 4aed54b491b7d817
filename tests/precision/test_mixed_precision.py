"""Lower formats in both frameworks: by hand, against float32, with planted overflows, and what stays float32."""

from pathlib import Path

import numpy as np
import pytest

from harness.frameworks.policy import FORMATS, IN_LOW_FORMAT, LOSS_SCALING
from tests.models.children import CHILDREN, answers_of
from tests.precision.worlds import CHANNELS, COMPILED, DENSE_SHAPES, NETWORKS, dense, world

pytestmark = pytest.mark.slow

LOW_RUNS = [("pytorch", "eager", "bf16"), *((*child, "fp16") for child in CHILDREN)]
SCALED_RUNS = [run for run in LOW_RUNS if run[2] == "fp16"]
RUN_MODELS = [(run, model) for run in LOW_RUNS for model in (NETWORKS if run[1] == "eager" else COMPILED)]
SCALES = [1024.0] * 3 + [512.0] * 4 + [1024.0] * 2 + [512.0] * 4 + [1024.0]
"""By hand: halved in steps 3 and 9, doubled after four good steps in a row, 4 to 7 and 10 to 13."""
SKIPPED = [0] * 3 + [1] * 6 + [2] * 5
GOOD = [step for step in range(14) if step not in (3, 9)]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("precision")
    found = answers_of(Path(__file__).with_name("drive.py"), folder, ("answers",))
    return {key: arrays["answers"] for key, arrays in found.items()}


@pytest.fixture
def of(answers):
    """of(run, name): what a framework in an execution and a format answered."""
    return lambda run, name: answers[run[:2]][f"{run[2]}/{name}"]


@pytest.fixture
def plain(answers):
    """plain(name): what PyTorch answered in float32."""
    return lambda name: answers["pytorch", "eager"][f"bf16/plain/{name}"]


def rounded(values, low):
    """float32 values to the nearest of the format, ties to even: by NumPy's float16, or on the bits."""
    if low == "fp16":
        return np.asarray(values, np.float16).astype(np.float32)
    bits = np.asarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


@pytest.mark.parametrize("run", LOW_RUNS)
def test_a_product_by_hand(of, run):
    subject, weights = dense()
    x = subject.inputs[0].transpose(0, 2, 3, 1).reshape(-1, CHANNELS)
    exact = rounded(x, run[2]).astype(float) @ rounded(weights["head.weight"], run[2]).T.astype(float)
    right = rounded(exact.astype(np.float32), run[2]) + weights["head.bias"]
    found = of(run, "product/dense").transpose(0, 2, 3, 1).reshape(-1, CHANNELS)
    assert found.dtype == np.float32
    assert np.array_equal(found, right)
    assert np.abs(found - (x @ weights["head.weight"].T + weights["head.bias"])).max() > FORMATS[run[2]].rounding

    in_float32 = x.astype(float) @ weights["modes.linear.weight"].T.astype(float) + weights["modes.linear.bias"]
    both = of(run, "product/both").transpose(0, 2, 3, 1).reshape(-1, CHANNELS)
    assert np.abs(both - (right + in_float32)).max() < 1e-5


@pytest.mark.parametrize(("run", "model"), RUN_MODELS)
def test_losses_stay_within_the_spread_of_other_seeds(of, plain, run, model):
    float32 = plain(f"{model}/0")
    departures = [np.abs(plain(f"{model}/{seed}") / float32 - 1).max() for seed in (1, 2)]
    departure = np.abs(of(run, f"losses/{model}") / float32 - 1).max()
    assert of(run, f"skipped/{model}") == 0
    assert 1e-6 < departure < min(departures)


@pytest.mark.parametrize("model", NETWORKS)
def test_the_layers_that_run_low_are_the_same_and_are_those_cast(of, model):
    named = {run: of(run, f"layers/{model}").tolist() for run, its in RUN_MODELS if its == model}
    for run in named:
        assert named[run] == named["pytorch", "eager", "bf16"]
        if run[0] == "pytorch":
            assert sorted({"fields", *(f"{name}.weight" for name in named[run])}) == of(run, f"cast/{model}").tolist()


FUNCTIONS = {"_to_copy", "mm", "add", "t", "view", "_unsafe_view", "clone"}
"""Of PyTorch: casts, the product, the addition of a float32 bias that widens it, and changes of shape."""


@pytest.mark.parametrize("model", NETWORKS)
def test_all_else_is_float32(of, model):
    for run in LOW_RUNS:
        if run[0] == "pytorch":
            assert set(of(run, f"met/{model}").tolist()) <= FUNCTIONS
            assert of(run, f"types/{model}").tolist() == ["torch.float32"]
        elif run[1] == "eager":
            assert of(run, f"met/{model}").size == 0
            seen = {kind.removesuffix("OfDense") for kind in of(run, f"seen/{model}").tolist()}
            assert {"LayerNorm", "LowLinearFunction"} <= seen
            assert of(run, f"types/{model}").tolist() == ["Float32"]


@pytest.mark.parametrize(("run", "model"), [each for each in RUN_MODELS if each[0][1] == "eager"])
def test_recomputing_and_micro_batches_train_alike(of, run, model):
    """Half a batch at a time, each block computed anew in the same format: the losses of the first steps are equal."""
    saving = of(run, f"saving/{model}")
    plain = of(run, f"losses/{model}")[: len(saving)]
    np.testing.assert_allclose(saving, plain, rtol=FORMATS[run[2]].rounding)


@pytest.mark.parametrize("run", SCALED_RUNS)
def test_planted_overflows_are_skipped(of, run):
    assert of(run, "first_scale") == LOSS_SCALING.initial == 65536
    assert of(run, "planted/scale").tolist() == SCALES
    assert of(run, "planted/skipped").tolist() == SKIPPED
    assert of(run, "planted/next_stage").tolist() == [1024, 2]
    after = of(run, "planted/weights")
    for step in (3, 9):
        assert np.array_equal(after[step], after[step - 1])
    assert np.isfinite(after).all()


@pytest.mark.parametrize("run", SCALED_RUNS)
def test_a_skipped_step_uses_up_its_rate_and_nothing_else(of, run):
    assert of(run, "without/skipped").tolist() == [0] * len(GOOD)
    assert of(run, "without/scale")[-1] > 1024
    np.testing.assert_allclose(of(run, "planted/weights")[GOOD], of(run, "without/weights"), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("run", LOW_RUNS)
def test_clipped_training_is_that_of_float32(of, plain, run):
    """Epsilon is of the size of the gradients and they are clipped, so that a scale left on them would show."""
    float32 = plain("product/weights")
    moved = np.abs(float32[-1] - float32[0]).max()
    assert np.abs(of(run, "without/weights") - float32).max() < 8 * FORMATS[run[2]].rounding * moved
    assert moved > 0.01


@pytest.mark.parametrize("run", LOW_RUNS)
def test_weights_take_updates_that_no_lower_format_can_hold(of, run):
    moved = np.abs(of(run, "small_updates"))
    assert moved.shape == DENSE_SHAPES["head.weight"]
    assert moved.min() > 0
    assert 4e-6 < moved.max() < 8.1e-6 < FORMATS[run[2]].rounding


@pytest.mark.parametrize(("run", "model"), RUN_MODELS)
def test_both_frameworks_predict_and_differentiate_alike(of, plain, run, model):
    first, rounding = ("pytorch", "eager", run[2]), FORMATS[run[2]].rounding
    prediction = of(run, f"prediction/{model}")
    assert prediction.dtype == np.float32
    assert apart(prediction, of(first, f"prediction/{model}")) < rounding
    assert 0.1 * rounding < apart(prediction, plain(f"prediction/{model}")) < 16 * rounding
    if run[1] == "eager":
        loss, evaluated = of(run, f"evaluated/{model}")
        assert abs(loss / evaluated - 1) < 1e-6
        for name in gradients_of(model):
            found, right = of(run, name), of(first, name)
            assert found.dtype == np.float32
            assert np.linalg.norm(found - right) <= 16 * rounding * np.linalg.norm(right), name


def gradients_of(model):
    subject = world(model)
    return [f"gradients/{model}/{name}" for name in subject.weights(0)]


def apart(found, right):
    return np.linalg.norm(found - right) / np.linalg.norm(right)


@pytest.mark.parametrize("run", [run for run in LOW_RUNS if run[1] == "eager"])
def test_a_framework_s_own_lists(of, plain, run):
    """They train, lower something, and give float32."""
    departure = np.abs(of(run, "native/losses") / plain("fourcastnet/0")[:4] - 1).max()
    assert 1e-6 < departure < FORMATS[run[2]].rounding
    assert of(run, "native/prediction").dtype == np.float32


def test_the_policy_in_words():
    assert {kind for kind, low in IN_LOW_FORMAT.items() if low} == {"dense", "convolution", "attention"}
    assert LOSS_SCALING.model_dump() == {"initial": 65536, "growth": 2, "backoff": 0.5, "interval": 2000}
    assert FORMATS["fp16"].largest == np.finfo(np.float16).max
    assert FORMATS["fp16"].rounding == np.finfo(np.float16).eps / 2
