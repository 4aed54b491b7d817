"""Weights whose shapes fit another network than they were trained in are refused by what else their file holds."""

import math

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.errors import UserError
from harness.porting.convert.convert import Request, convert_here
from harness.porting.convert.expected import expected_network, shapes_of

OF_PRESET = {"model": "aigoms", "preset": "tiny"}
ROWS, COLUMNS, WIDTHS = 8, 16, {"pos_embed": 64, "decoder_pos_embed": 64}
"""Patches of 4 x 4 points of AI-GOMS tiny, 32 x 64, and its widths."""


def sines_and_cosines(rows, columns, width):
    """Those of get_2d_sincos_pos_embed of Ocean_AI_model, value by value."""
    quarter = width // 4
    found = np.empty((1, rows * columns, width), np.float32)
    for token in range(rows * columns):
        for part, (place, wave) in enumerate(
            (place, wave) for place in (token % columns, token // columns) for wave in (math.sin, math.cos)
        ):
            for k in range(quarter):
                found[0, token, part * quarter + k] = wave(place / 10000 ** (k / quarter))
    return found


def converted(folder, positions, dtype=np.float32, **options):
    random = np.random.default_rng(1)
    weights = {
        name: random.standard_normal(shape)
        for name, shape in shapes_of(expected_network(**OF_PRESET, data=None)).items()
    }
    path = folder / "reference.safetensors"
    save_file({name: values.astype(dtype) for name, values in (weights | positions).items()}, path)
    return convert_here(
        Request(
            **OF_PRESET,
            source=path,
            source_kind="safetensors",
            target=path,
            place=None,
            target_kind="safetensors",
            target_layout="neutral",
            source_names="aigoms-ocean-ai-model",
            **options,
        )
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_positions_that_are_computed_fit_and_half_precision_is_said(tmp_path, dtype):
    outcome = converted(tmp_path, {at: sines_and_cosines(ROWS, COLUMNS, n) for at, n in WIDTHS.items()}, dtype)
    assert outcome.refusal is None
    (parameters,) = (count for role, count in outcome.counts.items() if role == "parameter")
    said = f"other formats than float32: F16 ({parameters} of {parameters})"
    assert (said in " ".join(outcome.remarks)) == (dtype is np.float16)


@pytest.mark.parametrize("at", WIDTHS)
@pytest.mark.parametrize(
    ("positions", "said"),
    [
        (lambda width: sines_and_cosines(ROWS, 2 * COLUMNS, width), "the weights are those of another grid or patch"),
        (lambda width: sines_and_cosines(COLUMNS, ROWS, width), "trained with other positions"),
        (lambda width: 0.02 * np.ones((1, ROWS * COLUMNS, width), np.float32), "trained with other positions"),
    ],
    ids=["wider", "turned", "learned"],
)
def test_positions_of_another_grid_or_that_were_learned_are_refused(tmp_path, at, positions, said):
    whole = {name: sines_and_cosines(ROWS, COLUMNS, width) for name, width in WIDTHS.items()}
    with pytest.raises(UserError, match=said):
        converted(tmp_path, whole | {at: positions(WIDTHS[at])})


def test_who_asks_for_what_fits_gets_weights_of_another_grid(tmp_path):
    wider = {name: sines_and_cosines(ROWS, 2 * COLUMNS, width) for name, width in WIDTHS.items()}
    assert converted(tmp_path, wider, partial=True).refusal is None
