"""Names of files of results that several rooms write and read; that of any other is named where it is made."""

ABSENT = "absent.json"
"""In the folder of a suite: the cells that cannot run, with their reasons."""

LAUNCH = "launch.json"
"""In the folder of a launch: what its workers are told."""

POWER = "power.parquet"
"""In the folder of a launch: the samples of power."""
