"""Limits of what may be asked for, and forms that texts must have, for those who read no more than they need."""

MOST_LAUNCHES = 10_000
"""Launches of a cell."""

FIRST_COMPILE_S = 1800.0
"""What a launch may take at least on a chip with device files, where the first use of an operator may compile it."""

VERSIONS = r"^(>=|<=|==|!=|<|>)\d+(\.\d+)*(, ?(>=|<=|==|!=|<|>)\d+(\.\d+)*)*$"
"""Bounds of a version, as in >=2.4,<2.14."""

ABSOLUTE_PATH = r"^/[^\x00-\x1f]*[^/\x00-\x1f]$"
