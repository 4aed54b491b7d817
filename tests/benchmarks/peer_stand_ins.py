"""What PhysicsNeMo imports, and its AFNO and GraphCast do not use on a CPU, by modules that are empty.

torch_scatter, which has no wheels, is PyTorch Geometric's own sum by segments.
"""

import importlib.abc
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

EMPTY = ("torchvision", "timm", "s3fs", "xxhash")
BUILT = ("torch_scatter", "torch_sparse")


class Empty(ModuleType):
    """Whose every name is a class of its own."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of EMPTY, and in them whatever is asked for."""

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in EMPTY else None

    def create_module(self, spec):
        return Empty(spec.name)

    def exec_module(self, module):
        """There is nothing in it."""


def install():
    """Put all stand-ins in place, and let PhysicsNeMo find them good."""
    sys.meta_path.insert(0, Finder())
    from torch_geometric.utils import scatter

    for name in BUILT:
        sys.modules[name] = Empty(name)
    sys.modules["torch_scatter"].scatter = lambda source, index, dim=0, out=None, dim_size=None, reduce="sum": scatter(
        source, index, dim, dim_size, reduce
    )
    from physicsnemo.core import version_check

    installed = version_check.check_version_spec
    version_check.check_version_spec = lambda name, *rest, **how: name in BUILT or installed(name, *rest, **how)
