"""Nights on the cluster whose truth is known: each planted change is found, named and attributed, and silence is kept.

The commits are real ones of a throw-away repository. Its workers are stand-ins that read what the commit says: the step
of a model costs what its source says, its loss follows its epsilon, and it runs where its source can be compiled. Power
is that of a made-up powercap tree, read by the collector of each commit.
"""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from harness.history.statuses import DID_NOT_RUN, NOTHING, REGRESSED
from harness.nightly import night
from harness.nightly.night import Nights
from harness.scenario import catalogue
from tests.cluster.conftest import behave
from tests.nightly.conftest import git
from tests.shared import REPOSITORY

pytestmark = pytest.mark.slow

AS_THE_COMMIT_SAYS = """
import random
import re

checkout = Path(os.environ["PYTHONPATH"].split(os.pathsep)[0])
model = plan["scenario"]["model"]
package = checkout / "harness/models" / model
source = (package / "pytorch.py").read_text()
try:
    compile(source, f"{model}/pytorch.py", "exec")
except SyntaxError as error:
    end("crashed", f"SyntaxError: {error.msg} in {model}/pytorch.py")
    os._exit(1)

tell("working")
measure(**({"training": rest(1.0)} if model == "fourcastnet" else {}))
measured = json.loads((folder / "measurements.json").read_text())
noise = random.Random(f"{checkout.parent.parent.name} {checkout.name} {model} {plan['launch']}")
copies = re.search("^COPIES = ([0-9]+)", source, re.MULTILINE)
cost = (1 + 0.01 * int(copies[1] if copies else 0)) * noise.lognormvariate(0, 0.002)
epsilon = re.search("^LAYER_NORM_EPSILON = (.*)", (package / "config.py").read_text(), re.MULTILINE)
variance = 1e-3
for stage in measured["training"]:
    for epoch in stage["epochs"]:
        epoch["step_s"] = [step_s * cost for step_s in epoch["step_s"]]
        if epsilon:
            epoch["loss"] = [loss * variance / (variance + float(epsilon[1])) for loss in epoch["loss"]]
(folder / "measurements.json").write_text(json.dumps(measured))
time.sleep(0.05)
end()
"""

SUITE = {
    "models": [
        {"model": "fourcastnet", "preset": "tiny"},
        {"model": "graphcast", "preset": "tiny", "data": "rossby_forced"},
        {"model": "aigoms", "preset": "tiny", "data": "ocean"},
    ],
    "frameworks": [{"framework": "pytorch"}],
    "launches": 3,
    "seed": 2026,
    "idle_s": 0,
}


@pytest.fixture
def repository(tmp_path):
    """The harness beside a powercap tree that gives 50 W, with the tag `baseline`."""
    folder = tmp_path / "repository"
    for name in ("harness", "collectors", "scenarios"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitignore", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder / name)
    zone = tmp_path / "powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    for name in ("energy_uj", "max_energy_range_uj"):
        (zone / name).write_text("1000000000000\n")
    change(folder, "collectors/vendors/host/rapl.py", "/sys/class/powercap", str(zone.parent))
    change(folder, "collectors/vendors/host/rapl.py", '_read_number(self._zones[sensor] / "energy_uj")', "_drawn()")
    with (folder / "collectors/vendors/host/rapl.py").open("a") as file:
        file.write("\n\ndef _drawn():\n    import time\n\n    return time.monotonic() * 50e6\n")
    change(folder, "collectors/accounting/device_energy.py", "min_window_s: float = 5.0", "min_window_s: float = 0.5")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "the state that is accepted")
    git(folder, "tag", "baseline")
    return folder


def change(folder: Path, name: str, old: str, new: str) -> None:
    """Replace what stands once in a file."""
    text = (folder / name).read_text()
    assert text.count(old) == 1
    (folder / name).write_text(text.replace(old, new))


def commit(folder: Path, message: str) -> None:
    """Commit all changes."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def test_what_is_planted_is_found_named_and_attributed_and_an_unchanged_night_is_silent(lab, repository, monkeypatch):
    behave(lab.folder, AS_THE_COMMIT_SAYS, monkeypatch)
    monkeypatch.setattr(night, "POLL_S", {"slurm": 0.5, "local": 0.5})
    suite = lab.folder / "planted.yaml"
    suite.write_text(yaml.safe_dump(SUITE))
    fields = {"environment": "given", "launches": 3, "suite": str(suite)}
    site = catalogue.site(str(lab.write_site(night=fields, python=sys.executable)))
    nights = Nights(lab.folder / "nights", site, "lab", repository, print)

    def run() -> tuple[int, dict]:
        """The verdict of a night of HEAD, and what the gate says."""
        before = set(lab.folder.glob("nights/*/night.json"))
        status = nights.run("baseline", "HEAD", str(suite), (), wait=True)
        (new,) = set(lab.folder.glob("nights/*/night.json")) - before
        return status, json.loads((new.parent / "gate/gate.json").read_text())

    (repository / "README").write_text("Words that change nothing.\n")
    commit(repository, "a README")
    status, said = run()
    assert (status, [each for each in said["findings"] if each["kind"] != "remark"]) == (NOTHING, [])
    assert len(said["cells"]) == 3
    assert any("energy" in each["title"] for cell in said["cells"] for each in cell["changes"])

    with (repository / "harness/models/graphcast/pytorch.py").open("a") as file:
        file.write("\nCOPIES = 8\n")
    commit(repository, "GraphCast copies its nodes")
    change(repository, "harness/models/fourcastnet/config.py", "EPSILON = 1e-6", "EPSILON = 1e-5")
    commit(repository, "FourCastNet takes the epsilon of another network")
    change(repository, "harness/models/aigoms/pytorch.py", "import torch\n", "import torch,\n")
    commit(repository, "AI-GOMS imports more")
    change(repository, "collectors/vendors/host/rapl.py", str(lab.folder / "powercap"), "/nowhere")
    commit(repository, "power is read elsewhere")

    status, said = run()
    assert status == DID_NOT_RUN
    assert states(said, "graphcast-tiny", "train step") == {"suspected"}
    assert states(said, "fourcastnet-tiny", "loss of the first epoch") == {"suspected"}
    (stopped,) = [each for each in said["findings"] if "aigoms-tiny" in each["cell"] and each["kind"] == "did not run"]
    assert "no completed launch" in stopped["text"]
    assert "SyntaxError" in stopped["text"]
    (blind,) = [each for each in said["findings"] if "measured in the baseline alone: energy" in each["text"]]
    assert "fourcastnet-tiny" in blind["cell"]
    assert "/nowhere does not exist" in blind["text"]
    between = "\n".join(said["between"])
    for words in ("copies its nodes", "epsilon of another network", "AI-GOMS imports more", "power is read elsewhere"):
        assert words in between
    assert not states(said, "graphcast-tiny", "loss of the first epoch")
    assert not states(said, "fourcastnet-tiny", "train step")

    git(repository, "commit", "--quiet", "--allow-empty", "--message", "nothing more")
    status, said = run()
    assert status == REGRESSED
    assert states(said, "graphcast-tiny", "train step") == {"confirmed"}
    assert states(said, "fourcastnet-tiny", "loss of the first epoch") == {"confirmed"}
    (step,) = [
        each["change"]["ratio"]
        for each in said["findings"]
        if each["change"] and "graphcast" in each["cell"] and each["change"]["title"] == "train step"
    ]
    assert step == pytest.approx(1.08, abs=0.01)


def states(said: dict, cell: str, title: str) -> set[str]:
    """How the changes of a quantity of a cell are judged."""
    return {
        each["status"]
        for each in said["findings"]
        if cell in each["cell"] and each["change"] and each["change"]["title"] == title
    }
