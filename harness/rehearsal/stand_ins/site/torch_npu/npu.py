"""torch.npu: one device, whose name and memory the package sets."""

from types import SimpleNamespace

import torch

name, peak_bytes, memory_bytes = "", None, 0
matmul, conv, aclnn = (SimpleNamespace(allow_hf32=default) for default in (False, True, False))


def is_available():
    return True


def is_initialized():
    return True


def device_count():
    return 1


def current_device():
    return 0


def set_device(device):
    """There is no other."""


def synchronize(device=None):
    """Nothing runs ahead of the host."""


def get_device_name(device=None):
    return name


def mem_get_info(device=None):
    return memory_bytes, memory_bytes


def max_memory_allocated(device=None):
    return peak_bytes()


def max_memory_reserved(device=None):
    return peak_bytes()


def get_amp_supported_dtype():
    return [torch.float16, torch.bfloat16]


def manual_seed_all(seed):
    """Random numbers are drawn on the host."""


def _is_in_bad_fork():
    return False


def _lazy_init():
    """The package has made the device."""
