"""Nights: two commits measured against each other in one block of a site, then judged; one folder holds all nights.

`crosscast nightly` calls `night`, which keeps a checkout and an environment for each side, hands in the block, waits,
has the gate judge and prunes. A night that was cut off goes on where it was, as all that it needs stands in its files.
"""
