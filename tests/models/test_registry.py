"""What a package that is registered as a model must offer."""

import sys

import numpy as np
import pytest

from harness.architectures import architecture
from harness.errors import UserError
from harness.models.domain import Domain, plain_channels
from harness.models.executing import operators_of

OFFERS = ("Network", "check_grid", "input_spec", "parameters", "describe", "loss_weights", "training_extras")


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """registered(source): a distribution whose entry point labnet names a module of that source."""

    def register(source: str) -> None:
        metadata = tmp_path / "labnet-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: labnet\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[crosscast.models]\nlabnet = labnet_of_tests\n")
        (tmp_path / "labnet_of_tests.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "labnet_of_tests", raising=False)

    return register


def test_a_package_that_offers_all_is_loaded(registered):
    registered("\n".join(f"{name} = None" for name in OFFERS))
    assert architecture("labnet").__name__ == "labnet_of_tests"


@pytest.mark.parametrize("left_out", OFFERS)
def test_what_a_package_lacks_is_named(registered, left_out):
    registered("\n".join(f"{name} = None" for name in OFFERS if name != left_out))
    with pytest.raises(UserError, match=rf"architecture 'labnet': labnet_of_tests lacks {left_out}; harness/models"):
        architecture("labnet")


@pytest.mark.parametrize("source", ["import no_such_package", "def broken(:", "print(undefined)"])
def test_a_package_that_cannot_be_imported_is_one_line(registered, source):
    registered(source)
    with pytest.raises(UserError, match="architecture 'labnet': labnet_of_tests cannot be imported: ") as raised:
        architecture("labnet")
    assert "\n" not in str(raised.value)


FAULTY = {
    "check_grid": "def check_grid(grid):\n    pass",
    "parameters": "def parameters(network, domain):\n    return 2 * domain.outputs.nothing",
    "describe": "def describe(network, domain):\n    return {'loss': 'mean'}",
    "loss_weights": "def loss_weights(network, domain):\n    return domain.mask[0]",
}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("check_grid", "check_grid failed at labnet_of_tests.py:1: TypeError: check_grid() takes 1 positional"),
        ("parameters", "parameters failed at labnet_of_tests.py:2: AttributeError: 'int' object has no"),
        ("describe", "describe gives no 'parameters'"),
        ("loss_weights", "loss_weights gives the shape (3, 4), not that of (C, H, W), (2, 3, 4)"),
    ],
)
def test_what_a_function_of_a_package_does_wrong_is_one_line_with_its_place(registered, name, said):
    registered("\n".join([FAULTY[name], *(f"{other} = None" for other in OFFERS if other != name)]))
    domain = Domain(
        channels=plain_channels("uv"),
        latitude=np.arange(3.0),
        longitude=np.arange(4.0),
        mask=np.ones((2, 3, 4), dtype=bool),
        residual_scale=np.full(2, np.nan, dtype=np.float32),
    )
    with pytest.raises(UserError) as raised:
        getattr(architecture("labnet"), name)(None, domain)
    assert str(raised.value).startswith(f"architecture 'labnet': {said}")
    assert str(raised.value).endswith("; harness/models/__init__.py says what it takes and gives")


def test_a_function_that_a_package_has_taken_from_another_is_told_of_by_the_line_there(registered):
    others = "\n".join(f"{name} = None" for name in OFFERS if name != "check_grid")
    registered(f"from harness.models.fourcastnet import check_grid\n{others}")
    with pytest.raises(UserError, match=r"check_grid failed at \S+config\.py:\d+: AttributeError: 'NoneType' object"):
        architecture("labnet").check_grid(None, (1, 1))


def test_a_refusal_and_a_lack_of_memory_are_passed_on(registered):
    registered(
        "from harness.errors import UserError\n"
        "def check_grid(network, grid):\n    raise UserError('too small')\n"
        "def parameters(network, domain):\n    raise MemoryError\n"
        + "\n".join(f"{name} = None" for name in OFFERS if name not in ("check_grid", "parameters"))
    )
    package = architecture("labnet")
    with pytest.raises(UserError, match=r"^too small$"):
        package.check_grid(None, (1, 1))
    with pytest.raises(MemoryError):
        package.parameters(None, None)


def test_an_operator_that_no_table_has_is_named(registered):
    registered("OPERATORS = ('gellu',)\n" + "\n".join(f"{name} = None" for name in OFFERS))
    with pytest.raises(UserError, match=r"^labnet_of_tests: OPERATORS names 'gellu'; did you mean 'gelu'"):
        operators_of(architecture("labnet"))
