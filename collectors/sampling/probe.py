"""What one collector finds, in a process of its own: `python -m collectors.sampling.probe NAME` prints JSON."""

from __future__ import annotations

import json
import os
import sys

from collectors.registry import Registry, probe_safely

if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    registry = Registry.installed()
    collector = registry.create(sys.argv[1])
    if collector is None:
        print(json.dumps({"sensors": [], "reason": registry.failures[sys.argv[1]]}))
    else:
        found = probe_safely(collector)
        print(json.dumps({"sensors": [sensor.to_dict() for sensor in found.sensors], "reason": found.reason}))
