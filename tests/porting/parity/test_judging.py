"""Which layer is named, on deviations made up so that the answer is known."""

import pytest

from harness.porting.parity.exchange import Answer, Described, ModuleCall, Reference
from harness.porting.parity.judging import FACTOR, ROUNDING, diagnose, judge, levels
from harness.porting.parity.quantities import ComparedArray

RIGHT, WRONG = 1e-7, 1e-2
DESCRIBED = Described(framework="f", version="1", device="d", device_name="d", execution="eager", sources="s")
ORDER = ("embed", "block.norm", "block.mlp", "block", "head", "")
PARAMETERS = {"embed": ("embed.weight",), "block.norm": ("block.norm.weight",), "head": ("head.weight",)}
KINDS = ("input", "activation", "value", "input gradient")


def reference(yardstick):
    calls = [ModuleCall(name=n, kind="k", outputs=((1,),), parameters=PARAMETERS.get(n, ())) for n in ORDER]
    return Reference(
        described=DESCRIBED, architecture_fingerprint="a", calls=tuple(calls), yardstick=dict.fromkeys(yardstick, RIGHT)
    )


def found(wrong, *, alone=True):
    """The diagnosis where the quantities in `wrong` are off and all others are right."""
    quantities = [ComparedArray(kind, name, "0") for name in ORDER for kind in KINDS if alone or kind in KINDS[:2]]
    quantities += [ComparedArray("prediction"), ComparedArray("loss")]
    quantities += [ComparedArray("gradient", name) for names in PARAMETERS.values() for name in names]
    quantities += [ComparedArray("update", name) for names in PARAMETERS.values() for name in names]
    quantities += [ComparedArray("loss of a step", part=f"{step:04d}") for step in range(3)]
    assert wrong <= {q[:2] for q in quantities}
    deviations = {q.key: WRONG if q[:2] in wrong else RIGHT for q in quantities}
    made = reference(deviations)
    judged = judge(Answer(described=DESCRIBED, deviations=deviations), made)
    verdicts = {level.name: level.verdict for level in levels(judged)}
    diagnosis = diagnose(judged, made.calls)
    assert diagnosis is None or verdicts[diagnosis.level] == "failed"
    return diagnosis


def after(*names):
    """The inputs of some modules and the outputs of these and the network depart in place."""
    return {("input", name) for name in names} | {("activation", name) for name in (*names, "")} | {("prediction", "")}


def test_nothing_departs_nothing_is_named():
    assert found(set()) is None


def test_the_innermost_module_that_departs_alone_is_named():
    wrong = {("value", "block.mlp"), ("value", "block"), ("value", "")}
    diagnosis = found(wrong | after("head") | {("activation", "block.mlp"), ("activation", "block")})
    assert (diagnosis.level, diagnosis.layer, diagnosis.where) == ("layers", "block.mlp", "")


def test_of_several_modules_that_depart_alone_the_first_to_end_is_named():
    wrong = {("value", name) for name in ("block.norm", "block.mlp", "block", "head", "")}
    assert found(wrong).layer == "block.norm"


def test_a_module_wrong_between_its_parts_is_named_with_them():
    diagnosis = found({("value", "block"), ("value", "")} | after("block.mlp", "head") | {("activation", "block")})
    assert (diagnosis.layer, diagnosis.where) == ("block", "after block.norm and before block.mlp")


def test_the_network_itself_is_named_where_all_its_parts_are_right_alone():
    diagnosis = found({("value", "")} | after("block", "block.norm", "block.mlp", "head"))
    assert (diagnosis.layer, diagnosis.where) == ("the network", "after embed and before block")


def test_without_modules_alone_the_first_output_that_departs_is_named():
    wrong = after("head") | {("activation", "block.mlp"), ("activation", "block")}
    assert found(wrong, alone=False).layer == "block.mlp"


def test_without_modules_alone_a_wrong_input_points_to_what_is_around():
    wrong = after("block.norm", "block.mlp", "block", "head")
    diagnosis = found(wrong, alone=False)
    assert (diagnosis.layer, diagnosis.where) == ("the network", "after embed and before block")


def test_a_loss_off_a_right_prediction_is_the_loss():
    assert found({("loss", ""), ("gradient", "head.weight")}).layer == "loss"


def test_a_wrong_slope_of_a_right_module_is_seen_at_the_level_of_gradients():
    wrong = {("input gradient", "block"), ("input gradient", ""), ("gradient", "embed.weight")}
    diagnosis = found(wrong)
    assert (diagnosis.level, diagnosis.layer) == ("gradients", "block")


def test_gradients_alone_name_the_last_layer_that_has_a_wrong_one():
    diagnosis = found({("gradient", "embed.weight"), ("gradient", "block.norm.weight")}, alone=False)
    assert (diagnosis.level, diagnosis.layer) == ("gradients", "block.norm")


def test_right_gradients_and_wrong_updates_are_the_optimiser():
    diagnosis = found({("update", "embed.weight"), ("loss of a step", "")})
    assert (diagnosis.level, diagnosis.layer) == ("trajectory", "optimiser")


def test_losses_that_part_later_are_the_training_step():
    assert found({("loss of a step", "")}).layer == "training step"


@pytest.mark.parametrize(
    ("yardstick", "off", "departs"), [(1e-7, 31e-7, False), (1e-7, 33e-7, True), (0.0, 1e-6, False)]
)
def test_what_is_allowed_is_a_multiple_of_the_yardstick_and_of_a_rounding_at_least(yardstick, off, departs):
    key = ComparedArray("prediction").key
    made = reference([key]).model_copy(update={"yardstick": {key: yardstick}})
    (judged,) = judge(Answer(described=DESCRIBED, deviations={key: off}), made)
    assert judged.tolerance == FACTOR * max(yardstick, ROUNDING)
    assert judged.departs is departs


def test_the_yardstick_of_a_loss_never_falls():
    keys = [ComparedArray("loss of a step", part=f"{step:04d}").key for step in range(3)]
    made = reference(keys).model_copy(update={"yardstick": dict(zip(keys, (1e-7, 4e-7, 2e-7), strict=True))})
    judged = judge(Answer(described=DESCRIBED, deviations=dict.fromkeys(keys, 0.0)), made)
    assert [each.tolerance / FACTOR for each in judged] == pytest.approx([1e-7, 4e-7, 4e-7])


def test_what_cannot_be_compared_departs():
    key = ComparedArray("activation", "head", "0").key
    judged = judge(Answer(described=DESCRIBED, deviations={key: None}), reference([key]))
    assert judged[0].departs
    assert levels(judged)[0].worst.deviation is None


def test_the_loss_is_held_against_what_rounding_does_to_the_prediction():
    """PyTorch's own loss happens to be exact here; a port's is off by as much as its prediction may be."""
    prediction, loss = ComparedArray("prediction").key, ComparedArray("loss").key
    made = reference({prediction, loss}).model_copy(update={"yardstick": {prediction: 1e-5, loss: 0.0}})
    for deviation, departs in ((0.9 * FACTOR * 1e-5, False), (1.1 * FACTOR * 1e-5, True)):
        judged = judge(Answer(described=DESCRIBED, deviations={prediction: 0.0, loss: deviation}), made)
        assert [each.departs for each in judged] == [False, departs]
