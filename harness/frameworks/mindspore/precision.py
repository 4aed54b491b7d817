"""MindSpore's switches for the precision of float32 products on Ascend: all of float32, no HF32."""

import importlib
from collections.abc import Mapping
from typing import Any

from harness.errors import one_line
from harness.frameworks.base import Switches

SETTINGS: Mapping[str, str | bool] = {
    "precision_mode": "must_keep_origin_dtype",
    "matmul_allow_hf32": False,
    "conv_allow_hf32": False,
}
"""Functions of mindspore.device_context.ascend.op_precision and their arguments."""


def keep_float32() -> tuple[str, ...]:
    """Set every switch; one line for each that this MindSpore lacks or refuses."""
    refused = []
    for name, value in SETTINGS.items():
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
