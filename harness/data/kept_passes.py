"""Results of passes over the training steps of an archive, kept in the user's cache folder.

They follow from the values of the source and the steps alone, so that its fingerprint and the steps name them: other
splits, changed files or another mapping give another name, and a copied archive the same.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.cache import Arrays, keep, recall

VERSION = 2
"""Part of the name of what is kept; raise it when a pass over the same values gives another result."""

Steps = NDArray[np.int64]


@dataclass(frozen=True)
class KeptPasses:
    """Keeps what passes over a source with this fingerprint give; without one, nothing."""

    fingerprint: str | None = None

    def once(self, name: str, steps: Steps, fields: tuple[str, ...], compute: Callable[[], Arrays]) -> Arrays:
        """The arrays `fields` that a pass over `steps` gives: as kept, else from `compute`, which is called `name`."""
        if self.fingerprint is None:
            return compute()
        key = hashlib.sha256(f"{VERSION} {np.__version__} {self.fingerprint} ".encode() + steps.astype("<i8").tobytes())
        kept_name = f"{name}-{key.hexdigest()[:32]}"
        arrays = recall(kept_name, fields)
        if arrays is None:
            arrays = compute()
            keep(kept_name, arrays)
        return arrays


KEEP_NOTHING = KeptPasses()
