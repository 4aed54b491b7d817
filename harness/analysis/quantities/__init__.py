"""Every number that tables, figures, claims, exports and the report show: computed here, once, from records.

`metrics` takes from a record what one launch contributes and is all that reading keeps of it; `speed` (memory with it),
`energy`, `skill` and `losses` put the launches of a cell together. A reader may rely on a number having its unit, its
interval or none, the launches it is of and the cells whose records hold them, and on a missing one having its reason.
"""
