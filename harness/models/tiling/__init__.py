"""MLPs over many rows, run a tile of rows at a time, in PyTorch."""
