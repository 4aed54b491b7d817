"""A square wave of load in a process of its own: `python -m harness.calibration.load FRAMEWORK DEVICE HALF_S CYCLES`.

Prints one JSON line: the edges on the monotonic clock and the name of the device, or the reason why there is none.
Half periods are stretched a little, each differently, so that the edges fall at all places between two updates.
"""

import json
import sys
import time

import numpy as np

from harness.errors import UserError
from harness.frameworks import open_framework

SIZE_ON_CPU, SIZE = 512, 4096
"""Side of the products: on a device small ones leave most of it idle, on a CPU large ones blur the edges."""

STRETCH = 0.08
GOLDEN = 0.618034


def main(framework_name: str, device: str, half_s: float, cycles: int) -> dict[str, object]:
    """Run the wave."""
    framework = open_framework(framework_name, device)
    size = SIZE_ON_CPU if device.lower() == "cpu" else SIZE
    factor = framework.put(np.random.default_rng(0).normal(size=(size, size)).astype(np.float32) / size**0.5)
    product = framework.multiply(factor, factor)
    framework.synchronise()
    time.sleep(half_s)
    on_ns, off_ns = [], []
    for cycle in range(cycles):
        stretched_s = half_s * (1 + STRETCH * ((cycle * GOLDEN) % 1))
        on_ns.append(time.monotonic_ns())
        while time.monotonic_ns() < on_ns[-1] + stretched_s * 1e9:
            product = framework.multiply(factor, factor)
            framework.synchronise()
        off_ns.append(time.monotonic_ns())
        time.sleep(stretched_s)
    framework.get(product)
    return {"on_ns": on_ns, "off_ns": off_ns, "device_name": framework.describe().device_name}


if __name__ == "__main__":
    try:
        print(json.dumps(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))))
    except UserError as error:
        print(json.dumps({"reason": str(error)}))
