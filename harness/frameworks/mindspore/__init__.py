"""MindSpore behind the framework protocol, on a CPU or Ascend."""
