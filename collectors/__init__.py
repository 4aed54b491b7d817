"""Power collectors and energy accounting: tools of each vendor, a sampler process, joules with a verdict.

Nothing here imports `harness`. Nothing but `collectors.accounting` and the Parquet functions needs more than the
standard library at import. Callers use `registry` to find what works here, `sampling.process` to read it beside the
work, and `accounting.energy` to make joules of the log.
"""
