"""Hygon DCU and AMD, whose tools are relatives: hy-smi, rocm-smi, amd-smi, who is on a card, which cards a job sees."""
