"""One child a framework for all questions that no test wants a process of its own for."""

from pathlib import Path

import pytest

from tests.serving import Server

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """server(name, **environment): a child in which one framework is imported, started when first asked for.

    MindSpore's device is set before anything else is done, so that not all that it is asked can be asked of one child.
    """
    started, folder = {}, tmp_path_factory.mktemp("servers")
    path = (HERE.parents[1], *(HERE / name for name in ("convert", "parity", "operators", "traps")))

    def of(name, **environment):
        if name not in started:
            started[name] = Server(folder / f"{name}.log", *path, **environment)
        return started[name]

    yield of
    for each in started.values():
        each.end()
