"""The README and the guide: links lead somewhere, commands exist with the options that they are given."""

import re
import shlex
import subprocess
from functools import cache

import click
import pytest

from harness.commands.cli import cli
from tests.shared import REPOSITORY

PAGES = sorted(path for path in (REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")) if path.exists())
LINK = re.compile(r"\]\(([^)\s]+)\)")
MOST_README_LINES = 120


@cache
def commands(name):
    """The command lines in code blocks that begin with a name, without their comments."""
    found = []
    for page in PAGES:
        for line in page.read_text().splitlines():
            if line.startswith("    "):
                text = re.split(r"\s{2,}#|\s#\s|\s&&\s", line.strip())[0].strip()
                words = text.split(" ")
                if words[0].split("/")[-1] == name and "..." not in text:
                    found.append((page.relative_to(REPOSITORY).as_posix(), text))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_to_files(page):
    missing = [
        link
        for link in LINK.findall(page.read_text())
        if not re.match(r"[a-z]+:|#", link) and not (page.parent / link.partition("#")[0]).exists()
    ]
    assert missing == []


def test_every_page_is_in_the_guide():
    listed = set(LINK.findall((REPOSITORY / "docs" / "README.md").read_text()))
    pages = {path.relative_to(REPOSITORY / "docs").as_posix() for path in PAGES if path.parent.name == "docs"}
    assert pages - listed == {"README.md"}


def test_the_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= MOST_README_LINES


@pytest.mark.parametrize(("page", "text"), commands("crosscast"))
def test_crosscast_knows_the_command_and_its_options(page, text):
    words = shlex.split(text)[1:]
    command, context = cli, click.Context(cli, info_name="crosscast")
    while isinstance(command, click.Group) and words:
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, info_name=name, parent=context)
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    given = [word.partition("=")[0] for word in words[: words.index("--") if "--" in words else None]]
    assert [word for word in given if word.startswith("-") and word not in {*options, "--help"}] == []


@pytest.mark.parametrize(("page", "text"), commands("make"))
def test_make_knows_the_target_and_its_variables(page, text):
    words = shlex.split(text)
    makefile = (REPOSITORY / "Makefile").read_text()
    variables = re.findall(r"(?:option,[\w-]+,|\$\(|value |call quoted,)([A-Z]+)", makefile)
    given = [word.partition("=")[0] for word in words[1:] if "=" in word]
    assert set(given) <= {*variables, "PYTHON", "VENV", "VENV_ACCELERATOR"}
    done = subprocess.run([*words, "--dry-run"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
