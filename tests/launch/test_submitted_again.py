"""A block that is submitted again after a file that its launches read where it lies was changed."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from harness.launch.schedulers import JobState
from harness.launch.submission import ledger
from harness.launch.submission.blocks import blocks_of
from harness.launch.submission.ledger import Submission, SubmittedBlock
from harness.launch.submission.state import BlockState
from harness.launch.submission.submit import why_not
from harness.scenario import catalogue
from harness.scenario.scenario import Selection
from harness.scenario.sites import SiteConfig

SITE = SiteConfig(title="here", scheduler="local")
JOB = "0-1-1"
MAPPING = {"kind": "archive", "files": ["*.nc", "*.zarr"], "channels": [{"name": "t", "variable": "t", "units": "K"}]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a model, mapping, data and weights of its own, which is the current one."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(catalogue.path_of("models", "fourcastnet"), "mine.yaml")
    (tmp_path / "map.yaml").write_text(yaml.safe_dump(MAPPING))
    (tmp_path / "archive/store.zarr/t").mkdir(parents=True)
    for name in ("archive/2001.nc", "archive/store.zarr/.zgroup", "archive/store.zarr/t/.zarray", "weights.npz"):
        (tmp_path / name).write_text(name)
    return tmp_path


def new_block():
    files = {"data": "archive", "mapping": "map.yaml", "weights": Path("weights.npz")}
    (new,) = blocks_of(Selection("cpu", "smoke", "mine.yaml", preset="tiny", **files), SITE, Path("results"))
    return new


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("mine.yaml", "mine.yaml"),
        ("map.yaml", "map.yaml"),
        ("archive/2001.nc", "archive"),
        ("archive/store.zarr/t/.zarray", "archive"),
        ("weights.npz", "weights.npz"),
    ],
)
def test_what_was_done_with_a_file_as_it_was_is_not_done_with_it_as_it_is(folder, changed, said):
    new, results = new_block(), folder / "results"
    place = results / ledger.SUBMISSIONS / "first"
    (place / "00").mkdir(parents=True)
    block = SubmittedBlock(name=new.block.name, key=new.block.key, job=JOB, folder="00")
    submission = Submission(
        submission="first",
        site="here",
        scheduler="local",
        suite="smoke",
        chip="cpu",
        user="me",
        host="here",
        submitted_at="2026-01-01T00:00:00+00:00",
        results=str(results),
        blocks=(block,),
    )
    ledger.write(submission, place)

    def told(stage, phase):
        state = BlockState(stage=stage, job=JOB, node="n", started_at="2026-01-01T00:00:00+00:00", read_files=before)
        state.write(place / "00")
        again = new_block()
        return why_not(
            again, ledger.of_key(ledger.entries(results), again.block.key), {JOB: JobState(phase, "")}, results
        )

    before = dict(new.read_files)
    assert told("done", "ended") == f"all its launches are done, by job {JOB} of me"
    assert told("running", "running") == f"job {JOB} of me runs for the same launches"
    if changed.endswith(".yaml"):
        (folder / changed).write_text((folder / changed).read_text() + "\n# another\n")
    else:
        os.utime(folder / changed, (1, 1))
    assert told("done", "ended") is None
    assert f"runs with {folder / said} as it was before its last change" in told("running", "running")
    assert told("running", "waiting") == f"job {JOB} of me waits for the same launches"
