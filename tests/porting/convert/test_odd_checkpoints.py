"""Checkpoints with objects of other libraries, with code to run, damaged and lying ones."""

import json
import zipfile

import pytest
from converting import HERE, child
from odd_checkpoints import RATE, WEIGHT

from harness.errors import UserError
from harness.porting.convert.archives import check_archive
from tests.shared import shared_path


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What was read of each file, by its name, and the file that anything run would leave."""
    folder = tmp_path_factory.mktemp("odd")
    canary = folder.with_name("canary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANARY", str(canary))
        made = child(HERE / "odd_checkpoints.py", "make", folder)
        assert made.returncode == 0, made.stderr
        lie(folder / "adamw.pt", folder / "lying.pt")
        done = child(HERE / "odd_checkpoints.py", "read", folder)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "canary": canary.exists()}


def lie(source, target):
    """The archive with a tensor of a thousand million values claimed in its pickle, the checksums right."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl"):
                assert b"K\x06t" in content
                content = content.replace(b"K\x06t", b"J\x00\xca\x9a\x3bt", 1)
            new.writestr(name, content)


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("ruamel.tar", ["iters"]),
        ("config.pt", ["params", "more"]),
        ("protocol4.pt", ["params", "more"]),
        ("numpy.pt", ["best", "rng", "n"]),
        ("odd.pt", ["args", "when", "where", "scheduler", "random"]),
        ("averaged.pt", ["n_averaged"]),
        ("ema.pt", ["epoch"]),
        ("both.pt", ["model_ema"]),
        ("adamw.pt", []),
        ("fused.pt", []),
        ("lightning.ckpt", ["hyper_parameters"]),
        ("legacy.pt", ["iters"]),
        ("settings-bomb.pt", []),
        ("escape.pt", ["\x1b[31m", str(10**200)]),
    ],
)
def test_the_weights_of_real_trainings_are_carried(found, name, left_out):
    assert found[name].get("names") == ["weight"], found[name]
    assert found[name]["values"] == [WEIGHT.tolist()]
    assert found[name]["left out"] == left_out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("averaged.pt", ["the weights are averages over the training"]),
        ("ema.pt", ["the weights are averages over the training (under 'ema')"]),
        ("both.pt", ["the weights under 'model' were taken, not their averages over the training (under 'model_ema')"]),
        ("adamw.pt", []),
    ],
)
def test_averaged_weights_are_named(found, name, said):
    assert found[name]["remarks"] == said


@pytest.mark.parametrize("name", ["ruamel.tar", "adamw.pt", "fused.pt", "lightning.ckpt", "legacy.pt"])
def test_the_state_of_adam_goes_with_them(found, name):
    assert (found[name]["moments"], found[name]["steps"]) == (1, [1])
    assert found[name]["settings"]["lr"] == RATE
    assert found[name]["settings"]["betas"] == [0.9, 0.999]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("runs.pt", "it wants to run posix.system"),
        ("legacy-runs.pt", "it wants to run posix.system"),
        ("evaluates.pt", "it wants to run builtins.eval"),
        ("calls.pt", "it wants to run subprocess.check_call"),
        ("whole-network.pt", "holds Linear, not a dict of tensors"),
        ("script.pt", "is a TorchScript program"),
        ("damaged-about.pt", "'crosscast' is damaged"),
        ("damaged-betas.pt", "what it says of itself is damaged"),
        ("bomb.pt", "what it says of itself is damaged"),
        ("lying.pt", "a tensor claims 1,000,000,000 values"),
        ("expanded.pt", "claims 1,000,000,000 values"),
        ("strange-optimiser.pt", "give --weights-only"),
    ],
)
def test_what_is_no_plain_checkpoint_is_refused_in_a_line(found, name, said):
    assert said in found[name]["refused"]
    assert "\n" not in found[name]["refused"]


def test_nothing_was_run(found):
    assert found["canary"] is False


def test_an_archive_is_held_to_its_checksums(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one", b"abcdefgh" * 100)
        archive.writestr("two", b"x" * 100)
    assert set(check_archive(path)) == {"one", "two"}
    content = bytearray(path.read_bytes())
    content[content.index(b"abcdefgh") + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="checksum of 'one' does not match"):
        check_archive(path)
    path.write_bytes(bytes(content[:-40]))
    with pytest.raises(UserError, match="not a whole zip archive"):
        check_archive(path)


def test_an_archive_that_would_unpack_to_gigabytes_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as out:
        for _ in range(80):
            out.write(bytes(2**20))
    with pytest.raises(UserError, match="that would unpack to 80 MiB"):
        check_archive(path)


@pytest.mark.parametrize(
    ("name", "code", "said"), [("backbone_ruamel.ckpt", 0, "step: 1"), ("bit-flipped.ckpt", 2, "own checksum")]
)
def test_shared_cases(convert, tmp_path, name, code, said):
    done = convert(shared_path("cases/checkpoints") / name, tmp_path / "out.safetensors")
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert (tmp_path / "out.safetensors").exists() == (code == 0)
