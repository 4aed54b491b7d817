"""torch_npu.profiler: PyTorch's own under the names of an NPU. As there, a trace is written as plain JSON."""

from enum import Enum
from pathlib import Path

import torch.profiler


class ProfilerActivity(Enum):
    """Of the host, and of the device, which has nothing to tell here."""

    CPU = "CPU"
    NPU = "NPU"


class profile:
    """The operators of the host."""

    def __init__(self, *, activities, record_shapes=False):
        assert set(activities) <= set(ProfilerActivity)
        host = [torch.profiler.ProfilerActivity.CPU]
        self._profile = torch.profiler.profile(activities=host, record_shapes=record_shapes)
        self.start, self.stop = self._profile.start, self._profile.stop

    def export_chrome_trace(self, output_path):
        """Write the trace, plain whatever the ending of the name."""
        plain = Path(f"{output_path}.json")
        self._profile.export_chrome_trace(str(plain))
        plain.replace(output_path)
