"""Who else is on the devices of a job, asked of the vendors' tools before, during and after the work."""
