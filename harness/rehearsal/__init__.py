"""The whole path of a chip without the chip: stand-ins for the vendor's package, programs, libraries and device files.

`crosscast rehearse` sets a stage (`stage`) and runs the commands of the first hour on it (`rehearse`), as a user would
type them. What runs is the harness as it is; everything of the vendor's is in `stand_ins/`, which no room imports.
What can be relied on: tensors of PyTorch live on a second device with memory of its own, a tensor that was left on the
host fails as it does there, and records say that they are of a rehearsal. MindSpore runs on its CPU under the name of
the device. Speeds, watts and the rounding of the chip are not rehearsed.
"""
