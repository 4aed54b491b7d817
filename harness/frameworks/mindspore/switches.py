"""MindSpore's switches for the precision of float32 products, which Ascend alone has, and what a device cannot do."""

import importlib
from collections.abc import Mapping
from typing import Any

from harness.errors import UserError, one_line
from harness.frameworks.base import Switches
from harness.frameworks.policy import low_format
from harness.scenario.execution import Matmul, Precision

SETTINGS = ("precision_mode", "matmul_allow_hf32", "conv_allow_hf32")
"""Functions of mindspore.device_context.ascend.op_precision."""


def set_products(precision: Precision, device: str) -> tuple[str, ...]:
    """Set every switch; one line for each that this MindSpore lacks or refuses.

    Raises UserError where the device does not know a format of `precision`.
    """
    if precision.matmul not in ("ieee", *(["hf32"] if device == "Ascend" else [])):
        devices = "Ascend" if precision.matmul == "hf32" else "NVIDIA's devices, on which MindSpore does not run"
        raise UserError(f"precision.matmul: {precision.matmul} is a format of {devices}, not of {device}; use ieee")
    if device == "CPU" and low_format(precision.autocast) == "bf16":
        raise UserError(f"precision.autocast: {precision.autocast}: MindSpore has no bfloat16 on a CPU; use {precision.autocast.replace('bf', 'fp')}")
    return _set(precision.matmul) if device == "Ascend" else ()


def _set(matmul: Matmul) -> tuple[str, ...]:
    refused = []
    allows = matmul == "hf32"
    settings: Mapping[str, str | bool] = dict(zip(SETTINGS, ("must_keep_origin_dtype", allows, allows), strict=True))
    for name, value in settings.items():
        try:
            getattr(importlib.import_module("mindspore.device_context.ascend.op_precision"), name)(value)
        except (ImportError, AttributeError, NameError, TypeError, ValueError, RuntimeError) as error:
            refused.append(f"{name}: not set: {one_line(error)}")
    return tuple(refused)


def read(refused: tuple[str, ...]) -> Switches:
    """Every switch as MindSpore tells it; `refused` says which could not be set.

    There is no public function that reads them: what op_precision asks itself is asked here.
    """
    values: dict[str, str] = {}
    unread = list(refused)
    for name in SETTINGS:
        try:
            values[name] = str(getattr(_settings(), name)())
        except (ImportError, AttributeError, TypeError, RuntimeError) as error:
            unread.append(f"{name}: not read back: {one_line(error)}")
    return Switches(values=values, unread=tuple(unread))


def _settings() -> Any:
    return importlib.import_module("mindspore._c_expression").AscendOpPrecisionConf.get_instance()
