"""Mistakes planted in right ports are found where they lie; right ports raise no alarm."""

import pytest
from mistakes import MISTAKES

from harness.porting.parity.exchange import Trial
from harness.scenario.execution import GRAPH, Execution, Precision

pytestmark = pytest.mark.slow

MODELS = ("fourcastnet", "graphcast", "aigoms")
SEEDS_OF_RIGHT_PORTS = {"fourcastnet": range(1, 7), "graphcast": range(9, 12), "aigoms": range(12, 17)}
COMPILED = {"fourcastnet": (None, "gradient_cut"), "graphcast": (None,)}


def trials(names, seed=0):
    return [Trial(seed=seed, port=name and f"faulty_ports:{name}") for name in names]


@pytest.fixture(scope="session")
def compared(compare):
    """By model: its ports with a mistake, then right ports of several seeds, op by op, each by what was asked."""
    found = {}
    for model in MODELS:
        names = [name for name, where in MISTAKES.items() if where.model == model]
        right = [Trial(seed=seed) for seed in SEEDS_OF_RIGHT_PORTS[model]]
        outcomes = compare(model, [*trials(names), *right])
        found[model] = dict(zip(names, outcomes, strict=False)), outcomes[len(names) :]
    return found


@pytest.fixture(scope="session")
def outcomes(compared):
    """By mistake: what was found in the port that has it."""
    return {name: outcome for wrong, _ in compared.values() for name, outcome in wrong.items()}


def test_there_are_twenty_mistakes_and_more():
    assert len(MISTAKES) >= 20
    assert {where.level for where in MISTAKES.values()} == {"layers", "gradients", "trajectory"}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_layer_with_the_mistake_is_named_at_the_lowest_level_that_sees_it(outcomes, name):
    found, expected = outcomes[name].diagnosis, MISTAKES[name]
    place = f"{found.layer} ({found.where})" if found.layer == "the network" else found.layer
    assert found.level == expected.level
    assert place == expected.layer or (expected.layer.endswith(".") and place.startswith(expected.layer))


@pytest.mark.parametrize("model", MODELS)
def test_right_ports_raise_no_alarm(compared, model):
    _, found = compared[model]
    assert [outcome.trial for outcome in found] == [Trial(seed=seed) for seed in SEEDS_OF_RIGHT_PORTS[model]]
    assert [(outcome.trial.seed, outcome.diagnosis) for outcome in found if outcome.diagnosis] == []
    assert min(len(outcome.judged) for outcome in found) > 100


@pytest.mark.parametrize("model", COMPILED)
def test_compiled_graphs_are_watched_too(compare, model):
    right, *wrong = compare(model, trials(COMPILED[model]), GRAPH)
    assert right.diagnosis is None
    assert {each.quantity.kind for each in right.judged} >= {"activation", "gradient", "loss of a step", "update"}
    for outcome, name in zip(wrong, COMPILED[model][1:], strict=True):
        assert outcome.diagnosis.level == MISTAKES[name].level


def test_in_a_lower_format_a_right_port_passes_and_gross_mistakes_are_seen(compare):
    """By the policy of layers, training with its scale of the loss and all."""
    names = (None, "skip_of_the_mixer_missing", "gradient_cut")
    right, *wrong = compare("fourcastnet", trials(names), Execution(precision=Precision(autocast="fp16")))
    assert right.diagnosis is None
    kinds = {each.quantity.kind for each in right.judged}
    assert kinds == {"prediction", "loss", "gradient", "update", "loss of a step"}
    assert all(outcome.diagnosis for outcome in wrong)
