"""How far a result is from the same in double precision, and how far it may be.

The tolerance is no habit: it follows from what single precision itself costs this operator on these inputs. With d the
deviation of PyTorch's float32 from its float64 and u the unit roundoff of float32, it is

    FACTOR * max(d, ROUNDINGS * u)

relative to the largest magnitude of the output. FACTOR allows another order of summation, as of thousands of gradients
one after the other, and other approximations of exp or erf; ROUNDINGS is for operators where PyTorch rounds once or not
at all.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

FACTOR = 32.0
ROUNDINGS = 2
UNIT_ROUNDOFF = 2.0**-24

WARM_UPS, FEWEST_REPEATS, MOST_REPEATS, ENOUGH_S = 2, 5, 50, 0.05


def deviation(result: NDArray[np.generic], reference: NDArray[np.generic]) -> float:
    """max |result - reference| / max |reference|; infinite where shapes or the places of NaN and infinity differ.

    Of results that are no floating-point numbers, the share of the elements that differ.
    """
    if result.shape != reference.shape:
        return float("inf")
    if reference.size == 0:
        return 0.0
    if not np.issubdtype(reference.dtype, np.floating):
        return float(np.mean(result != reference))
    finite = np.isfinite(reference)
    with np.errstate(over="ignore"):
        strange = np.where(finite, 0, reference).astype(np.float32)
    if not np.array_equal(np.where(np.isfinite(result), 0, result), strange, equal_nan=True):
        return float("inf")
    largest = float(np.max(np.abs(reference), where=finite, initial=0.0))
    apart = float(
        np.max(np.abs(np.subtract(result, reference, dtype=np.float64, where=finite)), where=finite, initial=0)
    )
    return apart / largest if largest else apart


def tolerance(own: float, *, exact: bool = False) -> float:
    """How far a result may be, from PyTorch's own deviation; 0 for results that are no floating-point numbers."""
    return 0.0 if exact else FACTOR * max(own, ROUNDINGS * UNIT_ROUNDOFF)


def worst(pairs: Iterable[tuple[float, float]]) -> tuple[float | None, float | None]:
    """Of (deviation, tolerance), the pair that is nearest to failing or furthest beyond; (None, None) of none."""
    ranked = sorted(pairs, key=lambda pair: (pair[0] > pair[1], pair[0] / pair[1] if pair[1] else pair[0]))
    return ranked[-1] if ranked else (None, None)


def deviations(results: Sequence[NDArray[np.generic]], references: Sequence[NDArray[np.generic]]) -> tuple[float, ...]:
    """The deviation of every result; raises ValueError where there are fewer or more than references."""
    return tuple(deviation(result, reference) for result, reference in zip(results, references, strict=True))


def median_s(call: Callable[[], object], synchronise: Callable[[], None]) -> float:
    """Median time of a call in seconds, after a warm-up; the clock is read after the device has finished."""
    for _ in range(WARM_UPS):
        call()
    synchronise()
    times: list[float] = []
    while len(times) < FEWEST_REPEATS or (len(times) < MOST_REPEATS and sum(times) < ENOUGH_S):
        begun_s = perf_counter()
        call()
        synchronise()
        times.append(perf_counter() - begun_s)
    return statistics.median(times)
