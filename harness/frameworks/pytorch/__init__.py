"""PyTorch behind the framework protocol, on a CPU, CUDA, ROCm or an NPU."""
