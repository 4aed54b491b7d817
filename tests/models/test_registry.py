"""What a package that is registered as a model must offer."""

import sys

import pytest

from harness.architectures import architecture
from harness.errors import UserError

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


@pytest.mark.parametrize("source", ["import no_such_package", "def broken(:"])
def test_a_package_that_cannot_be_imported_is_one_line(registered, source):
    registered(source)
    with pytest.raises(UserError, match="architecture 'labnet': labnet_of_tests cannot be imported: ") as raised:
        architecture("labnet")
    assert "\n" not in str(raised.value)
