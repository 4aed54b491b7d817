"""Files that say wrong things of themselves, and networks of other sizes: one line each, nothing written."""

import json
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from harness.errors import UserError
from harness.porting.convert.about import shown
from harness.porting.convert.ckpt_file import read_ckpt, write_ckpt
from harness.porting.convert.convert import Request, convert_here
from harness.porting.convert.dialects import to_mindspore
from harness.porting.convert.expected import expected_network, shapes_of
from harness.porting.convert.running import kind_of
from harness.porting.convert.tensors import State, from_array, number
from harness.scenario import catalogue

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
ROLES = json.dumps({"a": "parameter"})


def convert(path, **options):
    place = path.with_name("out.safetensors")
    return convert_here(
        Request(
            source=path,
            source_kind=kind_of(path),
            target=place,
            place=place,
            target_kind="safetensors",
            target_layout="neutral",
            **options,
        )
    )


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"format": "crosscast-weights", "roles": ROLES}, "no format version"),
        ({"format": "crosscast-weights", "format_version": "x", "roles": ROLES}, "no format version"),
        ({"format": "crosscast-weights", "format_version": "9" * 5000, "roles": ROLES}, "no format version"),
        ({"format": "crosscast-weights", "format_version": "2", "roles": ROLES}, "the newest read"),
        ({"format": "crosscast-weights", "format_version": "1"}, "no roles"),
        ({"format": "crosscast-weights", "format_version": "1", "roles": "{"}, "not JSON"),
        ({"format": "crosscast-weights", "format_version": "1", "roles": "[" * 99999}, "not JSON"),
        ({"format": "crosscast-weights", "format_version": "1", "roles": '{"a": "king"}'}, "roles is damaged"),
        ({"format": "crosscast-weights", "format_version": "1", "roles": '{"a": []}'}, "roles is damaged"),
        ({"format": "crosscast-weights", "format_version": "1", "roles": "[1]"}, "roles is damaged"),
        ({"format": "crosscast-weights", "format_version": "1", "roles": "{}"}, "names other tensors"),
        (
            {"format": "crosscast-weights", "format_version": "1", "roles": ROLES, "optimiser": "3"},
            "says of itself is damaged",
        ),
        ({"crosscast": "{]"}, "not JSON"),
        ({"crosscast": "7"}, "says of itself is damaged"),
        ({"crosscast": '{"optimiser": {"names": [1]}}'}, "says of itself is damaged"),
        ({"crosscast": '{"optimiser": {"hyperparameters": {"betas": [2, 3]}}}'}, "says of itself is damaged"),
    ],
)
def test_damaged_metadata_of_safetensors_are_one_line(tmp_path, metadata, said):
    save_file({"a": WEIGHT}, tmp_path / "in.safetensors", metadata)
    with pytest.raises(UserError, match=said):
        convert(tmp_path / "in.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("name", ["a\x1b[31m", "[/red]" * 200, "a\nb"])
def test_names_that_no_terminal_should_get_are_refused(tmp_path, name):
    arrays = [from_array(name, "F32", WEIGHT)]
    write_ckpt(tmp_path / "in.ckpt", arrays, {})
    with pytest.raises(UserError, match="is no name of a tensor"):
        convert(tmp_path / "in.ckpt")


def test_a_header_that_claims_a_billion_values_is_named(tmp_path):
    entry = {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}
    header = json.dumps({"a": entry}).encode()
    path = tmp_path / "in.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(24))
    with pytest.raises(UserError, match="not a whole safetensors file"):
        convert(path)


def test_what_a_terminal_gets_of_a_file_is_one_line():
    assert shown("a\x1b[31m\n") == r"'a\x1b[31m\n'"
    assert len(shown("x" * 9999)) < 200


@pytest.mark.parametrize("text", ["{", "7", '{"optimiser": 1}', "[" * 99999])
def test_a_damaged_text_of_mindspore_is_one_line(tmp_path, text):
    write_ckpt(tmp_path / "in.ckpt", [from_array("a", "F32", WEIGHT)], {"crosscast": text})
    with pytest.raises(UserError, match="damaged"):
        convert(tmp_path / "in.ckpt")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("ckpt") / "in.ckpt"
    write_ckpt(path, [from_array("a", "F32", WEIGHT), from_array("b", "I32", np.arange(3, dtype="<i4"))], {})
    return path


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_of_mindspore_with_any_bytes_changed_or_cut_is_read_or_refused(checkpoint, tmp_path, data):
    content = bytearray(checkpoint.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "changed.ckpt"
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        tensors, _ = read_ckpt(path)
    except UserError:
        return
    assert sum(tensor.bits().nbytes for tensor in tensors) <= len(content)


def test_the_checksum_of_mindspore_finds_a_flipped_bit(checkpoint, tmp_path):
    content = bytearray(checkpoint.read_bytes())
    mark = b"crc_num" + zlib.crc32(content).to_bytes(10, "big")
    path = tmp_path / "summed.ckpt"
    path.write_bytes(bytes(content) + mark)
    assert [tensor.name for tensor in read_ckpt(path)[0]] == ["a", "b"]
    content[content.index(WEIGHT.tobytes()) + 5] ^= 1
    path.write_bytes(bytes(content) + mark)
    with pytest.raises(UserError, match="checksum is wrong"):
        read_ckpt(path)


@pytest.mark.parametrize("value", [np.inf, np.nan, 0.5])
def test_a_count_of_steps_that_is_none(value):
    assert number(from_array("step", "F32", np.array(value, "<f4"))) is None


@pytest.mark.parametrize("steps", [3, 70_000])
def test_powers_of_the_betas_are_multiplied_up_in_float32(steps):
    betas = (0.9, 0.9999)
    state = State(
        {
            "parameter": (from_array("a", "F32", WEIGHT),),
            "first_moment": (from_array("a", "F32", WEIGHT),),
            "step": (from_array("step", "I64", np.array(steps, "<i8")),),
        },
        {"optimiser": {"hyperparameters": {"betas": betas}}},
    )
    written = {tensor.name: tensor for tensor in to_mindspore(state, None)[0]}
    for name, beta in zip(("beta1_power", "beta2_power"), betas, strict=True):
        power = np.float32(1)
        for _ in range(steps):
            power = power * np.float32(beta)
        assert written[name].bits().view("<f4").item() == power


def with_another(model, grid=None, **network):
    """The shapes of the tiny preset with other hyperparameters, on another grid."""
    expected = expected_network(model, "tiny", None)
    changed = {"network": {**expected.network, **network}, "grid": grid or expected.grid}
    return {name: np.zeros(shape, np.float32) for name, shape in shapes_of(expected.model_copy(update=changed)).items()}


@pytest.mark.parametrize(
    ("model", "network", "said"),
    [
        (
            "fourcastnet",
            {"patch_size": 8},
            "the file has patch size 8, fourcastnet tiny has 4; patches on the grid 32, not 128",
        ),
        ("fourcastnet", {"depth": 3}, "the file has depth 3, fourcastnet tiny has 2"),
        ("fourcastnet", {"embed_dim": 32}, "the file has width 32, fourcastnet tiny has 64"),
        ("fourcastnet", {"grid": (64, 64)}, "the file has patches on the grid 256, fourcastnet tiny has 128"),
        ("graphcast", {"message_steps": 4}, "the file has message steps 4, graphcast tiny has 2"),
        ("graphcast", {"latent_size": 16}, "the file has latent size 16, graphcast tiny has 48"),
        ("aigoms", {"depth": 1}, "the file has depth 1, aigoms tiny has"),
    ],
)
def test_another_size_is_named_as_that(tmp_path, model, network, said):
    save_file(with_another(model, **network), tmp_path / "in.safetensors")
    outcome = convert(tmp_path / "in.safetensors", model=model, preset="tiny")
    assert said in outcome.refusal
    assert "missing" not in outcome.refusal


def test_another_number_of_channels_is_named_under_published_names_too(tmp_path):
    arrays = with_another("fourcastnet")
    arrays["patch_embed.proj.weight"] = np.zeros((64, 20, 4, 4), np.float32)
    arrays["head.weight"] = np.zeros((20 * 16, 64), np.float32)
    published = {}
    for rule_from, rule_to in (
        ("norm1.weight", "layer_norm.gamma"),
        ("norm1.bias", "layer_norm.beta"),
        ("norm2.weight", "ffn_norm.gamma"),
        ("norm2.bias", "ffn_norm.beta"),
    ):
        for name in [name for name in arrays if name.endswith(rule_from)]:
            arrays[name.replace(rule_from, rule_to)] = arrays.pop(name)
    for name, values in arrays.items():
        published[
            "head.weight" if name == "head.weight" else "forward_features." + name.replace("blocks.", "layer.")
        ] = values
    save_file(published, tmp_path / "in.safetensors")
    outcome = convert(tmp_path / "in.safetensors", model="fourcastnet", preset="tiny")
    channels = len(catalogue.data("rossby").channels)
    assert f"input channels 20, fourcastnet tiny has {channels}; output channels 20, not {channels}" in outcome.refusal
