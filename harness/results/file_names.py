"""Names of files of results that several rooms write and read; that of any other is named where it is made."""

ABSENT = "absent.json"
"""In the folder of a suite: the cells that cannot run, with their reasons."""

LAUNCH = "launch.json"
"""In the folder of a launch: what its workers are told."""

LOG = "log.txt"
"""In the folder of a launch, and of each node of one: what its workers print."""

NODE_REPORT = "report.json"
"""In the folder of each other node of a launch: what it measured and how it ended."""

NODE_TERMS = "nodes.json"
"""In the folder of a launch over several nodes: what the other nodes must know beside its plan."""

POWER = "power.parquet"
"""In the folder of a launch: the samples of power."""

POWER_LOG = "power.jsonl"
"""Samples of power while they are taken, a line each; of a launch they become its `POWER`."""
