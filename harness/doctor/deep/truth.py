"""Networks on the CPU in float64, in a child process: `python -m harness.doctor.deep.truth FOLDER`.

Without PyTorch, MindSpore computes them on the CPU in float32, operator by operator.
"""

import json
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from harness.doctor.deep.networks import answers, sample_of, truth_path
from harness.doctor.deep.plan import ChildPlan
from harness.errors import UserError, one_line
from harness.frameworks import open_framework


def main(folder: Path) -> dict[str, Any]:
    """Write an archive for each network of the plan; what the networks are compared with, and why some are missing."""
    plan = ChildPlan.read(folder)
    missing = {}
    try:
        if find_spec("torch") is None:
            framework, against = open_framework("mindspore", "CPU"), "MindSpore's on the CPU"
        else:
            framework, against = import_module("harness.frameworks.pytorch.probes").open_double(), "float64"
    except UserError as error:
        return {"reason": str(error)}
    for scenario in plan.scenarios:
        try:
            found = answers(framework, sample_of(scenario), lambda part: None)
            np.savez(truth_path(Path(plan.truths), scenario), **found)
        except Exception as error:
            missing[scenario.model] = one_line(error)
    return {"against": against, "missing": missing}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
