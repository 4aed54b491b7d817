"""NVIDIA: NVML and nvidia-smi, who is on a board, and which boards CUDA shows to a job."""
