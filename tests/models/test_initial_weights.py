import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import WRONG_WEIGHTS, shapes
from domains import make_domain
from shared import REPOSITORY

from harness.models import architecture
from harness.models.fourcastnet import Network, describe, parameters
from harness.models.parameters import Parameter, count, draw, fingerprint
from harness.scenario.catalogue import preset

NETWORK = {"patch_size": 3, "embed_dim": 24, "depth": 2, "num_blocks": 4, "mlp_ratio": 2.0}
GRID, CHANNELS = (12, 15), 5


def described():
    return parameters(Network(**NETWORK), make_domain(GRID, CHANNELS))


def test_paper_preset_has_the_parameters_of_the_reference_but_for_its_unused_layer_norm():
    paper = preset("fourcastnet", "paper").preset
    assert paper.grid == (720, 1440)
    width, tokens, patch_values, blocks = 768, 90 * 180, 20 * 8 * 8, 8
    norms, filters = 2 * 2 * width, 2 * (2 * blocks * (width // blocks) ** 2 + 2 * width)
    mlp = width * 4 * width + 4 * width + 4 * width * width + width
    by_hand = tokens * width + (patch_values * width + width) + 12 * (norms + filters + mlp) + patch_values * width
    assert by_hand == 74_691_840 - 2 * width
    domain = make_domain(paper.grid, 20)
    assert count(parameters(paper.network, domain)) == by_hand
    assert describe(paper.network, domain)["parameters"] == by_hand


def test_names_and_shapes_are_those_of_the_reference():
    assert {p.name: p.shape for p in described()} == shapes(NETWORK, GRID, CHANNELS)


def test_the_same_seed_gives_the_same_weights_in_another_process():
    code = (
        "from domains import make_domain\n"
        "from harness.models.fourcastnet import Network, parameters\n"
        "from harness.models.parameters import draw, fingerprint\n"
        f"print(fingerprint(draw(parameters(Network(**{NETWORK}), make_domain({GRID}, {CHANNELS})), 7)))"
    )
    command, path = [sys.executable, "-c", code], f"{REPOSITORY}{os.pathsep}{Path(__file__).parent}"
    environment = {**os.environ, "PYTHONPATH": path}
    child = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert child.stdout.strip() == fingerprint(draw(described(), 7))


def test_every_seed_gives_other_weights():
    assert len({fingerprint(draw(described(), seed)) for seed in range(5)}) == 5


def test_a_weight_depends_on_its_own_name_alone():
    found = described()
    weights, backwards = draw(found, 7), draw(found[::-1], 7)
    assert fingerprint(weights) == fingerprint(backwards)
    alone = draw([parameter for parameter in found if parameter.name == "blocks.1.filter.w1"], 7)
    assert np.array_equal(alone["blocks.1.filter.w1"], weights["blocks.1.filter.w1"])


def test_no_two_random_weights_repeat_each_other():
    weights = draw(described(), 7)
    first = [values.ravel()[:8] for values in weights.values() if values.std() > 0]
    correlation = np.corrcoef(np.array(first))
    assert np.abs(correlation - np.eye(len(first))).max() < 0.99


def test_fingerprint_sees_names_shapes_and_single_values():
    weights = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}
    changed = weights["a"].copy()
    changed[1, 2] = np.nextafter(changed[1, 2], np.float32(7))
    others = [{"b": weights["a"]}, {"a": weights["a"].reshape(3, 2)}, {"a": changed}]
    assert len({fingerprint(each) for each in [weights, *others]}) == 4
    assert fingerprint({"a": weights["a"].T.copy().T}) == fingerprint(weights)


def test_draws_have_the_moments_of_their_distribution():
    size = 200_000
    weights = draw(
        [Parameter(kind, (size,), kind, 0.02) for kind in ("normal", "uniform", "constant")],
        3,
    )
    normal, uniform, constant = (weights[kind].astype(np.float64) for kind in ("normal", "uniform", "constant"))
    assert abs(normal.mean()) < 4 * 0.02 / math.sqrt(size)
    assert abs(normal.std() / 0.02 - 1) < 4 / math.sqrt(2 * size)
    assert abs((normal**4).mean() / 0.02**4 - 3) < 4 * math.sqrt(96 / size)
    assert abs(uniform.mean()) < 4 * 0.02 / math.sqrt(3 * size)
    assert abs(uniform.std() / 0.02 * math.sqrt(3) - 1) < 4 / math.sqrt(size)
    assert 0.999 * 0.02 < np.abs(uniform).max() <= np.float32(0.02)
    assert np.unique(constant).tolist() == [np.float32(0.02)]


def test_layers_start_from_the_distributions_of_the_reference():
    by_name = {p.name: (p.distribution, p.scale) for p in described()}
    convolution = ("uniform", 1 / math.sqrt(CHANNELS * 3 * 3))
    for name, start in by_name.items():
        if name.startswith("patch_embed"):
            assert start == convolution, name
        elif "norm" in name:
            assert start == ("constant", 1.0 if name.endswith("weight") else 0.0), name
        elif name.endswith("bias"):
            assert start == ("constant", 0.0), name
        else:
            assert start == ("normal", 0.02), name


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["pytorch", "mindspore"])
@pytest.mark.parametrize("name", WRONG_WEIGHTS)
def test_missing_surplus_and_misshaped_weights_are_refused_by_name(answers, name, framework):
    assert name in str(answers[framework, "eager"][name]["refused"])


@pytest.mark.slow
def test_patches_are_embedded_as_by_the_strided_convolution_of_the_reference():
    code = (
        "import torch\n"
        "from harness.models.fourcastnet import Network\n"
        "from harness.models.fourcastnet.pytorch import PatchEmbed\n"
        "embed = PatchEmbed(Network(patch_size=3, embed_dim=16, depth=1), 5).double()\n"
        "x = torch.randn(2, 5, 12, 21, dtype=torch.float64)\n"
        "expected = torch.nn.functional.conv2d(x, embed.proj.weight, embed.proj.bias, stride=3)\n"
        "torch.testing.assert_close(embed(x).permute(2, 3, 1, 0), expected, rtol=1e-12, atol=1e-12)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_an_unknown_architecture_names_the_nearest():
    from harness.errors import UserError

    with pytest.raises(UserError, match="did you mean 'fourcastnet'"):
        architecture("fourcasnet")
