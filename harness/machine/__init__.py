"""What this host is and has: its identity, its software, and the variables that change speed or numbers.

Asked by the process that supervises a launch on its node, so that a record describes where the work was done.
"""
