"""Rules of names are invertible: what they take apart comes back, value by value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.porting.convert.names import rename
from harness.porting.convert.tensors import from_array
from harness.scenario import catalogue
from harness.scenario.weights import Rule, WeightNames

RULES = (
    Rule(file="{*at}.gamma", ours="{*at}.weight", rank=1),
    Rule(file="{at}.qkv", ours=("{at}.q", "{at}.k", "{at}.v"), join="concatenate"),
    Rule(file="{at}.kernel", ours="{at}.matrix", transpose=(1, 0)),
)
NAMES = WeightNames(title="made", source="tests", rules=RULES)


def tensors(shapes):
    random = np.random.default_rng(0)
    return [from_array(name, "F32", random.standard_normal(shape).astype(np.float32)) for name, shape in shapes.items()]


def values(found):
    return {tensor.name: np.ascontiguousarray(tensor.bits()) for tensor in found}


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_there_and_back_is_the_same_to_the_last_bit(rows, columns, layers):
    shapes = {}
    for layer in range(layers):
        shapes |= {f"l{layer}.norm.gamma": (rows,), f"l{layer}.kernel": (rows, columns), f"l{layer}.qkv": (3 * rows, 2)}
    given_ = tensors(shapes)
    ours = rename(given_, NAMES, "to_ours").tensors
    assert {f"l{layer}.matrix" for layer in range(layers)} <= {tensor.name for tensor in ours}
    back = values(rename(ours, NAMES, "to_file").tensors)
    for name, expected in values(given_).items():
        np.testing.assert_array_equal(back[name], expected)


def test_a_transposed_matrix_is_the_transposed_one():
    (given_,) = tensors({"l0.kernel": (2, 3)})
    (ours,) = rename([given_], NAMES, "to_ours").tensors
    assert (ours.name, ours.shape, ours.moved) == ("l0.matrix", (3, 2), True)
    np.testing.assert_array_equal(ours.bits(), given_.bits().T)


def test_a_fused_tensor_is_taken_apart_in_its_order():
    (fused,) = tensors({"l0.qkv": (6, 3)})
    parts = rename([fused], NAMES, "to_ours").tensors
    assert [tensor.name for tensor in parts] == ["l0.q", "l0.k", "l0.v"]
    np.testing.assert_array_equal(np.concatenate([tensor.bits() for tensor in parts]), fused.bits())


def test_two_sources_for_one_name_are_refused():
    with pytest.raises(UserError, match="would both become"):
        rename(tensors({"a.gamma": (2,), "a.weight": (2,)}), NAMES, "to_ours")


@pytest.mark.parametrize("name", catalogue.names("weights"))
def test_every_file_of_names_can_be_read(name):
    assert catalogue.weights(name).title
