"""Arithmetic, comparisons, activations and reductions."""
