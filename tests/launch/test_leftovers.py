import json
import os
import time

import pytest

from harness.launch import leftovers
from harness.launch.plan import FILE_NAME
from harness.results.record import SET_ASIDE_NAME

DAY_S = 86_400


def make(suite, name, files, age_s):
    """A folder of a launch, silent for some time."""
    folder = suite / "cell" / name
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_text(content)
    for path in (*folder.iterdir(), folder):
        os.utime(path, times=(time.time() - age_s,) * 2)
    return folder


def elsewhere():
    return json.dumps({"owner": {"machine": "another", "pid": 7, "started": "1"}})


@pytest.mark.parametrize(
    ("files", "age_s", "outcome"),
    [
        ({FILE_NAME: elsewhere(), "log.txt": "x"}, 2 * DAY_S, "removed"),
        ({FILE_NAME: elsewhere(), "log.txt": "x"}, DAY_S / 2, "doubtful"),
        ({FILE_NAME: elsewhere(), "log.txt": "x"}, 60, "left"),
        ({"log.txt": "x"}, 2 * DAY_S, "doubtful"),
        ({"record.json": "{", "log.txt": "x"}, 2 * DAY_S, "left"),
        ({SET_ASIDE_NAME: "{", "log.txt": "x"}, 2 * DAY_S, "left"),
    ],
)
def test_what_becomes_of_a_folder(tmp_path, files, age_s, outcome):
    folder = make(tmp_path, "00-0123abcd", files, age_s)
    found = leftovers.clean(tmp_path)
    assert (found.removed, found.doubtful) == (
        (folder,) if outcome == "removed" else (),
        (folder,) if outcome == "doubtful" else (),
    )
    assert folder.exists() == (outcome != "removed")


def test_a_launch_of_a_process_that_runs_here_is_never_touched(tmp_path):
    owner = json.dumps({"owner": leftovers.this_process().model_dump()})
    folder = make(tmp_path, "00-0123abcd", {FILE_NAME: owner}, 30 * DAY_S)
    assert leftovers.clean(tmp_path) == leftovers.Leftovers((), ())
    assert folder.exists()


def test_folders_of_other_names_and_links_stay(tmp_path):
    kept = make(tmp_path, "my-notes", {"a.txt": "x"}, 30 * DAY_S)
    target = make(tmp_path / "far", "00-0123abcd", {FILE_NAME: elsewhere()}, 30 * DAY_S)
    (tmp_path / "cell" / "01-0123abcd").symlink_to(target)
    assert leftovers.clean(tmp_path) == leftovers.Leftovers((), ())
    assert kept.exists()
