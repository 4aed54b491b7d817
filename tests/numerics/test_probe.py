"""The bits that the probe finds in products whose precision is known: made in NumPy, and in real frameworks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.frameworks.numerics import SHAPES, matmul_bits, operand
from tests.shared import REPOSITORY

DRIVE = Path(__file__).with_name("drive.py")


class Product:
    """A device on which a product is what `multiply` says."""

    def __init__(self, multiply):
        self.multiply = multiply

    def put(self, array):
        return array

    def get(self, value):
        return value


def kept(bits):
    """Round to nearest, ties away from 0, to so many bits of the significand."""

    def rounded(values):
        fraction, exponent = np.frexp(values)
        scaled = fraction * 2.0**bits
        return np.ldexp(np.trunc(scaled + np.copysign(0.5, scaled)), exponent - bits)

    return rounded


def cut(bits):
    """Cut to so many bits of the significand."""

    def shortened(values):
        fraction, exponent = np.frexp(values)
        return np.ldexp(np.trunc(fraction * 2.0**bits), exponent - bits)

    return shortened


def half(values):
    return values.astype(np.float16)


def wide(left, right):
    return left.astype(np.float64) @ right.astype(np.float64)


def of_operands(form):
    return lambda left, right: wide(form(left), form(right))


def of_results(form):
    return lambda left, right: form(wide(left, right))


@pytest.mark.parametrize(
    ("multiply", "bits"),
    [
        (np.matmul, 24),
        (wide, 24),
        (lambda a, b: wide(half(a), half(b)), 11),
        (lambda a, b: half(wide(a, b)), 11),
        (lambda a, b: wide(half(a), b), 11),
        (lambda a, b: wide(a, half(b)), 11),
        *[(of_operands(form(bits)), bits) for bits in (3, 8, 11, 12, 16, 23) for form in (kept, cut)],
        *[(of_results(form(bits)), bits) for bits in (8, 22) for form in (kept, cut)],
        (lambda a, b: wide(half(a), half(b)) if a.shape[0] >= 128 else wide(a, b), 11),
        (lambda a, b: wide(half(a), half(b)) if a.shape[0] < 128 else wide(a, b), 11),
        (lambda a, b: wide(kept(8)(a), kept(8)(b)) if a.shape != (1024, 128) else wide(half(a), half(b)), 8),
    ],
)
def test_bits_of_a_known_product(multiply, bits):
    assert matmul_bits(Product(multiply)) == bits


def test_sums_in_a_lower_format_are_seen_where_the_operands_are_whole():
    def multiply(left, right):
        total = np.zeros((left.shape[0], right.shape[1]), np.float16)
        for column, row in zip(left.T[:], right, strict=True):
            total = (total + np.outer(column, row)).astype(np.float16)
        return total

    assert np.all(operand(48, 64)[24:].max(axis=1) == 1)
    assert matmul_bits(Product(multiply)) == 11


@pytest.mark.parametrize(
    "multiply",
    [
        lambda a, b: wide(a, b) + 1,
        lambda a, b: wide(a, b) * np.nan,
        lambda a, b: np.zeros((a.shape[0], b.shape[1])),
        lambda a, b: wide(a, b) * (a.shape[0] < 1024),
    ],
)
def test_a_wrong_product_is_no_product_in_low_precision(multiply):
    with pytest.raises(UserError, match="is wrong even of small whole numbers; check the device"):
        matmul_bits(Product(multiply))


def test_every_row_of_an_operand_adds_up_exactly_in_float32():
    for rows, columns, _ in SHAPES:
        made = operand(rows, columns).astype(np.float32)
        right = 1 + 2.0 ** -(np.arange(rows) % 24)
        assert np.array_equal(made.sum(axis=1), right)
        assert np.array_equal(made[:, ::-1].sum(axis=1), right)


def answer_of(framework, **environment):
    done = subprocess.run(
        [sys.executable, DRIVE, framework],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "GLOG_v": "3", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_pytorch():
    found = answer_of("pytorch", TORCH_ALLOW_TF32_CUBLAS_OVERRIDE="1")
    assert found["before"] == "high"
    assert found["bits"] == {"plain": 24, "10 + 1 bits": 11, "7 + 1 bits": 8, "autocast bfloat16": 8, "float64": 24}
    assert found["switches"]["float32_matmul_precision"] == "highest"
    assert found["switches"]["backends.cuda.matmul.allow_tf32"] == "False"
    assert found["switches"]["backends.cudnn.allow_tf32"] == "False"
    assert found["changed"]["float32_matmul_precision"] == "medium"


def test_mindspore():
    found = answer_of("mindspore")
    assert found["bits"] == {"eager": 24, "compiled": 24, "eager, float16": 11, "compiled, float16": 11}
    assert found["switches"] == {}
