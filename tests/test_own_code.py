"""Code of a lab's own, by name: what is found, and what is said of what is not."""

import pytest

from harness.errors import UserError
from harness.own_code import named

FILES = {
    "crosscast_own_good": "value = 3",
    "crosscast_own_lacking": "import no_such_library",
    "crosscast_own_wrong": "def f(:",
    "crosscast_own_failing": "1 / 0",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_module_and_a_name_in_it():
    assert named("crosscast_own_good").value == named("crosscast_own_good:value") == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crosscast_own_absent", "No module named 'crosscast_own_absent'; give module[:name] from the current folder"),
        ("crosscast_own_good:other", "has no attribute 'other'; give module[:name] from the current folder"),
        ("crosscast_own_lacking", "it imports 'no_such_library', which is not installed here"),
        ("crosscast_own_wrong", "the module fails when imported: SyntaxError: invalid syntax"),
        ("crosscast_own_failing", "the module fails when imported: ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_wrong_with_it(name, said):
    with pytest.raises(UserError) as refused:
        named(name)
    assert str(refused.value).startswith(f"{name}: ")
    assert said in str(refused.value)
    assert str(refused.value).count(name.partition(":")[0]) <= 2
