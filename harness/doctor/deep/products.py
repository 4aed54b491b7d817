"""Matrix products on the device: how precise they are, and whether a clock around them can be believed."""

import os
import time
from collections.abc import Iterator
from statistics import median

import numpy as np

from harness.errors import UserError
from harness.frameworks.base import Framework
from harness.frameworks.numerics import measure
from harness.results.deep_report import BoundedValue, Check

SMALLEST, LARGEST = 512, 8192
"""Sides of the square products that are timed; the largest takes 0.8 GB for operands and result."""

LONG_S = 0.02
"""A product that takes so long is timed; launching a kernel takes a hundredth of it."""

REPEATS = 5
TWICE = (1.5, 2.7)
"""Between these a product of twice the rows takes twice as long; the shortest of REPEATS is taken of each."""

ATTEMPTS = 5
"""How often both are timed until they fit: other work disturbs some of them, a clock that does not wait all."""

NOT_LONGER = 1.25

INSTANT_S = LONG_S / 100
"""The largest product in less would be 5.5 PFLOP/s in float32, which no chip reaches: nobody waited for it."""

BOOST = 1.1
"""How much faster than its data sheet a card may be that raises its clocks as far as its power allows."""


def check_precision(framework: Framework, group: str) -> Iterator[Check]:
    """The bits that a product keeps of float32."""
    try:
        found = measure(framework, "ieee", os.environ)
    except UserError as error:
        yield Check(
            group=group,
            name="precision of products",
            verdict="failed",
            found=str(error),
            advice="check the device, its driver and the framework's build",
        )
        return
    bits = f"{found.matmul_bits} of {found.policy_bits} bits kept"
    if found.shortfall:
        advice = "look for a variable or a library that overrules the switches; such times are not those of fp32"
        yield Check(group=group, name="precision of products", verdict="failed", found=bits, advice=advice)
    elif found.unread:
        advice = f"what could not be set or read back: {found.unread[0]}"
        yield Check(group=group, name="precision of products", verdict="ok", found=f"{bits}; {advice}")
    else:
        yield Check(group=group, name="precision of products", verdict="ok", found=bits)


def check_clock(framework: Framework, group: str, peak_tflops: float | None) -> Iterator[Check]:
    """Whether a product of twice the size takes twice as long, and none is faster than the chip."""
    side, once_s = _long_product(framework)
    ratios: list[float] = []
    while len(ratios) < ATTEMPTS and not (ratios and _is_twice(ratios[-1])):
        if ratios:
            once_s = shortest_s(framework, side, side)
        twice_s = shortest_s(framework, 2 * side, side)
        ratios.append(twice_s / once_s)
    ratio = ratios[-1] if _is_twice(ratios[-1]) else median(ratios)
    said = f"twice a product of {side}x{side} took {ratio:.2f} times as long as one ({once_s * 1e3:.3g} ms)"
    measured = (BoundedValue(what="time of twice the product over that of one", value=ratio, at_most=TWICE[1]),)
    if ratio < NOT_LONGER or once_s < INSTANT_S:
        yield Check(
            group=group,
            name="synchronise",
            verdict="failed",
            found=said,
            advice="the clock stops before the device has finished: unset variables that make it asynchronous, or "
            "mend the framework's build; no time measured here counts",
            measured=measured,
        )
    elif not _is_twice(ratio):
        advice = "something else was at work, or the device changes its clocks: run this again when it is idle"
        yield Check(group=group, name="synchronise", verdict="warning", found=said, advice=advice, measured=measured)
    else:
        yield Check(group=group, name="synchronise", verdict="ok", found=said, measured=measured)
    yield _rate(group, max(2 * side**3 / once_s, 4 * side**3 / twice_s) / 1e12, peak_tflops)


def _is_twice(ratio: float) -> bool:
    return TWICE[0] <= ratio <= TWICE[1]


def _rate(group: str, tflops: float, peak_tflops: float | None) -> Check:
    found = f"{tflops:.3g} TFLOP/s in float32"
    if peak_tflops is None:
        return Check(group=group, name="rate", verdict="ok", found=f"{found}; the chip's file gives no peak")
    share = f"{found}, {tflops / peak_tflops:.0%} of the chip's peak of {peak_tflops:g}"
    measured = (BoundedValue(what="TFLOP/s of a float32 product", value=tflops, at_most=peak_tflops),)
    if tflops > BOOST * peak_tflops:
        advice = "faster than the chip can be: the product is not in float32, or the clock does not wait for it"
        return Check(group=group, name="rate", verdict="failed", found=share, advice=advice, measured=measured)
    return Check(group=group, name="rate", verdict="ok", found=share, measured=measured)


def _long_product(framework: Framework) -> tuple[int, float]:
    """The side of the smallest square product that takes LONG_S, and how long it takes."""
    side = SMALLEST
    while True:
        took_s = shortest_s(framework, side, side)
        if took_s >= LONG_S or side >= LARGEST:
            return side, took_s
        side *= 2


def shortest_s(framework: Framework, rows: int, side: int) -> float:
    """The shortest of some times of a product (rows, side) x (side, side), from a device at rest to one at rest."""
    left, right = (framework.put(_values(count, side)) for count in (rows, side))
    times = []
    for _ in range(REPEATS + 1):
        framework.synchronise()
        begun = time.perf_counter()
        product = framework.multiply(left, right)
        framework.synchronise()
        times.append(time.perf_counter() - begun)
    framework.get(product)
    return min(times[1:])


def keep_busy(framework: Framework, seconds: float) -> tuple[int, int]:
    """Products for a while; when that began and ended on the monotonic clock, in ns."""
    side, _ = _long_product(framework)
    left = framework.put(_values(side, side))
    begun = time.monotonic_ns()
    while time.monotonic_ns() < begun + seconds * 1e9:
        framework.multiply(left, left)
        framework.synchronise()
    return begun, time.monotonic_ns()


def _values(rows: int, columns: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(rows).standard_normal((rows, columns), dtype=np.float32)
