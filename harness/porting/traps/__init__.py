"""Where a MindSpore network is not what the same lines mean in PyTorch."""
