"""The device that stands in for an NPU or a CUDA board is one of its own to PyTorch."""

import pytest


def test_tensors_live_on_it_with_memory_of_their_own(second_device):
    name, told = second_device
    assert told["device"] == f"{name}:0"
    assert told["host kept"]
    assert told["grown"] >= 4_000_000
    assert told["memory"][1] == (64 if name == "npu" else 80) << 30


@pytest.mark.parametrize("call", ["sum", "product", "join", "normalisation"])
def test_a_tensor_that_was_left_on_the_host_fails_as_on_the_chip(second_device, call):
    name, told = second_device
    words = f"Expected all tensors to be on the same device, but found at least two devices, {name}:0 and cpu!"
    assert told["refused"][call] == words


def test_its_memory_is_no_array_of_the_host(second_device):
    name, told = second_device
    assert told["refused"]["host array"].startswith(f"can't convert {name}:0 device type tensor to numpy")


def test_indices_and_single_numbers_may_be_of_the_host(second_device):
    assert second_device[1]["indexed"]
    assert second_device[1]["number"]


def test_it_trains_as_the_host_does(second_device):
    """The same operators run, so that only copies could differ."""
    assert second_device[1]["furthest weight"] < 1e-6


def test_gelu_of_an_npu_is_the_form_with_tanh_whatever_it_is_told(second_device):
    name, told = second_device
    gelu = told["gelu"]
    assert gelu["device"] == gelu["tanh" if name == "npu" else "erf"]
    assert gelu["erf"] != gelu["tanh"]


def test_the_harness_describes_it_as_the_vendor_would(second_device):
    name, told = second_device
    description, switches = told["description"], told["switches"]
    if name == "npu":
        assert description["device_name"] == "Ascend910B3"
        assert description["packages"]["torch_npu"]
        assert {switches[f"npu.{what}.allow_hf32"] for what in ("matmul", "conv", "aclnn")} == {"False"}
    else:
        assert (description["device_name"], description["driver"]) == ("NVIDIA A100-SXM4-80GB", "12.8")
        assert switches["backends.cuda.matmul.allow_tf32"] == "False"


def test_the_plain_trace_of_an_npu_is_compressed_as_its_name_says(second_device):
    name, told = second_device
    if name == "npu":
        assert told["traced"] > 0


def test_a_step_whose_gradients_overflowed_changes_nothing(second_device):
    """Nor where the fused kernel reads no `found_inf`. Each update of Adam by one slope, clipped, is by lr = 0.1."""
    name, told = second_device
    assert told["leaves overflows out"] == (name != "npu")
    for after, skipped in told["overflowed"].values():
        assert after[0] == pytest.approx(0.9, abs=1e-6)
        assert after[1] == after[0]
        assert after[2] == pytest.approx(0.8, abs=1e-6)
        assert skipped == 1


def test_networks_are_built_for_it_though_an_old_torch_calls_the_host_its_default(second_device):
    """Before 2.8 `torch.get_default_device` says nothing of the device of a `with` block."""
    name, told = second_device
    assert told["built on"] == name


def test_the_deep_doctor_finds_every_operator_right_on_it(second_device):
    """As it must where each operator lies on the device with all that it is made of."""
    (check,) = second_device[1]["operators"]
    assert check["verdict"] == "ok", check["found"]
    assert "Fourier transform dft" in check["found"]
