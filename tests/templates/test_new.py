"""What `crosscast new` writes is right as it is: files that load, and a model that both frameworks compute."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.special import erf

from harness import templates
from harness.commands.new import new
from harness.errors import UserError
from harness.models.parameters import Parameter, draw
from harness.scenario import catalogue
from harness.scenario.loading import load
from harness.scenario.sites import SiteConfig
from tests.shared import REPOSITORY

LOADED = {
    "chip": catalogue.chip,
    "claims": catalogue.claims,
    "data": catalogue.data,
    "site": lambda name: load(Path(name), SiteConfig),
    "suite": catalogue.suite,
}


@pytest.mark.parametrize("kind", sorted(LOADED))
def test_a_new_file_loads_as_it_is(tmp_path, kind):
    done = CliRunner().invoke(new, [kind, "lab", "--folder", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"written: {tmp_path}/lab.yaml")
    LOADED[kind](str(tmp_path / "lab.yaml"))
    assert "NAME" not in (tmp_path / "lab.yaml").read_text()


def test_nothing_is_overwritten(tmp_path):
    templates.write("chip", "lab", tmp_path)
    (tmp_path / "lab.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"lab\.yaml is there already"):
        templates.write("chip", "lab", tmp_path)
    assert (tmp_path / "lab.yaml").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "a b", "../x", "Lab", "9x", "a-b", "ä", "class", "import"])
def test_names_that_python_would_not_import_are_refused(tmp_path, name):
    with pytest.raises(UserError, match="cannot be a name here"):
        templates.write("model", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["json", "numpy", "harness"])
def test_a_model_stands_in_the_place_of_no_package(tmp_path, name):
    with pytest.raises(UserError, match=f"'{name}' is a package of this Python already"):
        templates.write("model", name, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert templates.write("chip", name, tmp_path) == (tmp_path / f"{name}.yaml",)


@pytest.mark.parametrize("kind", ["chip", "model"])
@pytest.mark.parametrize("size", [61, 300, 5000])
def test_names_longer_than_names_may_be_are_refused(tmp_path, kind, size):
    with pytest.raises(UserError, match=f"it has {size} characters, more than 60") as refused:
        templates.write(kind, "x" * size, tmp_path)
    assert len(str(refused.value)) < 120
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_says_where_its_path_belongs(tmp_path):
    done = CliRunner().invoke(new, ["data", "lab", "--folder", str(tmp_path)])
    assert "give its path as --mapping, and the folder or file of its archive as --data" in done.output


def test_the_next_commands_for_a_model_are_words_of_a_shell(tmp_path):
    done = CliRunner().invoke(new, ["model", "swell", "--folder", str(tmp_path / "my models")])
    install, bench = done.output.splitlines()[-1].split(", then: ")
    assert shlex.split(install) == ["pip", "install", "-e", str(tmp_path / "my models" / "swell")]
    assert shlex.split(bench)[3] == str(tmp_path / "my models" / "swell" / "swell.yaml")
    assert Path(shlex.split(bench)[3]).is_file()


def test_a_site_whose_values_are_still_to_be_written_is_refused(tmp_path):
    (path,) = templates.write("site", "lab", tmp_path)
    with pytest.raises(UserError, match="partition: CHANGE_ME: write what it is at your site"):
        catalogue.site(str(path))
    path.write_text(path.read_text().replace("CHANGE_ME", "gpu"))
    assert catalogue.site(str(path)).partition == "gpu"


@pytest.fixture(scope="module")
def predictions(tmp_path_factory):
    """What the network of a new model's package predicts, by framework."""
    folder = tmp_path_factory.mktemp("new")
    templates.write("model", "labnet", folder)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "GLOG_v": "4", "OMP_NUM_THREADS": "1"}
    drive = Path(__file__).with_name("drive_template.py")
    children = {
        name: subprocess.Popen(
            [sys.executable, drive, name, folder / "labnet"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("pytorch", "mindspore")
    }
    found = {}
    for name, child in children.items():
        stdout, stderr = child.communicate(timeout=600)
        assert child.returncode == 0, stderr[-4000:]
        found[name] = np.array(json.loads(stdout.splitlines()[-1]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["pytorch", "mindspore"])
def test_a_new_model_computes_its_formula(predictions, framework):
    weights = draw(
        [
            Parameter("w1", (5, 3), "normal", 0.1),
            Parameter("b1", (5,), "constant", 0.0),
            Parameter("w2", (3, 5), "normal", 0.1),
        ],
        7,
    )
    x = np.random.default_rng(1).standard_normal((2, 3, 4, 6)).astype(np.float32).astype(float)
    hidden = np.einsum("wc,bchk->bwhk", weights["w1"], x)
    hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    expected = x + np.einsum("cw,bwhk->bchk", weights["w2"], hidden)
    np.testing.assert_allclose(predictions[framework], expected, rtol=1e-5, atol=1e-6)
