"""Switches of devices that are not here, on modules of the shape that their documentation gives."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from harness.frameworks.mindspore import switches as mindspore_switches
from harness.frameworks.pytorch import switches as pytorch_switches


def pytorch_on_npu(**changes):
    """PyTorch 2.5 with torch_npu: no fp32_precision, HF32 allowed to convolutions."""
    content = {
        "backends": SimpleNamespace(
            cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=True)), cudnn=SimpleNamespace(allow_tf32=True)
        ),
        "npu": SimpleNamespace(
            matmul=SimpleNamespace(allow_hf32=True),
            conv=SimpleNamespace(allow_hf32=True),
            aclnn=SimpleNamespace(allow_hf32=True),
        ),
        "set_float32_matmul_precision": lambda text: state.update(precision=text),
        "get_float32_matmul_precision": lambda: state["precision"],
    }
    state = {"precision": "medium"}
    return SimpleNamespace(**content | changes)


def test_torch_npu():
    torch = pytorch_on_npu()
    pytorch_switches.set_products(torch, "ieee")
    assert pytorch_switches.read(torch).model_dump() == {
        "values": {
            "float32_matmul_precision": "highest",
            "backends.cuda.matmul.allow_tf32": "False",
            "backends.cudnn.allow_tf32": "False",
            "npu.matmul.allow_hf32": "False",
            "npu.conv.allow_hf32": "False",
            "npu.aclnn.allow_hf32": "False",
        },
        "unread": (),
    }
    assert not hasattr(torch.backends, "fp32_precision")


def test_hf32_on_an_npu_and_tf32_on_cuda():
    torch = pytorch_on_npu()
    pytorch_switches.set_products(torch, "hf32")
    on_npu = pytorch_switches.read(torch).values
    torch.backends.fp32_precision = "none"
    pytorch_switches.set_products(torch, "tf32")
    on_cuda = pytorch_switches.read(torch).values
    for name, found in on_npu.items():
        assert found == ("highest" if name == "float32_matmul_precision" else str("hf32" in name)), name
    assert on_cuda.pop("backends.fp32_precision") == "tf32"
    for name, found in on_cuda.items():
        assert found == ("high" if name == "float32_matmul_precision" else str("tf32" in name)), name


def test_a_switch_that_raises_is_named():
    class Contradicting:
        @property
        def allow_tf32(self):
            raise RuntimeError("a mix of the legacy and new APIs\nmore")

    torch = pytorch_on_npu()
    torch.backends.cudnn = Contradicting()
    pytorch_switches.set_products(torch, "ieee")
    found = pytorch_switches.read(torch)
    assert found.unread == ("backends.cudnn.allow_tf32: RuntimeError: a mix of the legacy and new APIs",)
    assert found.values["npu.matmul.allow_hf32"] == "False"


class Ascend:
    """The state and the functions of MindSpore 2.10's op_precision: each setting may be made once."""

    def __init__(self):
        self.state = {"precision_mode": "", "matmul_allow_hf32": "", "conv_allow_hf32": ""}

    def function(self, name):
        def set_once(value):
            text = {True: "1", False: "0"}.get(value, value)
            if self.state[name] not in ("", text):
                raise RuntimeError(f"The '{name}' can not be set repeatedly.")
            self.state[name] = text

        return set_once

    @property
    def instance(self):
        return SimpleNamespace(**{name: (lambda name=name: self.state[name]) for name in self.state})


@pytest.fixture
def ascend(monkeypatch):
    found, functions, compiled = Ascend(), ModuleType("op_precision"), ModuleType("_c_expression")
    for name in found.state:
        setattr(functions, name, found.function(name))
    compiled.AscendOpPrecisionConf = SimpleNamespace(get_instance=lambda: found.instance)
    monkeypatch.setitem(sys.modules, "mindspore.device_context.ascend.op_precision", functions)
    monkeypatch.setitem(sys.modules, "mindspore._c_expression", compiled)
    return SimpleNamespace(state=found.state, functions=functions, compiled=compiled)


def test_mindspore_on_ascend(ascend):
    found = mindspore_switches.read(mindspore_switches.set_products("ieee"))
    assert found.values == {
        "precision_mode": "must_keep_origin_dtype",
        "matmul_allow_hf32": "0",
        "conv_allow_hf32": "0",
    }
    assert found.unread == ()


def test_mindspore_with_hf32_on_ascend(ascend):
    found = mindspore_switches.read(mindspore_switches.set_products("hf32"))
    assert found.values == {
        "precision_mode": "must_keep_origin_dtype",
        "matmul_allow_hf32": "1",
        "conv_allow_hf32": "1",
    }


def test_what_an_older_mindspore_lacks_or_refuses_is_named(ascend):
    ascend.state["matmul_allow_hf32"] = "1"
    del ascend.functions.conv_allow_hf32
    del ascend.compiled.AscendOpPrecisionConf
    found = mindspore_switches.read(mindspore_switches.set_products("ieee"))
    assert found.values == {}
    assert (
        found.unread[0]
        == "matmul_allow_hf32: not set: RuntimeError: The 'matmul_allow_hf32' can not be set repeatedly."
    )
    assert found.unread[1].startswith("conv_allow_hf32: not set: AttributeError")
    assert [line.split(":")[1] for line in found.unread[2:]] == [" not read back"] * 3
