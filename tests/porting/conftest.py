"""One child a framework for all questions that no test wants a process of its own for."""

from pathlib import Path

import pytest

from tests.serving import Server

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """server(framework): the child in which that framework alone is imported, started when first asked for."""
    started, folder = {}, tmp_path_factory.mktemp("servers")
    path = (HERE.parents[1], *(HERE / name for name in ("convert", "parity", "operators", "traps")))

    def of(framework):
        if framework not in started:
            started[framework] = Server(folder / f"{framework}.log", *path)
        return started[framework]

    yield of
    for each in started.values():
        each.end()
