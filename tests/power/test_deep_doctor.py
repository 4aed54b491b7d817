"""`crosscast doctor --deep` through the real command line."""

import json
import signal

import pytest
import yaml

from harness.results.deep_report import path_of
from tests.shared import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CHIP = yaml.safe_load((REPOSITORY / "scenarios" / "chips" / "cpu.yaml").read_text())
QUICK = ("--execution", "eager", "--limit", 250, "--json")


@pytest.fixture
def pytorch_alone(tmp_path):
    """The CPU with PyTorch alone, as a chip's file."""
    path = tmp_path / "ours.yaml"
    path.write_text(yaml.safe_dump({**CHIP, "frameworks": {"pytorch": CHIP["frameworks"]["pytorch"]}}))
    return path


def test_all_is_right_but_a_sensor_that_does_not_see_the_load(crosscast, pytorch_alone, tmp_path):
    done = crosscast("doctor", "--deep", "--chip", pytorch_alone, "--collectors", "deaf", *QUICK)
    report = json.loads(done.stdout)
    found = {(check["group"], check["name"]): check for check in report["checks"]}
    assert found["machine", "power sensor cpu"]["verdict"] == "failed"
    assert [check["name"] for check in report["checks"] if check["verdict"] == "failed"] == ["power sensor cpu"]
    assert done.returncode == 2
    assert "1 of " in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].endswith("checks failed: power sensor cpu (machine)")
    group = "pytorch eager"
    sure = ("device", "precision of products", "operators", "fourcastnet", "graphcast", "aigoms", "end of the process")
    for name in sure:
        assert found[group, name]["verdict"] == "ok", found[group, name]
    assert (group, "synchronise") in found
    assert report["chip"] == "ours"
    written = path_of(tmp_path / "results", "ours", report["host"])
    assert json.loads(written.read_text()) == report
    groups = [check["group"] for check in report["checks"]]
    assert groups == sorted(groups, key=["machine", group].index)


BROKEN = {
    "a library is not found": 'raise ImportError("libhccl.so: cannot open shared object file")',
    "it dies": f"import os\nos.kill(os.getpid(), {int(signal.SIGSEGV)})",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_framework_that_cannot_be_imported(crosscast, pytorch_alone, tmp_path, fault):
    package = tmp_path / "broken" / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(BROKEN[fault])
    path = str(package.parent)
    done = crosscast("doctor", "--deep", "--chip", pytorch_alone, "--collectors", "null", *QUICK, PYTHONPATH=path)
    assert done.returncode == 2
    report = json.loads(done.stdout)
    failed = {check["group"]: check for check in report["checks"] if check["verdict"] == "failed"}
    assert set(failed) == {"reference on the CPU", "pytorch eager"}
    said = failed["pytorch eager"]
    if fault == "it dies":
        assert said["found"].startswith(f"status -{int(signal.SIGSEGV)} during: opening the device")
    else:
        assert (
            "libhccl.so: cannot open shared object file: CANN's libraries are not on the path: source /usr/"
            in said["found"]
        )
        assert "set_env.sh" in failed["reference on the CPU"]["advice"]


def test_what_cannot_be_looked_at_is_one_line_and_leaves_nothing(crosscast, tmp_path):
    done = crosscast("doctor", "--deep", "--chip", "dcu-z100l")
    assert done.returncode == 2
    assert "no Hygon DCU Z100L here" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()
