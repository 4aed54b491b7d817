"""`bench --port`: a module of a lab's own trains and forecasts in the place of the harness's network."""

import sys

import pytest

from harness.analysis.cells import load_results
from harness.architectures import architecture
from harness.errors import UserError
from harness.launch.own_port import ports_of
from harness.models.ports import refuse_changed
from harness.models.sources import sources_digest
from harness.scenario.scenario import Selection

PORT = """
from harness.models.fourcastnet.pytorch import blocks, build as build_harness, loss

def build(network, domain, execution):
    print("this is the port of the lab")
    return build_harness(network, domain, execution)
"""


def test_the_port_runs_and_the_records_say_so(crosscast, write_suite, tmp_path):
    (tmp_path / "lab.py").write_text(PORT)
    suite = write_suite()
    port = ("--framework", "pytorch", "--port", "lab")
    done = crosscast("bench", "--suite", suite, *port, "--set", "training.batch_size=4")
    assert done.returncode == 0, done.stderr
    (cell,) = load_results(tmp_path / "results").cells
    (record,) = cell.launches
    assert cell.scenario.port.name == "lab"
    assert "this is the port of the lab" in (record.path.parent / "log.txt").read_text()
    assert record.scenario.training.batch_size == 4
    assert record.summary.sources != sources_digest(architecture("fourcastnet"), "pytorch")
    assert "pytorch eager, batch size 4, port lab" in done.stdout


@pytest.mark.parametrize(
    ("imported", "reason"),
    [
        ("build_harness", "port 'lab': has no loss; see harness/models/__init__.py"),
        ("build_harness, losses", "port lab: ImportError: cannot import name 'losses'"),
    ],
)
def test_a_port_that_cannot_be_loaded_is_refused_before_a_launch(crosscast, write_suite, tmp_path, imported, reason):
    (tmp_path / "lab.py").write_text(PORT.replace("build_harness, loss", imported))
    done = crosscast("bench", "--suite", write_suite(), "--framework", "pytorch", "--port", "lab")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert reason in done.stderr
    assert "nothing was launched" in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_port_that_was_changed_since_the_bench_read_it_is_refused(tmp_path, monkeypatch):
    """The cell is named after the file that was there before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "lab_at_work.py").write_text(PORT)
    port = ports_of(Selection(port="lab_at_work", framework="pytorch"), ["fourcastnet"], ["pytorch"])["pytorch"]
    refuse_changed(port.name, port.source)
    (tmp_path / "lab_at_work.py").write_text(PORT.replace("the lab", "the lab, mended"))
    with pytest.raises(UserError, match="its file was changed since"):
        refuse_changed(port.name, port.source)
