"""Benches: what those with real workers leave, what a second run does, and what each kind of death costs."""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise

import psutil
import pytest
import yaml

from tests import started
from tests.launch.conftest import Made, records, run_in, write_micro
from tests.launch.processes import wait_until
from tests.launch.stand_in import COMPLETE, stand_in
from tests.shared import REPOSITORY

pytestmark = pytest.mark.slow


BOTH = [
    {"framework": "pytorch"},
    {"framework": "mindspore", "execution": {"compilation": {"mode": "graph"}}},
]
SPAN = """
wait_for("go")
begin, end_ns = rest(0.3)
measure()
(folder.parents[3] / f"span-{plan['attempt']}").write_text(f"{begin} {end_ns}")
end()
"""
FILLING = COMPLETE.replace("measure()", "(folder / 'forecast.npz').write_bytes(bytes(12_000))\nmeasure()")
"""Leaves as much as a launch that keeps a forecast."""


class TestCompleted:
    @pytest.fixture(scope="class")
    def bench(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("both")
        suite = write_micro(folder, frameworks=BOTH)
        return Made(folder, suite, run_in(folder, "bench", "--suite", suite, "--repeats", 2))

    def test_leaves_comparable_records_and_does_nothing_twice(self, bench):
        suite, done, made = bench.suite, bench.done, records(bench.results)
        assert done.returncode == 0, done.stderr
        assert [(r["scenario"]["framework"], r["launch"], r["status"]) for r in made] == [
            (framework, launch, "completed") for framework in ("mindspore", "pytorch") for launch in (0, 1)
        ]
        order = [r["scenario"]["framework"] for r in sorted(made, key=lambda r: r["order"])]
        assert order == ["pytorch", "mindspore", "mindspore", "pytorch"]

        by_launch = {launch: [r["measurements"] for r in made if r["launch"] == launch] for launch in (0, 1)}
        for one, other in by_launch.values():
            assert one["fingerprints"] == other["fingerprints"]
            losses = [[e["mean_loss"] for e in m["training"][0]["epochs"]] for m in (one, other)]
            assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        assert by_launch[0][0]["fingerprints"]["initial_weights"] != by_launch[1][0]["fingerprints"]["initial_weights"]

        for record in made:
            served = record["measurements"]["definitions"]["operators"]
            gelu = {"pytorch": "native", "mindspore": "composed"}[record["scenario"]["framework"]]
            assert (served["gelu"], served["adam"]) == (gelu, "fused")
            phases = record["measurements"]["phases"]
            assert [p["name"] for p in phases] == [
                "train pretrain 0",
                "train pretrain 1",
                "training",
                "warm-up",
                "inference",
            ]
            first, second, training, warm_up, inference = phases
            assert training["t0_ns"] <= first["t0_ns"] < first["t1_ns"] <= second["t0_ns"]
            assert second["t1_ns"] <= training["t1_ns"] <= warm_up["t0_ns"] < warm_up["t1_ns"] <= inference["t0_ns"]
            epoch = record["measurements"]["training"][0]["epochs"][1]
            inside_s = epoch["data_total_s"] + epoch["step_total_s"]
            assert inside_s <= (phases[1]["t1_ns"] - phases[1]["t0_ns"]) / 1e9
            assert record["energy"]["collector"] is not None or record["energy"]["reason"].startswith("no sensor")
        assert "pytorch" in done.stdout
        assert (bench.results / "micro" / "tables" / "speed.md").exists()

        again = run_in(bench.folder, "bench", "--suite", suite, "--repeats", 2)
        assert again.returncode == 0, again.stderr
        assert "4 of 4 launches are done already" in again.stdout
        assert records(bench.results) == made


def test_benches_on_the_same_device_take_turns(write_suite, tmp_path):
    """The first launch of one waits until the other has said that it waits for it."""
    suite, chip, said = write_suite(), tmp_path / "own.yaml", tmp_path / "said"
    content = yaml.safe_load((REPOSITORY / "scenarios/chips/cpu.yaml").read_text())
    del content["frameworks"]["mindspore"]
    chip.write_text(yaml.safe_dump(content))
    environment = stand_in(tmp_path / "stand_in", SPAN)

    def start(*options: object) -> started.Command:
        return started.Command(tmp_path, ("bench", "--suite", suite, *options), environment, said)

    first = start("--repeats", 3)
    wait_until(lambda: list(tmp_path.glob("results/*/*/*/launch.json")))
    second = start("--chip", chip, "--results", "others")
    told = "another bench is running on this device (CPU of this machine): waiting"
    wait_until(lambda: told in " ".join(said.read_text().split()))
    (tmp_path / "go").touch()
    assert (first.wait(timeout=600), second.wait(timeout=600)) == (0, 0), said.read_text()
    spans = sorted(tuple(map(int, path.read_text().split())) for path in tmp_path.glob("span-*"))
    assert len(spans) == len(records(tmp_path / "results") + records(tmp_path / "others")) == 4
    assert all(end < start for (_, end), (start, _) in pairwise(spans))


class TestLaunchThatDies:
    def wait_for_worker(self, bench: started.Command) -> psutil.Process:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            for child in psutil.Process(bench.pid).children():
                with suppress(psutil.Error):
                    if "harness.worker" in " ".join(child.cmdline()):
                        return child
            time.sleep(0.02)
        raise AssertionError("no worker was started")

    @pytest.fixture
    def start(self, tmp_path):
        begun = []

        def run(*arguments: object, env: Mapping[str, str] = os.environ) -> started.Command:
            begun.append(started.Command(tmp_path, arguments, {**env, "TMPDIR": str(tmp_path)}))
            return begun[-1]

        yield run
        for process in begun:
            process.kill()
            process.wait()

    def test_killed_worker_costs_its_launch_alone_and_is_made_up_for(self, write_suite, start, crosscast, tmp_path):
        suite, environment = write_suite(), stand_in(tmp_path / "stand_in", "wait_for('go')" + COMPLETE)
        bench = start("bench", "--suite", suite, "--repeats", 2, env=environment)
        self.wait_for_worker(bench).send_signal(signal.SIGKILL)
        (tmp_path / "go").touch()
        _, stderr = bench.communicate(timeout=600)
        assert bench.returncode == 2
        assert stderr == "crosscast: 1 of 2 launches did not complete; run again to try them\n"
        first, second = records(tmp_path / "results")
        assert (first["status"], second["status"]) == ("crashed", "completed")
        assert first["reason"].startswith("killed by SIGKILL")

        assert crosscast("bench", "--suite", suite, "--repeats", 2, env=environment).returncode == 0
        statuses = [(r["launch"], r["status"]) for r in records(tmp_path / "results")]
        assert sorted(statuses) == [(0, "completed"), (0, "crashed"), (1, "completed")]

    def test_hang_ends_at_the_time_limit(self, write_suite, crosscast, tmp_path):
        environment = stand_in(tmp_path / "stand_in", "time.sleep(600)")
        done = crosscast("bench", "--suite", write_suite(time_limit_s=0.5), env=environment)
        assert done.returncode == 2
        (record,) = records(tmp_path / "results")
        assert (record["status"], record["reason"]) == ("timed_out", "not done after the time limit of 0.5 s")
        assert record["duration_s"] < 15

    def test_lack_of_memory_is_told_as_such(self, write_suite, crosscast, tmp_path):
        """Weights and batch fit, which is all that can be counted beforehand; the first layer gives 4 GiB."""
        network = {"patch_size": 1, "embed_dim": 4096, "depth": 1, "num_blocks": 64, "mlp_ratio": 1}
        training = {"batch_size": 32, "stages": [{"name": "pretrain", "epochs": 1, "learning_rate": 1e-3}]}
        done = crosscast(
            "bench",
            "--suite",
            write_suite(preset={"grid": [64, 128], "network": network, "training": training}),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (5 * 2**30, 5 * 2**30)),
        )
        assert done.returncode == 2
        (record,) = records(tmp_path / "results")
        assert record["status"] == "out_of_memory", record["reason"]


def test_two_benches_into_one_folder_lose_nothing_and_share_the_work(write_suite, tmp_path):
    suite, environment = write_suite(), stand_in(tmp_path / "stand_in", COMPLETE.replace("0.02", "0.1"))
    arguments = ("bench", "--suite", suite, "--repeats", 3)
    benches = [started.Command(tmp_path, arguments, environment) for _ in range(2)]
    for bench in benches:
        _, stderr = bench.communicate(timeout=600)
        assert bench.returncode == 0, stderr
    made = records(tmp_path / "results")
    assert [(r["launch"], r["status"]) for r in made] == [(launch, "completed") for launch in range(3)]


def test_full_disk_is_one_line_and_leaves_earlier_records_alone(write_suite, crosscast, tmp_path):
    suite, environment = write_suite(), stand_in(tmp_path / "stand_in", FILLING)
    results = tmp_path / "small"
    results.mkdir()
    script = f'mount -t tmpfs -o size=56k none {results} && cp -r "$1"/. {results} && shift && "$@"; code=$?; '
    script += f"find {results} -name '*.json' -printf 'left %p\\n' | sort; exit $code"
    probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(results)], capture_output=True)
    if probe.returncode:
        pytest.skip(f"no private mounts here: {probe.stderr.decode().strip()}")
    assert crosscast("bench", "--suite", suite, env=environment).returncode == 0
    kept = sorted(p.relative_to(tmp_path / "results") for p in (tmp_path / "results").glob("*/*/*/record.json"))
    source = tmp_path / "earlier"
    (source / kept[0].parent).mkdir(parents=True)
    (tmp_path / "results" / kept[0]).rename(source / kept[0])
    done = crosscast(
        "bench", "--suite", suite, "--repeats", 4, "--results", results,
        env=environment, prefix=("unshare", "-rm", "sh", "-c", script, "sh", str(source)),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr
    left = [line.removeprefix("left ") for line in done.stdout.splitlines() if line.startswith("left ")]
    assert str(results / kept[0]) in left
    assert all(line.endswith(("record.json", "absent.json")) for line in left), done.stdout
