"""Chips that are not here: time, memory and joules of a step, projected from the work of a network and a chip's file.

Called by `crosscast project` alone. What comes out is of the type `Projected`, which no table, claim, ratio, gate or
export of measurements accepts, and which is never made where the same method was not tried on records that it had not
seen: no validation, no projection.
"""
