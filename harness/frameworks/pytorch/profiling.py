"""The profiler of PyTorch, or that of torch_npu on an Ascend, as a hook of the runners."""

import gzip
import importlib
from pathlib import Path
from typing import Any

GZIP_MARK = b"\x1f\x8b"


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
        """End it and write the trace file, compressed. Raises RuntimeError where there is no file then.

        torch_npu compresses none, and only warns of what it cannot write.
        """
        self._profile.stop()
        self._profile.export_chrome_trace(str(path))
        if not path.exists():
            raise RuntimeError("it wrote no trace; see log.txt")
        content = path.read_bytes()
        if not content.startswith(GZIP_MARK):
            path.write_bytes(gzip.compress(content))
