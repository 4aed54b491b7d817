import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from aigoms_cases import AIGOMS, COMPILED_MIXERS, MIXERS
from children import answers_of


@pytest.fixture(scope="session")
def solved(tmp_path_factory):
    """What every framework makes of every case and mixer: arrays by (framework, execution), case and name.

    Each framework runs in a child process of its own (aigoms_drive.py).
    """
    folder = tmp_path_factory.mktemp("aigoms")
    for name, case in AIGOMS.items():
        np.savez(folder / f"{name}.npz", **case.arrays)
        (folder / f"{name}.json").write_text(json.dumps({**asdict(case), "arrays": None}))
    for name, arrays in MIXERS.items():
        np.savez(folder / f"{name}.mixer.npz", **arrays)
    cases, compiled = list(AIGOMS), [name for name, case in AIGOMS.items() if case.compiled]
    cases += [f"{name}.mixer" for name in MIXERS]
    compiled += [f"{name}.mixer" for name in COMPILED_MIXERS]
    return answers_of(Path(__file__).with_name("aigoms_drive.py"), folder, cases, compiled)
