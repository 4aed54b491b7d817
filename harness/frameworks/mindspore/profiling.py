"""The profiler of MindSpore as a hook of the runners."""

import shutil
import tempfile
from pathlib import Path

from mindspore.profiler import ProfilerActivity, profile, tensorboard_trace_handler


class MindSporeProfiler:
    """Kernels of the host and, on an Ascend, of the device, in the format of Chrome's tracing.

    MindSpore writes a folder of files, of which trace_view.json is kept.
    """

    file_name = "trace.json"

    def __init__(self, device: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="crosscast-profile-", ignore_cleanup_errors=True)
        activities = [ProfilerActivity.CPU, *([] if device == "CPU" else [ProfilerActivity.NPU])]
        handler = tensorboard_trace_handler(self._folder.name)
        self._profile = profile(activities=activities, on_trace_ready=handler)

    def start(self) -> None:
        """Begin to record."""
        self._profile.start()

    def stop(self, path: Path) -> None:
        """End it and write the trace file; RuntimeError where MindSpore wrote none."""
        self._profile.stop()
        with self._folder as folder:
            traces = sorted(Path(folder).rglob("trace_view.json"))
            if not traces:
                raise RuntimeError("MindSpore's profiler wrote no trace_view.json")
            shutil.copyfile(traces[-1], path)
