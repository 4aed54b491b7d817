"""Benches that are handed to a scheduler: blocks of a suite, the ledger of what was submitted, and the job on its node.

A block holds all cells of a suite that will be compared with each other, those of one model, so that they alternate on
one node. Everything about submissions lies in RESULTS/submissions, beside the records: one folder a submission, with
`submitted.json` and a folder a block, whose `block.json` never changes and whose `state.json` its job writes.
"""
