"""Checkpoints of the real frameworks converted into each other's and loaded by the real frameworks."""

import numpy as np
import pytest
from converting import OF_MODEL, child
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow
NVLABS = ("--names", "fourcastnet-nvlabs")


def ok(done):
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def loaded(server):
    """loaded(framework, folder): weights and forecast of the converted checkpoint there, as the framework loads it."""

    def load(framework, folder):
        assert server(framework).ask_child("checkpoints", framework, "load", folder) == {}
        with np.load(folder / "loaded.npz") as weights:
            return dict(weights), np.load(folder / "loaded.npy")

    return load


def made_by(framework, made):
    with np.load(made[framework] / "weights.npz") as weights:
        return dict(weights), np.load(made[framework] / "prediction.npy")


def assert_same_bits(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].tobytes() == values.tobytes(), name


def test_pytorch_to_mindspore_gives_the_same_weights_and_forecast_there(made, convert_apart, loaded, tmp_path):
    done = ok(convert_apart(made["pytorch"] / "source.tar", tmp_path / "converted.ckpt", *OF_MODEL))
    assert "module.pos_embed" in done.stdout
    weights, prediction = made_by("pytorch", made)
    found, forecast = loaded("mindspore", tmp_path)
    assert_same_bits(found, weights)
    np.testing.assert_allclose(forecast, prediction, rtol=0, atol=3e-6 * np.abs(prediction).max())


def test_mindspore_to_pytorch_gives_the_same_weights_and_forecast_there(made, convert, loaded, tmp_path):
    ok(convert(made["mindspore"] / "source.ckpt", tmp_path / "converted.pt", *OF_MODEL))
    weights, prediction = made_by("mindspore", made)
    found, forecast = loaded("pytorch", tmp_path)
    assert_same_bits(found, weights)
    np.testing.assert_allclose(forecast, prediction, rtol=0, atol=3e-6 * np.abs(prediction).max())


def test_a_step_after_a_round_trip_through_the_other_framework_is_the_step_without_it(made, convert, loaded, tmp_path):
    source = made["pytorch"] / "source.tar"
    (straight := tmp_path / "straight").mkdir()
    (around := tmp_path / "around").mkdir()
    ok(convert(source, straight / "converted.pt", *OF_MODEL))
    ok(convert(source, around / "there.ckpt", *OF_MODEL))
    ok(convert(around / "there.ckpt", around / "converted.pt", *OF_MODEL))
    for folder in (straight, around):
        _, forecast = loaded("pytorch", folder)
        assert forecast.tobytes() == np.load(made["pytorch"] / "prediction.npy").tobytes()
    assert (straight / "next.npy").read_bytes() == (around / "next.npy").read_bytes()


def test_both_frameworks_go_on_alike_from_one_optimiser_state(made, convert, loaded, tmp_path):
    ok(convert(made["pytorch"] / "source.tar", tmp_path / "converted.ckpt", *OF_MODEL))
    ok(convert(made["pytorch"] / "source.tar", tmp_path / "converted.pt", *OF_MODEL))
    moved = {}
    for framework in ("pytorch", "mindspore"):
        weights, _ = loaded(framework, tmp_path)
        moved[framework] = np.load(tmp_path / "next.npy") - weights["head.weight"]
    assert np.abs(moved["pytorch"]).max() > 1e-4
    np.testing.assert_allclose(moved["mindspore"], moved["pytorch"], rtol=0, atol=0.01 * np.abs(moved["pytorch"]).max())


@pytest.mark.parametrize("ending", ["pt", "ckpt"])
@pytest.mark.parametrize("framework", ["pytorch", "mindspore"])
def test_the_framework_free_form_comes_back_byte_for_byte(made, convert, tmp_path, framework, ending):
    source = made[framework] / {"pytorch": "source.tar", "mindspore": "source.ckpt"}[framework]
    ok(convert(source, tmp_path / "first.safetensors", *OF_MODEL))
    ok(convert(tmp_path / "first.safetensors", tmp_path / f"there.{ending}", *OF_MODEL))
    ok(convert(tmp_path / f"there.{ending}", tmp_path / "second.safetensors", *OF_MODEL))
    assert (tmp_path / "first.safetensors").read_bytes() == (tmp_path / "second.safetensors").read_bytes()


def test_the_library_reads_what_is_written(made, convert, tmp_path):
    ok(convert(made["pytorch"] / "source.tar", tmp_path / "out.safetensors", *OF_MODEL))
    found = load_file(tmp_path / "out.safetensors")
    weights, _ = made_by("pytorch", made)
    assert_same_bits({name: found[name] for name in weights}, weights)
    assert {f"first_moment.{name}" for name in weights} <= found.keys()
    assert int(found["step"].item() if "step" in found else found["global_step"].item()) == 3


def test_published_names_lead_there_and_back(made, convert, tmp_path):
    source = made["pytorch"] / "source.tar"
    for names in ("fourcastnet-nvlabs", "fourcastnet-mindearth"):
        other = tmp_path / f"{names}.ckpt"
        ok(convert(source, other, *OF_MODEL, "--target-names", names))
        ok(convert(other, tmp_path / f"{names}.safetensors", *OF_MODEL, "--names", names))
    ok(convert(source, tmp_path / "plain.safetensors", *OF_MODEL))
    expected = load_file(tmp_path / "plain.safetensors")
    for names in ("fourcastnet-nvlabs", "fourcastnet-mindearth"):
        found = load_file(tmp_path / f"{names}.safetensors")
        assert_same_bits(
            {n: v for n, v in found.items() if n in expected}, {n: v for n, v in expected.items() if n in found}
        )
        assert {n for n in expected if "." not in n or not n.startswith("optimiser")} - found.keys() <= {"step"}


def test_moments_of_mindspore_are_not_numbered_for_pytorch_without_the_network(made, convert, tmp_path):
    refused = convert(made["mindspore"] / "source.ckpt", tmp_path / "out.pt")
    assert refused.returncode == 2
    assert "give --model and --preset, or --weights-only" in refused.stderr
    ok(convert(made["mindspore"] / "source.ckpt", tmp_path / "out.pt", "--weights-only"))


def test_the_order_of_an_architecture_is_that_of_its_pytorch_module():
    code = """
import importlib, sys
from small import small_scenario
from harness.porting.convert.tensors import module_order
from harness.scenario.execution import EAGER
from harness.worker.subject import prepare
for model in ("fourcastnet", "graphcast", "aigoms"):
    subject = prepare(small_scenario(model))
    module = importlib.import_module(f"harness.models.{model}.pytorch").build(subject.network, subject.domain, EAGER)
    names = [parameter.name for parameter in subject.package.parameters(subject.network, subject.domain)]
    assert module_order(names) == [name for name, _ in module.named_parameters()], model
"""
    ok(child("-c", code))


def test_a_partial_match_is_refused_with_what_would_fit_unless_told_to(made, convert, tmp_path):
    other = tmp_path / "mindearth.ckpt"
    ok(convert(made["pytorch"] / "source.tar", other, *OF_MODEL, "--target-names", "fourcastnet-mindearth"))
    refused = convert(other, tmp_path / "out.safetensors", *OF_MODEL)
    assert refused.returncode == 2
    assert "it fits with --names fourcastnet-mindearth" in refused.stderr
    assert not (tmp_path / "out.safetensors").exists()
    ok(convert(other, tmp_path / "out.safetensors", *OF_MODEL, "--partial"))


def test_numbers_of_every_width_pass_through_mindspore_bit_for_bit(neutral, convert, tmp_path):
    ok(convert(neutral, tmp_path / "there.ckpt"))
    ok(convert(tmp_path / "there.ckpt", tmp_path / "back.safetensors"))
    assert_same_bits(load_file(tmp_path / "back.safetensors"), load_file(neutral))


def test_what_a_link_points_to_is_replaced_and_the_link_stays(neutral, convert, tmp_path):
    (real := tmp_path / "elsewhere/real.safetensors").parent.mkdir()
    real.touch()
    (link := tmp_path / "link.safetensors").symlink_to(real)
    ok(convert(neutral, link, "--force"))
    assert link.is_symlink()
    assert_same_bits(load_file(real), load_file(neutral))


def test_a_dry_run_writes_nothing(neutral, convert_apart, tmp_path):
    done = ok(convert_apart(neutral, tmp_path / "there.ckpt", "--dry-run"))
    assert "dense.weight" in done.stdout
    assert not (tmp_path / "there.ckpt").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.pt", "out.ckpt"), "nowhere.pt: no such file"),
        (("small.safetensors", "out.onnx"), "no form has the ending '.onnx'"),
        (("small.safetensors", "small.safetensors"), "exists; give --force"),
        (("small.safetensors", "folder.safetensors", "--force"), "folder.safetensors: is a folder or a device and no"),
        (("cut.safetensors", "out.ckpt"), "not a whole safetensors file"),
        (("cut.ckpt", "out.safetensors"), "not a whole MindSpore checkpoint"),
        (("code.pt", "out.safetensors"), "code.pt"),
        (("small.safetensors", "out.ckpt", "--model", "fourcastnet"), "give --model and --preset together"),
        (("small.safetensors", "out.ckpt", "--names", "fourcastnet-nvidia"), "did you mean 'fourcastnet-nvlabs'?"),
        (("small.safetensors", "out.ckpt", *OF_MODEL), "missing: "),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(neutral, convert, tmp_path, arguments, said):
    (tmp_path / "cut.safetensors").write_bytes(neutral.read_bytes()[:-9])
    ok(convert(neutral, tmp_path / "whole.ckpt"))
    (tmp_path / "cut.ckpt").write_bytes((tmp_path / "whole.ckpt").read_bytes()[:-30])
    (tmp_path / "code.pt").write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    (tmp_path / "folder.safetensors").mkdir()
    before = sorted(tmp_path.iterdir())
    given = [tmp_path / each if "." in each and "/" not in each else each for each in arguments]
    done = convert(*given)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.iterdir()) == before
