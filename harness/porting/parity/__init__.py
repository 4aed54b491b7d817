"""Whether a port computes what the PyTorch network computes: same weights, same batches, compared part by part.

The truth is PyTorch on the CPU in float64. What a port may be off is measured, not chosen: `yardstick` is how far
float32 PyTorch itself is off the truth, as it is and with other orders of its sums.
"""
