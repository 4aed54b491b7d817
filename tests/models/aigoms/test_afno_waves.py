"""The mixer alone, on waves whose answer is known by hand, in one and two dimensions."""

import numpy as np
import pytest
from aigoms_cases import (
    AMPLITUDE,
    COLUMNS,
    COMPILED_MIXERS,
    ENDS,
    GAIN,
    KEPT_COLUMNS,
    MIXERS,
    PHASES,
    ROWS,
    SEQUENCES,
    THRESHOLD,
    TURN,
    WIDTH,
    plane_angles,
    sequence_angles,
    waves,
)
from children import CHILDREN

from harness.models.fourcastnet import Network

pytestmark = pytest.mark.slow

ROUNDING = 5e-5
"""Values of order 1, through sums and offsets of order 50 in float32."""


def every_framework(*names):
    """Parameters `name` and `key` of a test: mixers in every framework, a few of them compiled."""
    return pytest.mark.parametrize(
        ("name", "key"),
        [
            pytest.param(name, key, id="-".join((name, *key)))
            for name in names
            for key in CHILDREN
            if key[1] == "eager" or name in COMPILED_MIXERS
        ],
    )


def turned(angles):
    """Every wave with the gain and the turn of the linear mixer, in the other channel of its block."""
    return GAIN * waves(angles + TURN)[..., [1, 0, 3, 2]]


def shrunk(angles):
    """Of amplitude e^(i phase) in the spectrum only positive parts pass, each less the threshold."""
    to_spectrum = np.sqrt(len(angles)) / 2
    out = []
    for channel in range(WIDTH):
        parts = AMPLITUDE * to_spectrum * np.array([np.cos(PHASES[channel % 2]), np.sin(PHASES[channel % 2])])
        real, imaginary = np.maximum(np.maximum(parts, 0) - THRESHOLD, 0) / to_spectrum
        out.append(real * np.cos(angles) - imaginary * np.sin(angles))
    return np.stack(out, axis=-1)


def mixed(solved, key, name):
    """What the mixer adds to its input."""
    return solved[key][f"{name}.mixer"]["y"] - MIXERS[name]["x"]


def tokens_of(name):
    return int(name.partition("-")[2])


@every_framework(*(f"linear-{tokens}" for tokens in SEQUENCES))
def test_every_pure_mode_comes_out_with_the_gain_and_turn_of_the_weights(solved, name, key):
    expected = turned(sequence_angles(tokens_of(name)))
    np.testing.assert_allclose(mixed(solved, key, name), expected, rtol=0, atol=ROUNDING)


@every_framework(*(f"plain-{tokens}" for tokens in SEQUENCES))
def test_both_parts_of_every_mode_are_rectified_and_shrunk_apart(solved, name, key):
    expected = shrunk(sequence_angles(tokens_of(name)))
    np.testing.assert_allclose(mixed(solved, key, name), expected, rtol=0, atol=ROUNDING)


@every_framework("linear-ends")
def test_the_mean_and_the_highest_mode_have_no_phase(solved, name, key):
    expected = GAIN * np.cos(TURN) * waves(ENDS, (0.0, 0.0))
    np.testing.assert_allclose(mixed(solved, key, name), expected, rtol=0, atol=ROUNDING)


@every_framework("linear-sum")
def test_in_the_linear_range_a_sum_of_modes_gives_the_sum_of_answers(solved, name, key):
    expected = turned(sequence_angles(60)).sum(1, keepdims=True)
    np.testing.assert_allclose(mixed(solved, key, name), expected, rtol=0, atol=20 * ROUNDING)


@every_framework("linear-plane", "plain-plane")
def test_on_a_plane_the_kept_modes_are_mixed_and_the_others_pass_by(solved, name, key):
    answer = {"linear-plane": turned, "plain-plane": shrunk}[name]
    angles, zonal = plane_angles(ROWS, COLUMNS)
    network = Network(patch_size=1, embed_dim=8, depth=1)
    assert network.kept_modes((ROWS, COLUMNS)) == (range(ROWS), range(KEPT_COLUMNS))
    expected = np.where((zonal < KEPT_COLUMNS)[None, :, None], answer(angles), 0.0)
    assert (zonal >= KEPT_COLUMNS).any()
    np.testing.assert_allclose(mixed(solved, key, name), expected, rtol=0, atol=ROUNDING)
