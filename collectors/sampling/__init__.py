"""Reading sensors beside the work: the sampler and the process it runs in, its pace, and the log it leaves.

`SamplerProcess` is what a caller starts and stops; the log is read again line by line, each line checked.
"""
