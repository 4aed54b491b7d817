"""Weights and optimiser state between PyTorch, MindSpore and a form that needs no framework."""
