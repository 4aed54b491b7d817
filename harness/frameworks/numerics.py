"""Measures how many bits of its operands and sums a matrix product keeps, whatever the switches say."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.frameworks.base import Framework, Numerics
from harness.overrides import dropped
from harness.scenario.execution import Matmul

POLICY_BITS: Mapping[Matmul, int] = {"ieee": 24, "tf32": 11, "hf32": 12}

SHAPES = ((64, 64, 64), (256, 256, 256), (1024, 128, 512))
"""(m, k, n) of the products tried: libraries choose their kernels by size, and the networks' products are large."""

STEPS = np.arange(24)
"""The exponents k of the values 1 + 2^-k; float32 holds the last, 1 + 2^-23, and none beyond."""


def measure(framework: Framework, policy: Matmul, environment: Mapping[str, str]) -> Numerics:
    """The numerics of an open device, and what was dropped from `environment`, that of this process.

    Raises UserError where the product is wrong even of values that any format holds.
    """
    found = framework.switches()
    return Numerics(
        policy=policy,
        policy_bits=POLICY_BITS[policy],
        matmul_bits=matmul_bits(framework),
        switches=found.values,
        unread=found.unread,
        dropped=dropped(environment),
    )


def matmul_bits(framework: Framework) -> int:
    """Bits of the significand, the leading one counted, that the product keeps for every one of SHAPES.

    Raises UserError where the product is wrong even of values that any format holds.
    """
    return min(_bits_kept(framework, *shape) for shape in SHAPES)


def _bits_kept(framework: Framework, m: int, k: int, n: int) -> int:
    left, right = operand(m, k), operand(n, k).T
    by_row = _product(framework, left, np.ones((k, n)))
    by_column = _product(framework, np.ones((m, k)), right)
    rows, columns = STEPS[np.arange(m) % STEPS.size], STEPS[np.arange(n) % STEPS.size]
    exact = [
        bool(np.all(by_row[rows == step] == 1 + 2.0**-step) and np.all(by_column[:, columns == step] == 1 + 2.0**-step))
        for step in STEPS
    ]
    if not exact[0]:
        raise UserError(
            f"a matrix product ({m}, {k}) x ({k}, {n}) on this device is wrong even of small whole numbers; "
            "check the device, its driver and the framework's build"
        )
    return exact.index(False) if False in exact else STEPS.size


def operand(rows: int, columns: int) -> NDArray[np.float64]:
    """A matrix whose row r adds up to 1 + 2^-k with k = r mod 24: as one value, or as 1 and 2^-k in turns of 24 rows.

    All else is 0, so that a product with ones is exact in float32 in any order, and lower formats lose the 2^-k: in the
    one kind of rows when they round the operand, in the other when they round the sum.
    """
    row = np.arange(rows)
    small = 2.0 ** -STEPS[row % STEPS.size]
    apart = row // STEPS.size % 2 == 1
    made = np.zeros((rows, columns))
    made[row, row % columns] = np.where(apart, 1, 1 + small)
    made[row[apart], (row[apart] + columns // 2) % columns] = small[apart]
    return made


def _product(framework: Framework, left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    operands = (framework.put(np.ascontiguousarray(each, np.float32)) for each in (left, right))
    return framework.get(framework.multiply(*operands)).astype(np.float64)
