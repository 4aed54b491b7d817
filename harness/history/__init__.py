"""Nights: whether a commit is slower, larger, hungrier or less right than its baseline, and since when.

`gate` compares two folders of results and is what a nightly run calls; `baseline` is the file that says what counts as
accepted; `store` is an index of all records, rebuilt from them at any time, and `page` and `chart` draw its series.
The comparison of one night decides; the history shows the trend and decides nothing. A reader may rely on records being
the only source, and on the share of false alarms that `error_rates` measures.
"""
