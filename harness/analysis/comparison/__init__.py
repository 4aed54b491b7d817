"""Which cells may be compared, in what, and what the comparison says.

`kinds` says for each kind of comparison (port, chip, ablation, scaling, history) what must agree and what may differ,
`differences` what does not agree, `baseline` finds the baseline that a user names, `parity` adds what certificates say,
`ratios` the numbers. Views rely on a refusal naming everything that differs, and on there being no ratio with one.
"""
