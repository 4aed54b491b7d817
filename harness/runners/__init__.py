"""Plain loops over the framework protocol: training, inference latency, scored rollout."""
