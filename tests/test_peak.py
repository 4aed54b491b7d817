"""Times in which the chip cannot have computed what was asked of it are refused, and possible ones are not."""

import pytest

from harness.errors import UserError
from harness.models import fourcastnet
from harness.models.work import prediction_flops, step_flops
from harness.results.record import Latency, TrainingStage
from harness.scenario import catalogue
from harness.scenario.chips import Figure, PeakRates
from harness.scenario.execution import EAGER, Clock, Execution, Loading, Precision, World
from harness.worker.peak import MARGIN, Peak, format_of
from harness.worker.subject import Subject
from tests.analysis.made_records import make_epoch, make_numerics
from tests.models.domains import make_domain

NETWORK = fourcastnet.Network(patch_size=4, embed_dim=64, depth=2)
DOMAIN = make_domain((16, 32), 3)
BATCH = 8
STEP_FLOPS = step_flops(fourcastnet, NETWORK, DOMAIN, BATCH, rollout_steps=1)
NAME = "NVIDIA A100-SXM4-80GB"


class Windows:
    domain = DOMAIN


SUBJECT = Subject(fourcastnet, NETWORK, Windows(), "0")


def chip(**rates):
    """An A100 with these peaks in TFLOP/s."""
    peak = PeakRates(**{name: Figure(value=rate, source="test") for name, rate in rates.items()})
    return catalogue.chip("a100").model_copy(update={"peak_tflops": peak})


def stage(step_s, data_s=0.0, *, window=1, rollout_steps=1):
    epoch = make_epoch(step_s=(9.0, *[step_s] * 4), data_s=(data_s,) * 5, loss=(1.0,) * 5)
    return TrainingStage(
        name="pretrain",
        rollout_steps=rollout_steps,
        dropped_samples=0,
        samples_per_epoch=5 * BATCH,
        epochs=(epoch.model_copy(update={"window": window}),),
        steady_from_step=None,
    )


def peak(execution=EAGER, bits=24, **rates):
    return Peak(chip(**rates or {"fp32": 1.0}), NAME, execution, make_numerics(bits))


def check(step_s, data_s=0.0, execution=EAGER, bits=24, rollout_steps=1, window=1, **rates):
    made = stage(step_s, data_s, window=window, rollout_steps=rollout_steps)
    peak(execution, bits, **rates).check_training((made,), SUBJECT, BATCH)


SHORTEST_S = STEP_FLOPS / (MARGIN * 1e12)
"""What a step takes at 1 TFLOP/s and the margin."""


def test_the_bound_is_where_it_says():
    check(1.001 * SHORTEST_S)
    with pytest.raises(UserError, match=r"a training step of stage 'pretrain' took .*the clock does not wait"):
        check(0.999 * SHORTEST_S)


def test_the_refusal_is_one_line_with_the_rate_the_chip_and_its_peak():
    with pytest.raises(UserError) as refused:
        check(1e-9)
    text = str(refused.value)
    assert "\n" not in text
    assert f"at least {STEP_FLOPS / 1e12:.3g} TFLOP" in text
    assert "NVIDIA A100 SXM4 80GB reaches 1 in fp32" in text


def test_a_time_of_0_is_refused():
    with pytest.raises(UserError, match="any rate"):
        check(0.0)


def test_a_rollout_of_two_steps_takes_twice_as_long():
    check(1.2 * SHORTEST_S)
    with pytest.raises(UserError):
        check(1.2 * SHORTEST_S, rollout_steps=2)
    check(2.4 * SHORTEST_S, rollout_steps=2)


def test_one_slow_step_does_not_hide_the_others():
    with pytest.raises(UserError):
        check(0.1 * SHORTEST_S)


@pytest.mark.parametrize(
    "execution", [Execution(clock=Clock(window=5)), Execution(loading=Loading(sink=True))], ids=["window", "sink"]
)
def test_data_count_where_copies_and_steps_overlap(execution):
    check(0.5 * SHORTEST_S, 0.6 * SHORTEST_S, execution=execution, window=execution.clock.window)
    with pytest.raises(UserError):
        check(0.5 * SHORTEST_S, 0.4 * SHORTEST_S, execution=execution, window=execution.clock.window)
    with pytest.raises(UserError):
        check(0.5 * SHORTEST_S, 0.6 * SHORTEST_S)


@pytest.mark.parametrize(
    ("execution", "bits", "rates", "rate"),
    [
        (EAGER, 24, {"fp32": 2.0, "tf32": 9.0, "fp16": 9.0}, 2.0),
        (EAGER, 11, {"fp32": 2.0, "tf32": 4.0, "fp16": 9.0}, 4.0),
        (EAGER, 12, {"fp32": 2.0, "tf32": 4.0, "fp16": 9.0}, 4.0),
        (EAGER, 8, {"fp32": 2.0, "tf32": 4.0, "bf16": 9.0}, 9.0),
        (EAGER, 24, {"fp16": 8.0}, 8.0),
        (EAGER, 24, {"fp64": 1.0, "fp16": 8.0, "bf16": 9.0}, 9.0),
        (Execution(precision=Precision(autocast="bf16")), 24, {"fp32": 2.0, "bf16": 8.0}, 8.0),
        (Execution(precision=Precision(autocast="native-fp16")), 24, {"fp32": 2.0, "fp16": 8.0}, 8.0),
        (Execution(precision=Precision(autocast="bf16")), 24, {"fp32": 2.0, "fp16": 8.0}, 8.0),
        (Execution(world=World(devices=4)), 24, {"fp32": 2.0}, 8.0),
    ],
)
def test_the_peak_is_that_of_the_format_that_ran(execution, bits, rates, rate):
    check(1.01 * SHORTEST_S / rate, execution=execution, bits=bits, **rates)
    with pytest.raises(UserError):
        check(0.99 * SHORTEST_S / rate, execution=execution, bits=bits, **rates)


@pytest.mark.parametrize("autocast", ["bf16", "native-bf16"])
def test_autocast_names_the_format(autocast):
    assert format_of(Execution(precision=Precision(autocast=autocast)), make_numerics()) == "bf16"


def test_a_peak_that_nobody_knows_refuses_nothing():
    check(1e-12, execution=Execution(precision=Precision(autocast="bf16")), fp32=1.0, tf32=1.0)
    Peak(catalogue.chip("cpu"), "cpu", EAGER, make_numerics()).check_training((stage(1e-12),), SUBJECT, BATCH)


def test_the_variant_of_the_device_decides():
    h200 = catalogue.chip("h200")
    rates = {name: Peak(h200, name, EAGER, make_numerics())._rate for name in ("NVIDIA H200", "NVIDIA H200 NVL")}
    assert rates == {"NVIDIA H200": 67, "NVIDIA H200 NVL": 60}


def test_inference_is_judged_by_its_own_batch():
    shortest_s = prediction_flops(fourcastnet, NETWORK, DOMAIN, 2) / (MARGIN * 1e12)

    def latency(step_s):
        return Latency(batch_size=2, first_step_s=1.0, warmup_steps=1, steady=True, step_s=(step_s,) * 5)

    peak().check_inference(latency(1.01 * shortest_s), SUBJECT)
    with pytest.raises(UserError, match="an inference step took"):
        peak().check_inference(latency(0.99 * shortest_s), SUBJECT)


def test_an_architecture_that_counts_nothing_refuses_nothing():
    peak().check_training((stage(1e-12),), Subject(pytest, NETWORK, Windows(), "0"), BATCH)
