"""Both LayerNorms of MindSpore, the kernel and the composed one, against PyTorch's in float64."""

from pathlib import Path

import numpy as np
import pytest
from children import answers_of

SHAPES = {"narrow": (300, 8), "wide": (40, 256), "one token": (1, 16), "small rows": (64, 32)}
ROUNDING = 5e-6
DRIVE = Path(__file__).with_name("drive_layer_norm.py")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layer_norm")
    for number, (name, shape) in enumerate(SHAPES.items()):
        random = np.random.default_rng(number)
        scale = 1e-3 if name == "small rows" else 3.0
        np.savez(
            folder / f"{name}.npz",
            x=(scale * random.standard_normal(shape) + scale).astype(np.float32),
            weight=random.standard_normal(shape[1]).astype(np.float32),
            bias=random.standard_normal(shape[1]).astype(np.float32),
            cotangent=random.standard_normal(shape).astype(np.float32),
            epsilon=1e-5,
        )
    return answers_of(DRIVE, folder, SHAPES)


@pytest.mark.parametrize("kind", ["native", "composed"])
@pytest.mark.parametrize("execution", ["eager", "compiled"])
@pytest.mark.parametrize("case", SHAPES)
def test_value_and_gradients(answers, case, execution, kind):
    expected, found = answers["pytorch", "eager"][case], answers["mindspore", execution][case]
    for name, values in expected.items():
        largest = np.abs(values).max()
        np.testing.assert_allclose(found[f"{kind}.{name}"], values, rtol=0, atol=ROUNDING * largest, err_msg=name)
