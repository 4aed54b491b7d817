"""`bench --profile` makes one launch a cell under a profiler, whatever is done already, and no table of it."""

import json

from tests import started
from tests.launch.conftest import records
from tests.launch.stand_in import COMPLETE, stand_in

TRACED = """
measurements = json.loads((Path(__file__).parent / "measurements.json").read_text())
(folder / "trace.json").write_text(json.dumps(plan["profile"]))
(folder / "measurements.json").write_text(json.dumps(measurements | {"profile": "trace.json"}))
end()
"""


def bench(tmp_path, suite, behaviour, *options):
    return started.run(tmp_path, ("bench", "--suite", suite, *options), stand_in(tmp_path / "stand_in", behaviour))


def test_one_launch_a_cell_says_where_its_trace_is(write_suite, tmp_path):
    suite = write_suite(launches=2)
    done = bench(tmp_path, suite, TRACED, "--profile")
    assert done.returncode == 0, done.stderr
    [trace] = (tmp_path / "results").glob("*/*/*/trace.json")
    assert json.loads(trace.read_text()) is True
    [record] = records(tmp_path / "results")
    assert record["measurements"]["profile"] == "trace.json"
    assert f"profile: {trace.relative_to(tmp_path)}" in done.stdout.replace("\n", "")
    assert not list((tmp_path / "results").glob("**/*.md"))


def test_a_plan_says_nothing_of_profiles_without_it(write_suite, tmp_path):
    noting = '(folder / "noted.json").write_text(json.dumps(plan["profile"]))\n' + COMPLETE
    done = bench(tmp_path, write_suite(), noting)
    assert done.returncode == 0, done.stderr
    [noted] = (tmp_path / "results").glob("*/*/*/noted.json")
    assert json.loads(noted.read_text()) is False
