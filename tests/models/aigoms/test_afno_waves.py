"""The mixer alone, on waves whose answer is known by hand, in one and two dimensions."""

import numpy as np
import pytest
from aigoms_cases import (
    AMPLITUDE,
    COLUMNS,
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

from harness.models.fourcastnet import Network

pytestmark = pytest.mark.slow

ROUNDING = 5e-5
"""Values of order 1, through sums and offsets of order 50 in float32."""

EVERY_FRAMEWORK = pytest.mark.parametrize(
    "key", [("pytorch", "eager"), ("mindspore", "eager"), ("mindspore", "compiled")], ids="-".join
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


@EVERY_FRAMEWORK
@pytest.mark.parametrize("tokens", SEQUENCES)
def test_every_pure_mode_comes_out_with_the_gain_and_turn_of_the_weights(solved, tokens, key):
    np.testing.assert_allclose(
        mixed(solved, key, f"linear-{tokens}"), turned(sequence_angles(tokens)), rtol=0, atol=ROUNDING
    )


@EVERY_FRAMEWORK
@pytest.mark.parametrize("tokens", SEQUENCES)
def test_both_parts_of_every_mode_are_rectified_and_shrunk_apart(solved, tokens, key):
    np.testing.assert_allclose(
        mixed(solved, key, f"plain-{tokens}"), shrunk(sequence_angles(tokens)), rtol=0, atol=ROUNDING
    )


@EVERY_FRAMEWORK
def test_the_mean_and_the_highest_mode_have_no_phase(solved, key):
    expected = GAIN * np.cos(TURN) * waves(ENDS, (0.0, 0.0))
    np.testing.assert_allclose(mixed(solved, key, "linear-ends"), expected, rtol=0, atol=ROUNDING)


@EVERY_FRAMEWORK
def test_in_the_linear_range_a_sum_of_modes_gives_the_sum_of_answers(solved, key):
    expected = turned(sequence_angles(60)).sum(1, keepdims=True)
    np.testing.assert_allclose(mixed(solved, key, "linear-sum"), expected, rtol=0, atol=20 * ROUNDING)


@EVERY_FRAMEWORK
@pytest.mark.parametrize(("name", "answer"), [("linear-plane", turned), ("plain-plane", shrunk)])
def test_on_a_plane_the_kept_modes_are_mixed_and_the_others_pass_by(solved, name, answer, key):
    angles, zonal = plane_angles(ROWS, COLUMNS)
    network = Network(patch_size=1, embed_dim=8, depth=1)
    assert network.kept_modes((ROWS, COLUMNS)) == (range(ROWS), range(KEPT_COLUMNS))
    expected = np.where((zonal < KEPT_COLUMNS)[None, :, None], answer(angles), 0.0)
    assert (zonal >= KEPT_COLUMNS).any()
    np.testing.assert_allclose(mixed(solved, key, name), expected, rtol=0, atol=ROUNDING)
