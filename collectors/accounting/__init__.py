"""From a sampler's log to joules: the energy of a job in a window of time, with the evidence for it and a verdict.

Nothing here reads a sensor. A window without enough evidence has no energy and a reason; it never has 0.
"""
