"""The profiler of PyTorch, or that of torch_npu on an Ascend, as a hook of the runners."""

import importlib
from pathlib import Path
from typing import Any


class TorchProfiler:
    """Operators of the host and kernels of the device with their shapes, in the format of Chrome's tracing."""

    file_name = "trace.json.gz"

    def __init__(self, device: str) -> None:
        module: Any = importlib.import_module("torch_npu.profiler" if device == "npu" else "torch.profiler")
        activity = module.ProfilerActivity
        of_device = {"cuda": ["CUDA"], "npu": ["NPU"]}.get(device, [])
        activities = [getattr(activity, name) for name in ("CPU", *of_device)]
        self._profile = module.profile(activities=activities, record_shapes=True)

    def start(self) -> None:
        """Begin to record."""
        self._profile.start()

    def stop(self, path: Path) -> None:
        """End it and write the trace file."""
        self._profile.stop()
        self._profile.export_chrome_trace(str(path))
