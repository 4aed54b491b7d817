"""torch_npu.profiler: PyTorch's own, under the names of an NPU."""

from enum import Enum

from torch.profiler import ProfilerActivity as Torch
from torch.profiler import profile as profile_of_torch


class ProfilerActivity(Enum):
    CPU = Torch.CPU
    NPU = Torch.PrivateUse1


def profile(activities, **options):
    return profile_of_torch(activities=[each.value for each in activities if each is ProfilerActivity.CPU], **options)
