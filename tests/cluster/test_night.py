"""A night on the cluster: the block is handed in, and a job that waits for it goes on with the night."""

import json

import pytest

from harness.commands import cli
from tests.cluster.mini_slurm import wait_for
from tests.nightly.conftest import commits  # noqa: F401

NIGHT = {"environment": "given", "launches": 1}


def test_a_dependent_job_judges_when_the_block_has_ended(lab, commits):  # noqa: F811
    suite = lab.write_suite(launches=1)

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
    lab.results = file.parent / "baseline"
    assert lab.completed() == {("micro 0", 0): 1}
    lab.results = file.parent / "candidate"
    (record,) = lab.records()
    assert record.environment.git_commit == commits.candidate
