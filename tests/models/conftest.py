import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from cases import IN_PIECES, LINEAR, PARITY, WRONG_WEIGHTS
from children import answers_of

ACHIEVED = pytest.StashKey[dict]()


@pytest.fixture(scope="session")
def answers(tmp_path_factory):
    """What every framework answers to every case: arrays by (framework, execution), case and name.

    Each framework runs in a child process of its own (drive.py).
    """
    folder = tmp_path_factory.mktemp("cases")
    cases = {**PARITY, **IN_PIECES, **LINEAR, **WRONG_WEIGHTS}
    for name, case in cases.items():
        np.savez(folder / f"{name}.npz", **case.arrays)
        (folder / f"{name}.json").write_text(json.dumps({**asdict(case), "arrays": None}))
    compiled = [name for name, case in cases.items() if case.compiled]
    return answers_of(Path(__file__).with_name("drive.py"), folder, cases, compiled)


@pytest.fixture
def within(request):
    """within(tolerance, deviation, what): deviation <= tolerance, noted for the summary."""
    table = request.config.stash.setdefault(ACHIEVED, {})

    def check(tolerance, deviation, what):
        key = what, tolerance
        table[key] = max(deviation, table.get(key, 0.0))
        assert deviation <= tolerance

    return check


def pytest_terminal_summary(terminalreporter, config):
    table = config.stash.get(ACHIEVED, {})
    if table:
        terminalreporter.section("largest relative deviations")
    for (what, tolerance), value in sorted(table.items()):
        terminalreporter.write_line(f"{what:<60} {value:8.1e}  (tolerance {tolerance:.0e})")
