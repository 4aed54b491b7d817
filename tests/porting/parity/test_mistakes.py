"""Mistakes planted in right ports are found where they lie; right ports raise no alarm."""

from functools import cache

import pytest
from mistakes import MISTAKES

from harness.porting.parity.exchange import Trial
from harness.scenario.execution import GRAPH, Execution, Precision

pytestmark = pytest.mark.slow

MODELS = ("fourcastnet", "graphcast", "aigoms")
SEED = 0
WELL_WITHIN = 0.5
"""What right ports reach of what is allowed, over 20 seeds 0.4 at the most."""


def trials(names):
    return [Trial(seed=SEED, port=name and f"faulty_ports:{name}") for name in names]


@pytest.fixture(scope="session")
def compared(compare):
    """compared(model): its ports with a mistake, by mistake, then its right port, all op by op."""

    @cache
    def of(model):
        names = [name for name, where in MISTAKES.items() if where.model == model]
        *wrong, right = compare(model, trials([*names, None]))
        return dict(zip(names, wrong, strict=True)), right

    return of


def test_there_are_twenty_mistakes_and_more():
    assert len(MISTAKES) >= 20
    assert {where.level for where in MISTAKES.values()} == {"layers", "gradients", "trajectory"}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_layer_with_the_mistake_is_named_at_the_lowest_level_that_sees_it(compared, name):
    expected = MISTAKES[name]
    found = compared(expected.model)[0][name].diagnosis
    place = f"{found.layer} ({found.where})" if found.layer == "the network" else found.layer
    assert found.level == expected.level
    assert place == expected.layer or (expected.layer.endswith(".") and place.startswith(expected.layer))


@pytest.mark.parametrize("model", MODELS)
def test_right_ports_raise_no_alarm(compared, model):
    _, right = compared(model)
    assert right.trial.port is None
    assert right.diagnosis is None
    assert len(right.judged) > 100
    assert max(each.share for each in right.judged) < WELL_WITHIN


def test_a_right_compiled_port_passes_and_a_gradient_that_is_cut_in_it_is_named(compare):
    right, cut = compare("fourcastnet", trials([None, "gradient_cut"]), GRAPH)
    assert right.diagnosis is None
    assert cut.diagnosis.level == MISTAKES["gradient_cut"].level


def test_compiled_graphs_are_watched_too(compare):
    """Layers, some of which have several outputs, and gradients raise no alarm there; a wrong update does."""
    (found,) = compare("graphcast", trials(["no_bias_correction"]), GRAPH)
    assert {each.quantity.kind for each in found.judged} >= {"activation", "gradient", "loss of a step", "update"}
    assert (found.diagnosis.level, found.diagnosis.layer) == ("trajectory", "optimiser")


def test_in_a_lower_format_a_right_port_passes_and_gross_mistakes_are_seen(compare):
    """By the policy of layers, training with its scale of the loss and all."""
    names = (None, "skip_of_the_mixer_missing", "gradient_cut")
    right, *wrong = compare("fourcastnet", trials(names), Execution(precision=Precision(autocast="fp16")))
    assert right.diagnosis is None
    kinds = {each.quantity.kind for each in right.judged}
    assert kinds == {"prediction", "loss", "gradient", "update", "loss of a step"}
    assert all(outcome.diagnosis for outcome in wrong)
