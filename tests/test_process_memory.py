"""The peak of resident memory, in processes of their own."""

import subprocess
import sys

import numpy as np

from tests.shared import REPOSITORY

MIB = 2**20


def run(program):
    """The numbers that a program prints."""
    program = f"from harness.worker.process_memory import forget_peak, peak_bytes\n{program}"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.split()]


def test_what_the_parent_held_is_not_counted():
    held = np.ones(400 * MIB, np.uint8)
    (peak,) = run("print(peak_bytes())")
    assert held.nbytes == 400 * MIB
    assert 2 * MIB < peak < 200 * MIB


def test_what_was_given_back_before_is_forgotten():
    before, after, later = run(
        "held = bytearray(300 * 2**20)\ndel held\nprint(peak_bytes())\nforget_peak()\nprint(peak_bytes())\n"
        "held = bytearray(100 * 2**20)\nprint(peak_bytes())"
    )
    assert before > 300 * MIB
    assert after < 100 * MIB
    assert 100 * MIB < later < 200 * MIB
