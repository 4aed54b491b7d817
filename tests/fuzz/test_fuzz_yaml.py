"""Whatever is in a file of scenarios/, it is loaded, or refused in one line with its name."""

import json
from pathlib import Path

import pytest
import yaml
from effort import effort
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutations

from harness.errors import UserError
from harness.scenario import catalogue

READERS = {
    "chips": catalogue.chip,
    "claims": catalogue.claims,
    "data": catalogue.data,
    "models": catalogue.model,
    "suites": catalogue.suite,
    "weights": catalogue.weights,
}
SHIPPED = [(kind, name) for kind in READERS for name in catalogue.names(kind)]  # type: ignore[arg-type]
SNIPPETS = (
    "!!int x", "!!float ''", "!!timestamp x", "!!binary x", "!own {}", "&a [*a]", "*a", "<<: *a", "2001-02-30", "? [1]",
    "1" * 5000, "0x" + "f" * 4000, "1:2:3:4:5", "[" * 2000, "{a: " * 200, "- " * 300, "\x00", "\ufeff", "\ud800",
    "---\n", "...\n", "%YAML 9.9\n", "|+\n", ">-\n", "'", '"', "\t", "\r", "#", "&a ", "~", ".inf", "-.NaN", "0b", "_",
    "=", "\\x", "\u2028",
)  # fmt: skip


def read(path: Path, kind: str, content: bytes) -> None:
    path.write_bytes(content)
    try:
        READERS[kind](str(path))
        return
    except UserError as error:
        said = str(error)
    assert said.startswith(str(path))
    assert "\n" not in said
    assert len(said) < 3000


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_values_that_do_not_belong(tmp_path, kind, name):
    content = json.loads(json.dumps(yaml.safe_load(catalogue.path_of(kind, name).read_text()), default=str))

    @effort(4)
    @given(mutations(content))
    def search(changed):
        text = json.dumps(changed, indent=1) if changed is not None else ""
        read(tmp_path / "own.yaml", kind, text.encode())
        try:
            written = yaml.safe_dump(changed).encode("utf-8", "surrogatepass")
        except yaml.YAMLError:
            return
        read(tmp_path / "own.yaml", kind, written)

    search()


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_text_that_does_not_belong(tmp_path, kind, name):
    content = catalogue.path_of(kind, name).read_text()

    @effort(4)
    @given(st.data())
    def search(data):
        changed = content
        for _ in range(data.draw(st.integers(1, 3))):
            first = data.draw(st.integers(0, len(changed)))
            last = data.draw(st.integers(first, min(len(changed), first + 40)))
            changed = changed[:first] + data.draw(st.sampled_from(SNIPPETS) | st.text(max_size=5)) + changed[last:]
        read(tmp_path / "own.yaml", kind, changed.encode("utf-8", "surrogatepass"))

    search()


@effort(50)
@given(content=st.binary(max_size=300))
def test_any_bytes(tmp_path_factory, content):
    read(tmp_path_factory.getbasetemp() / "own.yaml", "suites", content)
