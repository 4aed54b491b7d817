"""Every chip with device files has a page that says how to start it, and the commands on the pages exist."""

import re
import shlex
import subprocess

import click
import pytest

from harness.commands.cli import cli
from harness.scenario import catalogue
from tests.shared import REPOSITORY

PAGES = REPOSITORY / "docs" / "chips"
CHIPS = [name for name in catalogue.names("chips") if catalogue.chip(name).device_nodes]
SECTIONS = ["Image", "Start", "Before anything else", "The first hour", "What to send home", "What to know"]
DEVICES = {
    "Huawei": ["--device /dev/davinci0", "/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc", "set_env.sh"],
    "Hygon": ["--device /dev/kfd", "/dev/mkfd", "/dev/dri", "--group-add video", "/opt/hyhal", "/opt/dtk/env.sh"],
    "NVIDIA": ["--gpus device=0"],
}


def code_of(text):
    """The lines of its indented blocks, those that a backslash goes on joined."""
    lines = [line[4:] for line in text.replace("\\\n      ", "").splitlines() if line.startswith("    ")]
    return [line.partition("#")[0].strip() for line in lines]


def commands(program):
    found = []
    for path in sorted(PAGES.glob("*.md")):
        found += [(path.stem, line) for line in code_of(path.read_text()) if line.startswith(f"{program} ")]
    return found


@pytest.mark.parametrize("chip", CHIPS)
def test_a_chip_has_a_page_with_all_that_the_first_day_needs(chip):
    text = (PAGES / f"{chip}.md").read_text()
    assert re.findall(r"^## (.+)$", text, re.M) == SECTIONS
    (run,) = [line for line in code_of(text) if line.startswith("docker run ")]
    for option in ("--hostname ", "--shm-size ", "-v $PWD:/crosscast", "-w /crosscast"):
        assert option in run, option
    for needed in DEVICES[catalogue.chip(chip).vendor]:
        assert needed in text, needed
    first_hour = text.partition("## The first hour")[2].partition("##")[0]
    assert [line for line in code_of(first_hour) if line] == [
        f"crosscast doctor --deep --chip {chip}",
        f"make bench CHIP={chip} REPEATS=1",
        "make bundle",
    ]
    assert "make bundle" in text.partition("## What to send home")[2].partition("##")[0]


def test_the_list_of_pages_is_complete_and_every_link_leads_somewhere():
    for path in PAGES.glob("*.md"):
        links = re.findall(r"\]\(([\w.-]+\.md)\)", path.read_text())
        assert all((PAGES / link).exists() for link in links), path
    listed = set(re.findall(r"\]\(([\w-]+)\.md\)", (PAGES / "README.md").read_text()))
    assert listed == {path.stem for path in PAGES.glob("*.md")} - {"README"}


@pytest.mark.parametrize(("page", "line"), commands("crosscast"))
def test_a_command_of_a_page_exists_with_its_options(page, line):
    name, *arguments = shlex.split(line.partition(">")[0].replace("CHIP", "cpu").replace("FOLDER", "results"))[1:]
    command = cli.get_command(click.Context(cli), name)
    command.make_context(name, arguments).close()


@pytest.mark.parametrize(("page", "line"), commands("make"))
def test_a_target_of_a_page_exists_with_its_variables(page, line):
    makefile = (REPOSITORY / "Makefile").read_text()
    target, *variables = shlex.split(line)[1:]
    assert re.search(rf"^{target}:", makefile, re.M)
    for variable in variables:
        assert re.search(rf"\b{variable.partition('=')[0]}\b", makefile)


def test_the_variants_of_a_page_are_those_of_the_chips_file():
    text = (PAGES / "README.md").read_text()
    for variant in catalogue.chip("ascend910b").variants:
        assert variant.name.removeprefix("Huawei Ascend 910") in text


@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="not in a checkout")
def test_what_the_pages_have_a_user_write_leaves_the_checkout_unchanged():
    """Or the launches after it would be told as made from a checkout with uncommitted changes."""
    pages = [*PAGES.glob("*.md"), REPOSITORY / "docs" / "setup.md"]
    text = "\n".join(line for page in pages for line in page.read_text().splitlines() if line.startswith("    "))
    written = {*re.findall(r"> (\S+\.txt)", text), *re.findall(r"IMAGE=(\S+)", text), *re.findall(r"lab/\S*yaml", text)}
    (bundle,) = [each.default for each in cli.get_command(None, "bundle").params if each.name == "out"]
    paths = sorted({*written, str(bundle), ".venv-mindspore/pyvenv.cfg", "wheelhouse/one.whl", "rehearsal/a100/x"})
    assert {"clocks.txt", "device-name.txt", "freeze.txt", "lab/ascend910b.yaml"} <= set(paths)
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *paths], cwd=REPOSITORY, capture_output=True, text=True
    )
    if ignored.returncode > 1:
        pytest.skip(ignored.stderr)
    assert sorted(ignored.stdout.split()) == paths
