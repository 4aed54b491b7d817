"""Every Python on a stage: as soon as it imports a framework, the device of the stage is there.

Standard library alone: it is loaded into each process, whatever that does.
"""

import json
import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path

STAGE = Path(os.environ["CROSSCAST_REHEARSAL"])
CAST = json.loads((STAGE / "stage.json").read_text())


class AroundImport:
    """A finder that lets a module of `stand_ins` act before and after a framework is imported."""

    def __init__(self, acting):
        self._acting = acting

    def find_spec(self, name, path=None, target=None):
        """The module's own specification, with a loader that acts."""
        if name not in self._acting:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        module = import_module(self._acting[name])
        load = spec.loader.exec_module

        def exec_module(loaded):
            (STAGE / "processes" / str(os.getpid())).touch()
            module.before(CAST)
            load(loaded)
            module.after(loaded, CAST)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, AroundImport(dict(CAST["acting"])))
