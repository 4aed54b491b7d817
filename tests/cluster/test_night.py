"""A night on the cluster: its block spans the nodes of a launch, and a job that waits for it goes on with it."""

import json

import pytest

from harness.commands import cli
from tests.cluster.conftest import behave
from tests.cluster.mini_slurm import wait_for
from tests.nightly.conftest import commits  # noqa: F401

NIGHT = {"environment": "given", "launches": 1}
A_RANK_ON_EACH_NODE = """
rank = int(os.environ.get("CROSSCAST_NODE", 0))
measured = (Path(__file__).parent / "measurements.json").read_text()
(folder / (f"measurements-{rank}.json" if rank else "measurements.json")).write_text(measured)
told = {"pid": os.getpid(), "started": None, "machine": os.uname().nodename, "joined": True, "status": "completed"}
(folder / f"rank-{rank}.json").write_text(json.dumps(told))
"""
"""What a rank leaves; the launcher of its node does this in its place."""


def test_a_dependent_job_judges_when_the_block_has_ended(lab, commits, monkeypatch):  # noqa: F811
    """The block's launches are of two nodes: on each the ranks have the sources of the commit that is launched."""
    behave(lab.folder, A_RANK_ON_EACH_NODE, monkeypatch)
    suite = lab.write_suite(launches=1, execution={"world": {"devices": 2, "nodes": 2}})

    site = lab.write_site(night={**NIGHT, "suite": str(suite)})
    words = [
        "--site",
        site,
        "--repository",
        commits.repository,
        "--folder",
        lab.folder / "nights",
    ]
    with pytest.raises(SystemExit) as ended:
        cli.cli.main(["nightly", *map(str, words), "--no-wait"], standalone_mode=False)
    assert not ended.value.code
    (file,) = lab.folder.glob("nights/*/night.json")
    (job,) = json.loads(file.read_text())["jobs"]
    scripts = [path.read_text() for path in file.parent.glob("job/*_submission.sh")]
    assert [f"#SBATCH --dependency=afterany:{job}\n" in text for text in scripts].count(True) == 1
    try:
        wait_for(lambda: json.loads(file.read_text())["step"] == "judged")
    finally:
        print("\n".join(path.read_text() for path in file.parent.glob("job/*.out")))
    for side, commit in (("baseline", commits.baseline), ("candidate", commits.candidate)):
        lab.results = file.parent / side
        assert lab.completed() == {("micro 0", 0): 1}
        (record,) = lab.records()
        assert [node.environment.git_commit for node in record.nodes] == [commit, commit]
