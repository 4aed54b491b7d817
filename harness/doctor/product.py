"""A small product on the device, in a process of its own: `python -m harness.doctor.product FRAMEWORK DEVICE`."""

import json
import os
import sys

import numpy as np

from harness.errors import UserError
from harness.frameworks import open_framework
from harness.frameworks.numerics import measure

SIZE = 64


def main(framework_name: str, device: str) -> dict[str, object]:
    """Whole numbers small enough for an exact product in any precision the device may choose, against NumPy.

    The numerics say what precision it chose.
    """
    try:
        framework = open_framework(framework_name, device)
        rows, columns = np.indices((SIZE, SIZE))
        left, right = (rows + 2 * columns) % 7, (3 * rows + columns) % 5
        got = framework.get(framework.multiply(*(framework.put(m.astype(np.float32)) for m in (left, right))))
        framework.synchronise()
        described = framework.describe()
        numerics = measure(framework, "ieee", os.environ)
    except UserError as error:
        return {"reason": str(error)}
    right_values = bool(np.array_equal(got, left @ right))
    reason = None if right_values else "the product on the device has wrong values"
    return {
        "device_name": described.device_name,
        "packages": described.packages,
        "numerics": numerics.model_dump(mode="json"),
        "reason": reason,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
