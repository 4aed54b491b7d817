"""Which operators a PyTorch network needs, what MindSpore has for each, and whether that computes the same."""
