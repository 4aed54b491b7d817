"""What is refused before the first launch, in one message, and what is not."""

import re
import resource
import subprocess

import pytest
import yaml

from harness.data.config import RossbyConfig, Splits
from harness.data.opening import open_source
from harness.data.windows import Windows
from harness.launch.plan import interleave
from harness.launch.preflight import problems_of, split_problems
from harness.launch.requirements import memory_needs
from harness.launch.survey import matrix_of, survey
from harness.machine import environment
from harness.machine import memory as machine_memory
from harness.models import architecture
from harness.models.domain import InputSpec
from harness.scenario import catalogue
from harness.scenario.scenario import Selection
from harness.scenario.schema import Stage
from tests.launch.conftest import MODEL
from tests.shared import shared_path


@pytest.fixture
def write(tmp_path):
    """Write a suite of one micro model on Rossby waves; `data`, `preset` and `splits` change their parts."""

    def files(*, data=None, preset=None, splits=None, **changes):
        model = {**MODEL, "presets": {"micro": {**MODEL["presets"]["micro"], **(preset or {})}}}
        of_data = {"kind": "rossby", **(data or {})} | ({"splits": splits} if splits else {})
        (tmp_path / "own-model.yaml").write_text(yaml.safe_dump(model))
        (tmp_path / "own-data.yaml").write_text(yaml.safe_dump(of_data))
        suite = {
            "models": [{"model": str(tmp_path / "own-model.yaml"), "preset": "micro"}],
            "frameworks": [{"framework": "pytorch"}],
            "data": str(tmp_path / "own-data.yaml"),
            "launches": 1,
            **changes,
        }
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(suite))
        return tmp_path / "own.yaml"

    return files


def problems(suite, tmp_path, **options):
    found = survey(Selection(suite=str(suite), **options))
    chip = catalogue.chip("cpu")
    plans = interleave(found.matrix.cells, chip, found.matrix.launches, "b")
    return problems_of(plans, found.archives, tmp_path / "results", chip, environment.capture(None))


SHORT = {"data": {"time_steps": 8}}


class TestSplits:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            (SHORT, "the train split has 5 windows, fewer than training.batch_size 8: lower it to at most 5, raise"),
            (SHORT, "the test split has 1 steps, and no 3 valid ones in a row that"),
            (
                {"data": {"time_steps": 30}, "preset": {"inference": {"lead_steps": [1, 9]}}},
                "lower inference.lead_steps to at most 3, raise time_steps",
            ),
            ({"splits": {"train": 0.7, "validation": 0.001, "test": 0.299}}, "or set it to 0 to train without one"),
            (SHORT | {"splits": {"train": 0.1, "validation": 0.0, "test": 0.9}}, "give train a larger share of splits"),
        ],
    )
    def test_what_does_not_fit_is_named_with_what_to_change(self, write, tmp_path, changes, expected):
        found = problems(write(**changes), tmp_path)
        assert any(expected in problem for problem in found), found
        assert all(problem.startswith("own-model micro on own-data: ") for problem in found)
        assert not any("again" in problem for problem in found)

    @pytest.mark.parametrize("splits", [None, {"train": 0.7, "validation": 0.0, "test": 0.3}])
    def test_what_fits_is_not(self, write, tmp_path, splits):
        assert problems(write(splits=splits), tmp_path) == []

    def test_rollouts_and_warm_up_of_later_stages(self, write, tmp_path):
        stages = [
            {"name": "one", "epochs": 1, "learning_rate": 1e-3, "warmup_steps": 3},
            {"name": "two", "epochs": 1, "learning_rate": 1e-3, "rollout_steps": 30},
        ]
        suite = write(data={"time_steps": 40}, preset={"training": {"batch_size": 8, "stages": stages}})
        first, second = problems(suite, tmp_path)
        assert "stage 'one' has 3 steps, too few for warmup_steps 3: lower warmup_steps or raise epochs" in first
        assert "the train split has 28 steps, and no 31 valid ones in a row that stage 'two' takes" in second

    def test_exactly_the_windows_that_the_worker_finds(self):
        """Every number of steps, history and lead: refused if and only if the runners would raise."""
        (scenario, *_) = matrix_of(Selection(model="fourcastnet", framework="pytorch")).cells
        for steps in range(8, 40, 3):
            for history in (1, 3):
                data = RossbyConfig(kind="rossby", time_steps=steps, splits=Splits(train=0.5, validation=0.2, test=0.3))
                windows = Windows(open_source(data, grid=(8, 16)), data.splits, InputSpec(history=history))
                training = scenario.training.model_copy(
                    update={"batch_size": 4, "stages": (Stage(name="s", epochs=1, learning_rate=1.0, rollout_steps=2),)}
                )
                changed = scenario.model_copy(update={"data": data, "training": training})
                counts = {"train": round(steps * 0.5) - history - 1}
                counts |= {
                    "validation": round(steps * 0.7) - round(steps * 0.5) - history,
                    "test": steps - round(steps * 0.7) - history - changed.inference.lead_steps[-1] + 1,
                }
                wrong = [name for name, least in (("train", 4), ("validation", 1), ("test", 1)) if counts[name] < least]
                found = split_problems(changed, windows)
                assert [problem.split()[1] for problem in found] == wrong, (steps, history)


def test_every_problem_of_every_model_is_in_one_message(write, crosscast, tmp_path):
    suite = write(
        data={"time_steps": 8},
        frameworks=[{"framework": name} for name in ("pytorch", "mindspore")],
    )
    content = yaml.safe_load(suite.read_text())
    content["models"] += [{"model": "fourcastnet", "preset": "absent"}, {"model": "graphcast", "preset": "tiny"}]
    suite.write_text(yaml.safe_dump(content))
    done = crosscast("bench", "--suite", suite, "--repeats", 3)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("crosscast: 6 problems: (1) model 'fourcastnet' has no preset 'absent'")
    assert done.stderr.endswith("; nothing was launched\n")
    for expected in ("own-model micro on own-data: the train split", "graphcast tiny on own-data: the test split"):
        assert done.stderr.count(expected) == 1
    assert not (tmp_path / "results").exists()


def test_paper_presets_on_generated_data(tmp_path):
    found = problems("paper", tmp_path, framework="pytorch")
    assert [problem.split(":")[0] for problem in found] == [
        "fourcastnet paper on rossby",
        "graphcast paper on rossby_forced",
    ]
    assert "lower inference.lead_steps to at most 35" in found[0]


def test_gulf_of_oman(tmp_path):
    data = shared_path("data/ocean/hycom_goo.nc")
    batch, lead = problems("smoke", tmp_path, model="aigoms", framework="pytorch", data=data)
    assert "the train split has 1 windows, fewer than training.batch_size 8: lower it to at most 1" in batch
    assert "the test split has 2 steps, and no 9 valid ones in a row" in lead
    assert "lower inference.lead_steps to at most 1" in lead


class TestMemory:
    def test_parameters_and_batch_by_hand(self, write):
        """FourCastNet of width 16 with one block on 8 x 16: 4 channels in and out, patches of 2, 8 frequencies."""
        (scenario,) = matrix_of(Selection(suite=str(write()))).cells
        package = architecture("fourcastnet")
        network = package.Network.model_validate(scenario.network)
        needs = memory_needs(scenario, open_source(scenario.data, grid=scenario.grid), package, network)
        training, step, rollout = needs
        assert training.parameter_bytes == 16 * training.parameters
        assert training.sample_bytes == 4 * (4 + 4 + 4) * 8 * 16
        assert training.total_bytes == training.parameter_bytes + 8 * training.sample_bytes
        for need in (step, rollout):
            assert need.parameter_bytes == 4 * training.parameters
            assert need.sample_bytes == 4 * (4 + 4) * 8 * 16

    @pytest.mark.parametrize("setting", ["batch_size", "rollout_batch_size"])
    def test_batches_of_inference(self, write, tmp_path, setting):
        """A batch of 10^12 samples of 4 kB takes 3.6 PiB."""
        suite = write(preset={"inference": {"lead_steps": [1, 2], setting: 10**12}})
        (problem,) = problems(suite, tmp_path)
        assert "takes at least 3725.3 TiB of memory" in problem
        assert f"lower inference.{setting} to at most " in problem

    def test_what_cannot_fit_is_refused_with_the_batch_that_does(self, write, crosscast, tmp_path):
        """3 GiB of address space: a batch of 10^7 samples of 6144 bytes takes 57.2 GiB, the parameters little."""
        suite = write(preset={"training": {**MODEL["presets"]["micro"]["training"], "batch_size": 10**7}})
        limit = 3 * 2**30
        done = crosscast(
            "bench", "--suite", suite, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        )
        assert done.returncode == 2
        assert "training takes at least 57.2 GiB of memory (" in done.stderr
        fitting = int(done.stderr.partition("lower training.batch_size to at most ")[2].split(",")[0])
        parameters = int(re.search(r"\(([\d,]+) parameters", done.stderr)[1].replace(",", ""))
        rest = limit - 16 * parameters - 6144 * fitting
        assert 0 <= rest < 6144
        assert "again" not in done.stderr

    def test_fields_that_nobody_could_hold(self, write, tmp_path):
        (problem,) = problems(write(preset={"grid": [2**20, 2**21]}), tmp_path)
        assert "one sample of 4 channels on 1048576 x 2097152 points takes 64.0 TiB" in problem

    def test_what_runs_on_this_machine_is_not_refused(self, tmp_path):
        assert problems("smoke", tmp_path) == []

    @pytest.mark.parametrize(
        ("lines", "files", "expected"),
        [
            ("0::/job/step", {"job/memory.max": "4096", "job/step/memory.max": "8192"}, 4096),
            ("0::/job", {"job/memory.max": "max"}, None),
            ("4:cpu,cpuacct:/x\n5:memory:/job", {"memory/job/memory.limit_in_bytes": "4096"}, 4096),
            ("5:memory:/job", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
            ("0::/", {}, None),
        ],
    )
    def test_control_groups(self, tmp_path, lines, files, expected):
        whole = machine_memory.limit_bytes(tmp_path / "none", tmp_path / "none")
        (tmp_path / "self").write_text(lines + "\n")
        for name, content in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content + "\n")
        swap = machine_memory.psutil.swap_memory().total
        found = machine_memory.limit_bytes(tmp_path / "groups", tmp_path / "self")
        assert found == (whole if expected is None else expected + swap)


class TestDisk:
    def test_a_disk_that_is_too_small(self, write, crosscast, tmp_path):
        small = tmp_path / "small"
        small.mkdir()
        mount = (
            "unshare",
            "-rm",
            "sh",
            "-c",
            f'mount -t tmpfs -o size=16k none {small} && "$@"; code=$?; ls -A {small}; exit $code',
            "sh",
        )
        probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(small)], capture_output=True)
        if probe.returncode:
            pytest.skip(f"no private mounts here: {probe.stderr.decode().strip()}")
        done = crosscast("bench", "--suite", write(), "--repeats", 9, "--results", small, prefix=mount)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{small}: 16.0 KiB of disk are free, and the records of 9 launches take at least" in done.stderr
