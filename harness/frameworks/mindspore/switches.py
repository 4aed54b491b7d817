"""MindSpore's switches for the precision of float32 products, which Ascend alone has."""

import importlib
from collections.abc import Mapping
from typing import Any

from harness.errors import one_line
from harness.frameworks.base import Switches
from harness.scenario.execution import Matmul

SETTINGS = ("precision_mode", "matmul_allow_hf32", "conv_allow_hf32")
"""Functions of mindspore.device_context.ascend.op_precision."""


def set_products(matmul: Matmul) -> tuple[str, ...]:
    """Set every switch; one line for each that this MindSpore lacks or refuses."""
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
