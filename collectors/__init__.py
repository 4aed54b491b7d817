"""Power collectors and energy accounting: one module a power tool, a sampler process, joules with a verdict.

Nothing here imports `harness`. Nothing but `collectors.energy` and the Parquet functions needs more than the standard
library at import.
"""
