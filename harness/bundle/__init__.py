"""One archive of logs, records and the environment to send home when something fails, without private data.

`crosscast bundle` calls `writing.write_bundle`. What stands in the archive is text that `scrubbing` has gone through;
`private` says which names of this machine are looked for, and `cluster` finds those of other nodes in the files. Files
that are no text stay out, and the archive's own list says so.
"""
