"""YAML that lies about itself: one line with file and line, in bounded time and memory."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from shared import REPOSITORY

from harness.errors import UserError
from harness.scenario import catalogue
from harness.scenario.bounded_yaml import MOST_BYTES, MOST_DEPTH, MOST_NODES, build, root_node
from harness.scenario.loading import load
from harness.scenario.schema import SuiteConfig

SUITE = (REPOSITORY / "scenarios/suites/smoke.yaml").read_text()
CHIP = (REPOSITORY / "scenarios/chips/cpu.yaml").read_text()

MEMORY_BYTES = 2 * 2**30
"""Address space of the child; what it imports needs a third of it."""


def refusal(path: Path, content: bytes | str) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as raised:
        load(path, SuiteConfig)
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 500
    assert message.startswith(f"{path}:")
    return message.removeprefix(f"{path}:")


def bomb(levels: int, width: int, brackets: str = "[]") -> str:
    """Every level names the one below `width` times: width ** levels values."""
    lines = [f"a0: &a0 {brackets[0]}x{brackets[1]}"]
    for level in range(1, levels + 1):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("!!int x", "x is no integer"),
        ("!!int ''", " is no integer"),
        ("!!float x", "x is no number"),
        ("!!timestamp x", "x is no date or time"),
        ("!!bool x", "x is no true or false"),
        ("!!binary x", "the tag !!binary is not used here"),
        ("!!set {a, b}", "the tag !!set is not used here"),
        ("!!omap [a: 1]", "the tag !!omap is not used here"),
        ("!own x", "the tag !own is not used here"),
        ("!!python/name:os.system", "the tag !!python/name:os.system is not used here"),
        ("!!int [1]", ""),
        ("2001-02-30", "2001-02-30 is no date or time"),
        ("2001-01-01T25:00:00Z", "2001-01-01T25:00:00Z is no date or time"),
        ("2001-01-01 00:00:00 +99:99", "is no date or time"),
        ("9" * 5000, "no integer has 5000 characters"),
        ("0x" + "f" * 5000, "no integer has 5002 characters"),
        ("1" + ":59" * 2000, "no integer has 6001 characters"),
        ("9" * 99, "is beyond 64 bits"),
        ("9" * 5000 + ".0", "no number has 5002 characters"),
        ("1.0e+400", "must be a finite number"),
        ("x" * 20_000, "a text of 20000 characters"),
    ],
)
def test_a_value_that_is_none_is_named_with_its_line(tmp_path, value, why):
    for name in ("launches", "unknown"):
        message = refusal(tmp_path / "suite.yaml", f"{SUITE.rstrip()}\n{name}x: {value}\n")
        line = SUITE.rstrip().count("\n") + 2
        assert message.startswith(f"{line}: ")
        assert why in message


@pytest.mark.parametrize("text", ["1e400", "inf", "-Infinity", "NaN", "'1e999'"])
def test_text_that_becomes_an_infinite_number_is_named_with_its_line(tmp_path, text):
    path = tmp_path / "suite.yaml"
    rest = [line for line in SUITE.splitlines() if not line.startswith(("idle_s", "time_limit_s"))]
    message = refusal(path, "\n".join([*rest, f"time_limit_s: {text}"]))
    assert message.startswith(f"{len(rest) + 1}: time_limit_s: ")
    assert "finite" in message or "greater than 0" in message


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        ("a: " + "[" * 1000 + "]" * 1000, 1, f"nested more than {MOST_DEPTH} levels"),
        ("a: " + "[" * 100_000, 1, f"nested more than {MOST_DEPTH} levels"),
        ("\n".join(" " * n + "a:" for n in range(1000)), MOST_DEPTH, f"nested more than {MOST_DEPTH} levels"),
        ("- " * 5000, 1, f"nested more than {MOST_DEPTH} levels"),
        (bomb(9, 9), None, f"more than {MOST_NODES} values"),
        (bomb(40, 2), None, f"more than {MOST_NODES} values"),
        (bomb(200, 1), None, f"nested more than {MOST_DEPTH} levels"),
        ("a0: &a0 {x: 1}\n" + "\n".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40)), None, ""),
        ("a: [" + "1, " * 200_000 + "]", 1, f"more than {MOST_NODES} values"),
        ("a: 1\n" * (MOST_BYTES // 5 + 1), None, "at most 1 MiB are read here"),
        (b"a: 1\nb: \x00\n", 2, "U+0000"),
        ("a: 1\nb: \ud800".encode("utf-8", "surrogatepass"), 2, "not UTF-8"),
        (SUITE.encode("utf-16"), 1, "not UTF-8"),
        (SUITE.encode("utf-16-be"), 1, "U+0000"),
        (SUITE.encode("utf-32"), 1, "not UTF-8"),
        ("<<: *a", 1, "undefined alias"),
        ("a: 1\n<<: 3", 2, "not valid YAML"),
        ("a: &a [*a]", 1, "used inside itself"),
        ("a: &a {<<: *a}", 1, "used inside itself"),
        ("? 2001-02-30\n: 1", 1, "is no date or time"),
    ],
)
def test_what_has_no_end_or_no_sense_is_refused(tmp_path, content, line, why):
    message = refusal(tmp_path / "suite.yaml", content)
    assert why in message
    if line is not None:
        assert message.startswith(f"{line}: ")


def test_a_name_without_end_is_cut_in_the_message(tmp_path):
    message = refusal(tmp_path / "own.yaml", f"{SUITE}\n{'1' * 1000} x: 1\n")
    assert f"{'1' * 60}...: unknown field" in message


def test_a_bomb_takes_no_memory(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(bomb(30, 9))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    code = "from harness.commands.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "bench", "--suite", str(path)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "with those that aliases stand for" in done.stderr


def test_aliases_and_merge_keys_within_the_bounds_mean_what_yaml_says(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {x: 1, y: [2, 3]}\nb: {<<: *a, x: 4}\nc: [*a, *a]\nd: 2001-02-28\ne: !!int 3\nf: !!str 3\n")
    assert build(path, root_node(path)) == yaml.safe_load(path.read_text())


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_bytes(SUITE.encode("utf-8-sig"))
    assert load(path, SuiteConfig) == catalogue.suite("smoke")


def test_special_files_are_named(tmp_path):
    path = tmp_path / "suite.yaml"
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"suite\.yaml: cannot be read: a FIFO, not a regular file"):
        catalogue.suite(str(path))
    for name in (f"{'x' * 300}.yaml", "a\0b.yaml", str(tmp_path / "absent.yaml")):
        with pytest.raises(UserError, match="no such file"):
            catalogue.suite(name)


@pytest.mark.parametrize(
    "packages", ["[os.path]", "['']", "[.x]", "[a b]", "[__main__.x]", '["torch\\n"]', "[crosscast_trap.part]"]
)
def test_no_package_is_imported_to_find_out_whether_a_part_of_it_is_there(tmp_path, monkeypatch, packages):
    (tmp_path / "crosscast_trap").mkdir()
    (tmp_path / "crosscast_trap/__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "chip.yaml"
    path.write_text(CHIP.replace("[torch]", packages))
    with pytest.raises(UserError, match=r"chip\.yaml:\d+: frameworks\.pytorch\.packages\.0: "):
        catalogue.chip(str(path))
    assert "crosscast_trap" not in sys.modules


@pytest.mark.parametrize("name", ["os.path", "harness.models.graphcast", "crosscast_trap", "", "a b", "nan"])
def test_only_registered_architectures_are_loaded(tmp_path, monkeypatch, name):
    (tmp_path / "crosscast_trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "model.yaml"
    text = (REPOSITORY / "scenarios/models/fourcastnet.yaml").read_text()
    path.write_text(text.replace("architecture: fourcastnet", f"architecture: {name!r}"))
    with pytest.raises(UserError, match=r"model\.yaml:\d+: architecture: no architecture"):
        catalogue.model(str(path))


@pytest.mark.parametrize(
    "glob", ["/**/**/x", "/dev/**", "**", "*", "/*/*/*/*/*", "/", "//", "dev/x", "/dev/../etc/*", "/dev/\\0", "/[a]/b"]
)
def test_device_files_are_not_searched_for_everywhere(tmp_path, glob):
    path = tmp_path / "chip.yaml"
    path.write_text(f'{CHIP.rstrip()}\ndevice_nodes: "{glob}"\n')
    with pytest.raises(UserError, match=r"chip\.yaml:\d+: device_nodes: "):
        catalogue.chip(str(path))


@pytest.mark.parametrize("glob", ["/dev/null[", "/dev/nul[a-l]", "/dev/dri/renderD*", "/dev/kfd", "/dev/n?ll"])
def test_a_glob_in_the_last_part_is_one(tmp_path, glob):
    path = tmp_path / "chip.yaml"
    path.write_text(f'{CHIP.rstrip()}\ndevice_nodes: "{glob}"\n')
    assert catalogue.chip(str(path)).device_nodes == glob


@pytest.mark.parametrize("glob", ["**/**/**", "**/a/**/*.nc", "a**.nc", "", ".", "..", "/x", "a/../../b", "a\\0b"])
def test_data_files_are_searched_for_with_globs_that_end(tmp_path, glob):
    path = tmp_path / "data.yaml"
    path.write_text(
        f'kind: archive\nfiles: "{glob}"\nchannels: [{{name: t, variable: t, units: K}}]\n',
    )
    with pytest.raises(UserError, match=r"data\.yaml:2: (archive\.)?files"):
        catalogue.data(str(path))
